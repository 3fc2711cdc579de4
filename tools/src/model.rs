//! The way from a weights file to a model: by a spec, by recognition, or by recognition that a spec
//! completes.

use crate::error::ModelError;
use crate::graph::Graph;
use crate::graph::assemble;
use crate::import::Weights;
use crate::plan::Plan;
use crate::plan::recognise::{self, Found};
use crate::plan::spec::Spec;

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
    /// What the file does not say and the framework's default or the spec's order supplied.
    pub assumptions: Vec<String>,
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
    let found = match spec {
        Some(spec) if !spec.is_partial() => Found::by_spec(spec.plan(&weights.tensors)?),
        _ => {
            let mut found = recognise::recognise(&weights)?;
            if let Some(spec) = spec {
                spec.complete(&mut found)?;
            }
            found.plan.align_gates();
            found
        }
    };
    let assembled = assemble::assemble(&found.plan, weights, options.fold_standardization)?;
    let listed = assembled
        .unused
        .iter()
        .filter(|(n, _)| !found.tables.contains(n));
    let dropped = listed
        .map(|(n, shape)| format!("`{n}` {shape:?}: {}", why_dropped(n, &found)))
        .collect();
    Ok(Recognised {
        graph: assembled.graph,
        plan: found.plan,
        framework: found.framework.into(),
        assumptions: found.assumptions,
        folded: assembled.folded,
        dropped,
        placement: assembled.placement,
        embeddings: found.embeddings,
    })
}

fn why_dropped<'a>(name: &str, found: &'a Found) -> &'a str {
    if name.ends_with("num_batches_tracked") {
        return "counts training steps";
    }
    found
        .dead
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix.as_str()))
        .map_or("no part of the model reads it", |(_, why)| why)
}
