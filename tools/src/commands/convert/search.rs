//! What golden rows decide before a model is made.

use std::path::Path;

use anyhow::{Result, anyhow};
use mmoe_tools::data::Data;
use mmoe_tools::import::Weights;
use mmoe_tools::plan::recognise::Found;
use mmoe_tools::search::{Outcome, search};

use crate::commands::CheckFailed;
use crate::commands::output::progress;

/// What the rows decided.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// For the report: what kind of line, and its text.
    pub(super) lines: Vec<(&'static str, String)>,
    /// What had to be assumed all the same, where the rows tell nothing and the caller accepts
    /// that.
    pub(super) assumed: Vec<String>,
}

/// Answers with a golden file's rows what the plan leaves open.
pub(super) fn decide(
    found: &mut Found,
    weights: &Weights,
    golden: &Data,
    file: &Path,
    accept: bool,
) -> Result<Decided> {
    let bar = progress("searching");
    let outcome = search(
        &found.plan,
        &found.habits,
        weights,
        golden,
        |tried, planned| {
            bar.set_length(planned as u64);
            bar.set_position(tried as u64);
        },
    );
    bar.finish_and_clear();
    let settled = match outcome? {
        None => return Ok(Decided::default()),
        Some(Outcome::Nothing(why)) => {
            return Err(CheckFailed(format!(
                "{}: it differs from the golden file: {why}\nnothing was written",
                file.display()
            ))
            .into());
        }
        Some(Outcome::Undecided { why, .. }) if !accept => {
            return Err(anyhow!(
                "{}: more than one answer fits the golden rows; nothing was written.\n\n{why}\n\n\
                 Add such rows to the golden file, or say in a spec which is meant. With \
                 --accept-assumptions the first of each is taken, and the blob carries it",
                file.display()
            ));
        }
        Some(Outcome::Undecided { settled, .. } | Outcome::Settled(settled)) => settled,
    };
    let assumed = settled.assumed;
    let said = settled.said.into_iter().map(|text| ("decided", text));
    let assumed_too = assumed.iter().map(|text| ("assumed", text.clone()));
    let notes = settled.notes.into_iter().map(|text| ("note", text));
    found.plan = settled.plan;
    Ok(Decided {
        lines: said.chain(assumed_too).chain(notes).collect(),
        assumed,
    })
}
