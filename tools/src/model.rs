//! The way from a weights file to a model: by a spec, by recognition, or by recognition that a spec
//! completes.

use crate::error::ModelError;
use crate::graph::Graph;
use crate::graph::assemble;
use crate::import::Weights;
use crate::plan::Plan;
use crate::plan::open::Question;
use crate::plan::recognise::{self, Found, leftovers};
use crate::plan::spec::{RecordWord, Spec};

/// What happens on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Fold the inputs' means and standard deviations into whatever reads the input, instead of
    /// keeping them in [`Graph::inputs`] for the integer input stage.
    pub fold_standardization: bool,
}

/// A model, and how it came about; `convert --explain` shows this.
#[derive(Debug)]
pub struct Recognised {
    /// The model.
    pub graph: Graph,
    /// What it was made from, tensor by tensor; the form that a spec is written from.
    pub plan: Plan,
    /// The framework that wrote the file, or `spec`.
    pub framework: String,
    /// What a person should know of what was taken: names, orders, copies.
    pub assumptions: Vec<String>,
    /// What neither the file nor the spec settles and was assumed.
    pub open: Vec<Question>,
    /// What was folded into what.
    pub folded: Vec<String>,
    /// Tensors that inference does not need, each with the reason.
    pub dropped: Vec<String>,
    /// Tensor → where it went.
    pub placement: Vec<(String, String)>,
    /// Embedding tables that stand before the model's input, in words; `None`: the file has none.
    pub embeddings: Option<String>,
}

/// Makes a model of a weights file. A whole spec describes it; a partial one completes what
/// recognition finds; without one the file must say everything itself.
///
/// # Errors
///
/// Whatever keeps weights and spec from making a model; nothing is guessed.
pub fn build(
    weights: Weights,
    spec: Option<&Spec>,
    options: Options,
) -> Result<Recognised, ModelError> {
    let mut weights = weights;
    weights.resolve(&[])?;
    let found = find(&weights, spec)?;
    make(found, weights, spec, options)
}

/// The first half of [`build`]: the plan, with what it leaves open, for a search to answer.
///
/// # Errors
///
/// As [`build`], as far as names and shapes tell. An exported graph must have been resolved
/// ([`Weights::resolve`]).
pub fn find(weights: &Weights, spec: Option<&Spec>) -> Result<Found, ModelError> {
    let mut found = match spec {
        Some(spec) if !spec.is_partial() => {
            let mut found = Found::by_spec(spec.plan(&weights.tensors)?);
            spec.answer(&mut found)?;
            found
        }
        _ => {
            let mut found = match &weights.recognised {
                Some(found) => found.clone(),
                None => recognise::recognise(weights)?,
            };
            if let Some(spec) = spec {
                spec.complete(&mut found)?;
            }
            found.plan.align_gates();
            found
        }
    };
    take_record(&mut found, weights, spec)?;
    // Of a file that was recognised a tensor too many says that it is another model; a spec's own
    // mistakes, such as a wrong name, come first.
    if found.framework != Found::SPEC {
        let ignored = spec.map(Spec::ignored).unwrap_or_default();
        leftovers::refuse(&leftovers::unread(weights, &found), &found, ignored)?;
    }
    Ok(found)
}

/// Settles whether the blob takes records: as the file has it, unless the spec says otherwise.
fn take_record(
    found: &mut Found,
    weights: &Weights,
    spec: Option<&Spec>,
) -> Result<(), ModelError> {
    let says = spec.map(Spec::record).transpose()?.flatten();
    let describes = !found.plan.inputs.is_empty() || found.plan.fields.is_some();
    let unread = found.unread.take();
    if says == Some(RecordWord::File) && found.framework == Found::SPEC {
        let of_file = recognise::recognise(weights)?;
        found.plan.record = of_file.plan.record;
        found.tables = of_file.tables;
    }
    if let Some(record) = &weights.record {
        if describes || says.is_some() {
            return Err(ModelError::Invalid {
                place: "the spec".into(),
                what: "it says where the blob starts, and so does the file of features".into(),
                remedy: "keep one of them".into(),
            });
        }
        found.tables.extend(record.tensors.iter().cloned());
        found.assumptions.extend(record.notes.iter().cloned());
        found.plan.record = Some(record.clone());
    } else if describes || says == Some(RecordWord::Vector) {
        found.start_at_vector();
    } else if let Some(unread) = unread {
        return Err(ModelError::Unsupported {
            place: unread.place,
            what: unread.what,
            remedy: format!(
                "{}; or write record = \"vector\" in a spec, for a blob that starts at the vector \
                 that enters the experts",
                unread.remedy
            ),
        });
    }
    if found.plan.record.is_some() || found.plan.fields.is_some() {
        // The blob holds them.
        found.embeddings = None;
        // Rows are records, and no record holds what the layers in front of the experts make.
        if let Some(front) = &mut found.plan.front {
            (front.runs, front.open) = (true, false);
        }
    }
    Ok(())
}

/// The second half of [`build`]: the model that a plan and the tensors make.
///
/// # Errors
///
/// As [`build`].
pub fn make(
    found: Found,
    weights: Weights,
    spec: Option<&Spec>,
    options: Options,
) -> Result<Recognised, ModelError> {
    let ignored = spec.map(Spec::ignored).unwrap_or_default();
    let open = found.open();
    let takes_records = found.plan.fields.is_some() || found.plan.record.is_some();
    let assembled = assemble::assemble(&found.plan, weights, options.fold_standardization)
        .map_err(|e| match e {
            ModelError::UnknownTasks { tasks, .. } => {
                let also = open
                    .iter()
                    .filter(|q| q.assumed.is_some())
                    .map(Question::text);
                ModelError::UnknownTasks {
                    tasks,
                    also: also.collect(),
                }
            }
            other => other,
        })?;
    if found.framework == Found::SPEC {
        leftovers::refuse(&assembled.unused, &found, ignored)?;
    }
    let dropped = assembled
        .unused
        .iter()
        .filter(|(n, _)| !found.tables.contains(n))
        .filter_map(|(n, shape)| {
            let why = leftovers::reason(n, &found, ignored)?;
            Some(format!("`{n}` {shape:?}: {why}"))
        })
        .collect();
    Ok(Recognised {
        graph: assembled.graph,
        plan: found.plan,
        framework: found.framework.into(),
        assumptions: found.assumptions,
        open,
        folded: assembled.folded,
        dropped,
        placement: assembled.placement,
        embeddings: found.embeddings.filter(|_| !takes_records),
    })
}
