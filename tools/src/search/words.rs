//! What a search says.

use std::fmt::Write as _;

use crate::golden::TOLERANCE;
use crate::import::Weights;
use crate::plan::open::{At, Choice, Part, Question, Topic};
use crate::text::{count, grouped};

use super::judge::{Other, differing};
use super::space::Space;
use super::{Arena, Candidate, Found};

/// So many choices of a question are named.
const NAMED: usize = 8;

/// What is asked, with the name of the task, tower or gate that it is asked of alone.
fn what(space: &Space, question: &Question) -> String {
    let plan = &space.plan;
    let unit = |at: &At| match at {
        At::Task(t) => plan.tasks.get(*t).map(|task| format!("`{}`", task.name)),
        At::Tower(t, _) => {
            let mut own = plan.tasks.iter().filter(|task| !task.is_product());
            own.nth(*t)
                .map(|task| format!("the tower of `{}`", task.name))
        }
        At::Logits(l, g, _) | At::Gate(l, g) => {
            let gate = plan.levels.get(*l)?.gates.get(*g)?;
            Some(gate.unit.name.clone())
        }
        At::Expert(..) | At::Front => None,
    };
    let mut units: Vec<Option<String>> = question.at.iter().map(unit).collect();
    units.dedup();
    let text = question.what();
    match (units.as_slice(), question.topic, question.part) {
        ([Some(task)], Topic::Output, _) => format!("output {task} is made by"),
        ([Some(tower)], _, Part::Towers) if plan.towers.len() > 1 => {
            text.replace("the towers", tower)
        }
        ([Some(gate)], Topic::GateKind, _) if plan.towers.len() > 1 => {
            text.replace("logits", &format!("logits of {gate}"))
        }
        ([Some(gate)], _, Part::Gates) if plan.towers.len() > 1 => text.replace("the gates", gate),
        _ => text,
    }
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

/// Rows on which two hypotheses are apart.
pub(super) struct Rows {
    /// From where to where features reach.
    pub(super) range: (f64, f64),
    /// How many features.
    pub(super) width: usize,
    /// How far apart.
    pub(super) off: f64,
}

type Hypothesis<'a> = (&'a Space, &'a Candidate);

/// What two hypotheses answer differently: each question with both answers.
fn differences(winner: Hypothesis<'_>, rival: Hypothesis<'_>) -> Vec<(String, String, String)> {
    if std::ptr::eq(winner.0, rival.0) {
        let space = winner.0;
        let words = |q: usize, c: &Candidate| {
            choice(space, q, &c.answers).map_or_else(String::new, Choice::words)
        };
        differing(&winner.1.answers, &rival.1.answers)
            .into_iter()
            .map(|q| {
                let what = what(space, &space.asked[q].question);
                (what, words(q, winner.1), words(q, rival.1))
            })
            .collect()
    } else {
        let text = |(space, c): Hypothesis<'_>| {
            let all = answers(space, &c.answers).into_iter().map(|(_, text)| text);
            all.collect::<Vec<_>>().join(", ")
        };
        vec![("the whole".into(), text(winner), text(rival))]
    }
}

/// What a blob carries of two hypotheses that fit both.
pub(super) fn assumed(winner: Hypothesis<'_>, rival: Hypothesis<'_>) -> String {
    let all = differences(winner, rival).into_iter();
    let all = all.map(|(what, taken, other)| {
        format!("{what}: {taken} ({other} fits the golden rows as well)")
    });
    all.collect::<Vec<_>>().join(", ")
}

/// Two hypotheses that fit both, and the rows that would tell.
pub(super) fn apart(winner: Hypothesis<'_>, rival: Hypothesis<'_>, rows: &Rows) -> String {
    let all = differences(winner, rival).into_iter();
    let all = all.map(|(what, taken, other)| format!("{what}: {taken} or {other}"));
    let Rows {
        range: (low, high),
        width,
        off,
    } = rows;
    format!(
        "{}: both fit the golden rows ({:.0e} and {:.0e} off). On rows such as x = \
         np.random.default_rng(0).uniform({low:.3}, {high:.3}, size=(64, {width})) they differ by \
         up to {off:.0e}",
        all.collect::<Vec<_>>().join(", "),
        winner.1.worst(),
        rival.1.worst()
    )
}

/// That nothing fits: what was tried, and how near the best came, task by task.
pub(super) fn nothing(arenas: &[Arena<'_>], found: &Found, weights: &Weights) -> String {
    let mut text = format!(
        "of {} of what the file leaves open none gives the golden outputs. Tried were",
        combinations(found.tried)
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
    if weights.rounded() {
        text.push_str(
            "\nThe file's weights are rounded to 16 bits: the golden outputs must come from these \
             very weights, loaded back into the model, not from those before the rounding. Golden \
             outputs of the unrounded model differ by about what the rounding costs (bf16 keeps 8 \
             bits: some 1e-3); to take that as right, state the functions in the spec and give \
             `--tolerance 5e-3`",
        );
    }
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

fn combinations(n: usize) -> String {
    match n {
        1 => "one combination".into(),
        n => format!("{} combinations", grouped(n as u64)),
    }
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
