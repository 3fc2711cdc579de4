//! What a search says.

use std::fmt::Write as _;

use crate::golden::TOLERANCE;
use crate::plan::open::{Choice, Question, Topic};
use crate::text::{count, grouped};

use super::judge::{Other, differing};
use super::space::Space;
use super::{Arena, Candidate, Found, Golden};

/// So many choices of a question are named.
const NAMED: usize = 8;

/// What is asked; of an output the task's name says it.
fn what(space: &Space, question: &Question) -> String {
    if question.topic != Topic::Output {
        return question.what();
    }
    let name = question.at.iter().find_map(|at| match at {
        crate::plan::open::At::Task(t) => space.plan.tasks.get(*t),
        _ => None,
    });
    name.map_or_else(
        || question.what(),
        |task| format!("output `{}` is made by", task.name),
    )
}

fn choice<'s>(space: &'s Space, q: usize, answers: &[u8]) -> Option<&'s Choice> {
    space.asked[q].choices.get(usize::from(answers[q]))
}

/// The answers, each in words.
fn answers(space: &Space, answers: &[u8]) -> Vec<(Option<usize>, String)> {
    let settled = space.settled.iter().map(|(question, choice)| {
        (
            None,
            format!("{}: {}", what(space, question), choice.words()),
        )
    });
    let asked = (0..space.asked.len()).filter_map(|q| {
        let words = choice(space, q, answers)?.words();
        let question = &space.asked[q].question;
        Some((Some(q), format!("{}: {words}", what(space, question))))
    });
    settled.chain(asked).collect()
}

/// Each answer, how far off the outputs are with it, and how far with the next best.
pub(super) fn said(space: &Space, winner: &Candidate, others: &[Option<Other>]) -> Vec<String> {
    let off = winner.worst();
    answers(space, &winner.answers)
        .into_iter()
        .map(
            |(q, text)| match q.and_then(|q| others.get(q)).and_then(Option::as_ref) {
                Some(next) => format!(
                    "{text}, {off:.0e} off; next best {}: {:.0e}",
                    next.choice.words(),
                    next.off
                ),
                None => format!("{text}, {off:.0e} off"),
            },
        )
        .collect()
}

/// The answers that are not as the plan had them, with the lines of a spec that say them.
pub(super) fn changed(space: &Space, given: &[u8]) -> Vec<String> {
    let settled = space.settled.iter().map(|(q, c)| (q, Some(c)));
    let asked = space.asked.iter().enumerate();
    let asked = asked.map(|(q, asked)| (&asked.question, choice(space, q, given)));
    settled
        .chain(asked)
        .filter_map(|(question, choice)| Some((question, choice?)))
        .filter(|(question, choice)| question.assumed.as_ref() != Some(choice))
        .map(|(question, choice)| {
            let (_, line) = question.line(choice);
            let line = line.replace('\n', ", ");
            let places = count(question.at.len(), "place");
            let what = what(space, question);
            format!("  {what}: {}, in {places} ({line})", choice.words())
        })
        .collect()
}

/// The answers for a blob that carries them undecided.
pub(super) fn assumed(space: &Space, given: &[u8]) -> Vec<String> {
    let all = answers(space, given).into_iter();
    all.map(|(_, text)| format!("{text} (fits the golden rows, as other answers do)"))
        .collect()
}

/// Two hypotheses that fit both, and the rows that would tell.
pub(super) fn apart(
    winner: (&Space, &Candidate),
    rival: (&Space, &Candidate),
    off: f64,
    (low, high): (f64, f64),
    golden: &Golden,
) -> String {
    let width = golden.x.first().map_or(0, Vec::len);
    let mut differences: Vec<String> = Vec::new();
    if std::ptr::eq(winner.0, rival.0) {
        for q in differing(&winner.1.answers, &rival.1.answers) {
            let words = [winner, rival].map(|(space, c)| {
                choice(space, q, &c.answers).map_or_else(String::new, Choice::words)
            });
            differences.push(format!(
                "{}: {} or {}",
                what(winner.0, &winner.0.asked[q].question),
                words[0],
                words[1]
            ));
        }
    } else {
        let text = |(space, c): (&Space, &Candidate)| {
            let all = answers(space, &c.answers).into_iter().map(|(_, text)| text);
            all.collect::<Vec<_>>().join(", ")
        };
        differences.push(format!("{}; or {}", text(winner), text(rival)));
    }
    format!(
        "{}: both fit the golden rows ({:.0e} and {:.0e} off). On rows such as x = \
         np.random.default_rng(0).uniform({low:.3}, {high:.3}, size=(64, {width})) they differ by \
         up to {off:.0e}",
        differences.join(", "),
        winner.1.worst(),
        rival.1.worst()
    )
}

/// That nothing fits: what was tried, and how near the best came, task by task.
pub(super) fn nothing(arenas: &[Arena<'_>], found: &Found) -> String {
    let mut text = format!(
        "of {} combinations of what the file leaves open none gives the golden outputs. Tried were",
        grouped(found.tried as u64)
    );
    if let Some(arena) = arenas.first() {
        for (question, _) in &arena.space.settled {
            let _ = write!(
                text,
                "\n  {}: {}",
                question.what(),
                list(question.assumed.iter().chain(&question.others))
            );
        }
        for asked in &arena.space.asked {
            let _ = write!(
                text,
                "\n  {}: {}",
                what(&arena.space, &asked.question),
                list(asked.choices.iter())
            );
        }
        if !arena.space.lacking.is_empty() {
            let _ = write!(
                text,
                "\n  not tried, for the engine does not have it: {}",
                arena.space.lacking.join(", ")
            );
        }
    }
    let Some(nearest) = &found.nearest else {
        let _ = write!(text, "\nno combination gives finite outputs");
        return text;
    };
    let arena = &arenas[nearest.arena];
    let given = answers(&arena.space, &nearest.answers);
    let given: Vec<String> = given.into_iter().map(|(_, text)| text).collect();
    let _ = write!(text, "\nThe nearest, with {}:", given.join(", "));
    for (name, off) in arena.golden.names.iter().zip(&nearest.tasks) {
        let verdict = if *off <= TOLERANCE {
            "fits"
        } else {
            "does not fit"
        };
        let _ = write!(text, "\n  `{name}` {verdict}: {off:.0e} off");
    }
    let fitting = nearest.fitting();
    text.push_str(if fitting > 0 {
        "\nWhat all tasks share is right, then; what is off stands in the gates and towers of the \
         tasks that do not fit: describe these in a spec (`mmoe inspect WEIGHTS --write-spec S.toml`)"
    } else {
        "\nWhat every task reads is off: experts that do something else than these, rows of `x` that \
         are not what enters this model, other weights than those that made the golden outputs, or \
         dropout that was on (`model.eval()`). A spec describes layers one by one (`mmoe inspect \
         WEIGHTS --write-spec S.toml`)"
    });
    text
}

fn list<'c>(choices: impl Iterator<Item = &'c Choice>) -> String {
    let all: Vec<String> = choices.map(Choice::words).collect();
    let more = all.len().saturating_sub(NAMED);
    let named = all
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        format!("{named} and {more} more")
    } else {
        named
    }
}
