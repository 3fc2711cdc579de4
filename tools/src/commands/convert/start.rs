//! Where the blob starts, where the file of the weights could have it both ways.

use anyhow::{Result, bail};
use mmoe_tools::data::Data;
use mmoe_tools::import::Weights;
use mmoe_tools::plan::recognise::Found;
use mmoe_tools::plan::spec::{RecordWord, Spec};

/// Lets the blob start at the vector where the file of the weights makes that of records, nobody
/// asked for these, and the rows that are given are vectors: only such a blob can be held against
/// them. Returns what to say of it; `None`: everything stays as it is.
///
/// # Errors
///
/// Vectors beside records, of which one blob takes only one kind.
pub(super) fn settle(
    found: &mut Found,
    weights: &Weights,
    spec: Option<&Spec>,
    files: &[&Data],
) -> Result<Option<String>> {
    let asked = spec.map(Spec::record).transpose()?.flatten() == Some(RecordWord::File);
    let Some(record) = &found.plan.record else {
        return Ok(None);
    };
    if asked || weights.record.is_some() {
        return Ok(None);
    }
    let width = record.wide();
    let tasks: Vec<&str> = found.plan.tasks.iter().map(|t| t.name.as_str()).collect();
    let vectors = |data: &&&Data| data.holds_vectors(&record.front, width, &tasks);
    let Some(first) = files.iter().find(vectors) else {
        return Ok(None);
    };
    if let Some(other) = files.iter().find(|data| !vectors(data)) {
        bail!(
            "{}: holds vectors of {width} numbers, and {} does not: give both as records of raw \
             fields, or both as vectors",
            first.shown(),
            other.shown()
        );
    }
    let said = format!(
        "the rows of {} are vectors of {width} numbers, so the blob starts at the vector that \
         enters the experts, as with record = \"vector\" in a spec; rows of raw fields give a blob \
         that takes records",
        first.shown()
    );
    found.start_at_vector();
    Ok(Some(said))
}
