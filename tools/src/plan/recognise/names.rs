//! Looking at the names of a file: numbered lists, prefixes, near-at-hand layers.

use std::collections::{BTreeSet, HashSet};

use indexmap::IndexSet;

use super::Found;
use crate::error::ModelError;
use crate::graph::rules::MAX_VALUES;
use crate::import::Weights;
use crate::plan::{
    ActivationPlan, GateKindPlan, GatePlan, LayerPlan, Layout, Norm, Reads, TaskPlan, TensorRef,
    Unit,
};

/// How many names deep the layers of a module may stand.
const DEEPEST: usize = 8;

/// The names of a file, seen through a framework's eyes.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) weights: &'a Weights,
    pub(super) framework: &'static str,
}

impl Names<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.weights.tensors.contains_key(name)
    }

    pub(super) fn any(&self, prefix: &str) -> bool {
        self.weights.tensors.keys().any(|n| n.starts_with(prefix))
    }

    /// Shape of a tensor; empty if there is none.
    pub(super) fn shape(&self, name: &str) -> &[usize] {
        self.weights.tensors.get(name).map_or(&[], |t| &t.shape)
    }

    /// The numbers that follow `prefix`, ascending; a name counts where its number is followed by
    /// `.`, `/` or nothing.
    pub(super) fn numbers(&self, prefix: &str) -> Vec<usize> {
        let numbers: BTreeSet<usize> = self
            .weights
            .tensors
            .keys()
            .filter_map(|n| {
                let rest = n.strip_prefix(prefix)?;
                let digits = rest.split(['.', '/']).next()?;
                digits.parse().ok()
            })
            .collect();
        numbers.into_iter().collect()
    }

    /// How many follow `prefix`; they must be numbered from 0 without a gap.
    pub(super) fn count(&self, prefix: &str) -> Result<usize, ModelError> {
        let numbers = self.numbers(prefix);
        if numbers.len() > MAX_VALUES {
            return Err(self.wrong(
                &format!("{} tensors are numbered behind `{prefix}`", numbers.len()),
                "a model has at most 255 values",
            ));
        }
        match numbers.iter().enumerate().find(|(i, n)| i != *n) {
            Some((i, _)) => Err(self.wrong(
                &format!("`{prefix}{i}` is missing between its neighbours"),
                "the file may be cut or pruned: save it whole, or describe it in a spec",
            )),
            None => Ok(numbers.len()),
        }
    }

    /// The words between `prefix` and the next `.` or `/`, in the order of the file.
    pub(super) fn words(&self, prefix: &str) -> IndexSet<String> {
        let rests = self
            .weights
            .tensors
            .keys()
            .filter_map(|n| n.strip_prefix(prefix));
        rests
            .map(|rest| rest.split(['.', '/']).next().unwrap_or(rest).to_owned())
            .collect()
    }

    /// A PyTorch `Linear` under `prefix`; its bias where there is one.
    pub(super) fn linear(&self, prefix: &str, activation: ActivationPlan) -> LayerPlan {
        let bias = format!("{prefix}.bias");
        LayerPlan {
            weight: Some(TensorRef::name(format!("{prefix}.weight"))),
            layout: Layout::OutIn,
            bias: self.has(&bias).then(|| TensorRef::name(bias)),
            activation,
            ..LayerPlan::default()
        }
    }

    /// A batch norm (or layer norm) under `prefix`, if there is one.
    pub(super) fn norm(&self, prefix: &str, epsilon: f64) -> Result<Option<Norm>, ModelError> {
        let norm = Norm::at(prefix, epsilon, &|n| self.has(n));
        let parts = [
            "weight",
            "bias",
            "running_mean",
            "running_var",
            "num_batches_tracked",
        ];
        if norm.is_none() && parts.iter().any(|p| self.has(&format!("{prefix}.{p}"))) {
            return Err(self.unknown(prefix));
        }
        Ok(norm)
    }

    /// A `Sequential` under `prefix`: the matrices among its numbered members, each with the norm
    /// or the trained slope that stands behind it. The last layer gets `last`, the others
    /// `hidden`.
    pub(super) fn sequential(
        &self,
        prefix: &str,
        epsilon: f64,
        hidden: &ActivationPlan,
        last: &ActivationPlan,
    ) -> Result<Vec<LayerPlan>, ModelError> {
        let numbers = self.numbers(&format!("{prefix}."));
        let is_matrix = |n: &usize| self.shape(&format!("{prefix}.{n}.weight")).len() == 2;
        let mut layers: Vec<LayerPlan> = Vec::new();
        for n in &numbers {
            let at = format!("{prefix}.{n}");
            if is_matrix(n) {
                layers.push(self.linear(&at, hidden.clone()));
                continue;
            }
            let norm = self.norm(&at, epsilon)?;
            let Some(layer) = layers.last_mut() else {
                // A norm of the input itself.
                layers.push(LayerPlan {
                    before: Some(
                        norm.filter(|n| n.moments.is_some())
                            .ok_or_else(|| self.unknown(&at))?,
                    ),
                    ..LayerPlan::default()
                });
                continue;
            };
            match norm {
                // A lone weight without bias and statistics is a PReLU's slope.
                Some(n) if n.moments.is_none() && n.beta.is_none() => {
                    layer.activation =
                        ActivationPlan::PRelu(TensorRef::name(format!("{at}.weight")))
                }
                Some(n) if layer.before.is_none() => layer.before = Some(n),
                _ => return Err(self.unknown(&at)),
            }
        }
        if let Some(layer) = layers.last_mut().filter(|l| l.activation == *hidden) {
            layer.activation = last.clone();
        }
        if layers.is_empty() {
            Err(self.empty(prefix))
        } else {
            Ok(layers)
        }
    }

    /// A module of the user's own: a `Linear`, a `Sequential` of them, or one of these under a
    /// single name.
    pub(super) fn module(
        &self,
        prefix: &str,
        epsilon: f64,
        last: &ActivationPlan,
    ) -> Result<Vec<LayerPlan>, ModelError> {
        let mut at = prefix.to_owned();
        for _ in 0..DEEPEST {
            if self.has(&format!("{at}.weight")) {
                return Ok(vec![self.linear(&at, last.clone())]);
            }
            let words = self.words(&format!("{at}."));
            if words.is_empty() {
                return Err(self.empty(prefix));
            }
            if words.iter().all(|w| w.parse::<usize>().is_ok()) {
                return self.sequential(&at, epsilon, &ActivationPlan::Relu, last);
            }
            if words.len() > 1 {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                return Err(self.wrong(
                    &format!(
                        "nothing says in which order the parts of `{at}` run ({})",
                        words.join(", ")
                    ),
                    "describe the model in a spec",
                ));
            }
            at = format!("{at}.{}", words[0]);
        }
        Err(self.wrong(
            &format!("the layers of `{prefix}` stand more than {DEEPEST} names deep"),
            "describe the model in a spec",
        ))
    }

    /// Refuses tensors that no part of the plan uses and that stand before the input neither:
    /// nothing says what they do.
    pub(super) fn refuse_leftovers(&self, found: &Found) -> Result<(), ModelError> {
        let used: HashSet<&str> = found
            .plan
            .references()
            .flat_map(TensorRef::parts)
            .map(|p| p.name.as_str())
            .collect();
        let known = |n: &str| {
            used.contains(n) || found.tables.contains(n) || n.ends_with("num_batches_tracked")
        };
        let left: Vec<&String> = self.weights.tensors.keys().filter(|n| !known(n)).collect();
        match left.as_slice() {
            [] => Ok(()),
            [first, ..] => Err(self.wrong(
                &format!(
                    "nothing says what {} of its tensors do, `{first}` {:?} first",
                    left.len(),
                    self.shape(first)
                ),
                "describe the model in a spec; a spec leaves out what does not run",
            )),
        }
    }

    /// Lists the tables under these prefixes, which stand before the model's input.
    pub(super) fn embeddings(&self, prefixes: &[&str], found: &mut Found) {
        let of = |n: &&String| prefixes.iter().any(|p| n.starts_with(p));
        let tensors: Vec<&String> = self.weights.tensors.keys().filter(of).collect();
        let tables: Vec<&String> = tensors
            .iter()
            .copied()
            .filter(|n| self.shape(n).len() == 2)
            .collect();
        if tables.is_empty() {
            return;
        }
        let columns: usize = tables.iter().map(|n| self.shape(n)[1]).sum();
        let first = found
            .plan
            .units()
            .find(|u| u.reads == Reads::Input)
            .and_then(|u| u.layers.first());
        let width = first
            .and_then(|l| {
                l.weight
                    .as_ref()
                    .map(|w| (self.shape(&w.parts()[0].name), l.layout))
            })
            .map(|(shape, layout)| match layout {
                Layout::OutIn => shape.last().copied().unwrap_or(0),
                Layout::InOut => shape.first().copied().unwrap_or(0),
            });
        let list = tables
            .iter()
            .map(|n| format!("`{n}` {:?}", self.shape(n)))
            .collect::<Vec<_>>()
            .join(", ");
        let make = match width {
            Some(width) if columns <= width => format!("make {columns} of the {width} inputs"),
            Some(width) => format!("stand before the {width} inputs"),
            None => "stand before the input".into(),
        };
        let count = tables.len();
        let (noun, make) = if count == 1 {
            (
                "table",
                make.replacen("make ", "makes ", 1)
                    .replacen("stand ", "stands ", 1),
            )
        } else {
            ("tables", make)
        };
        found.embeddings = Some(format!(
            "{count} {noun} {make}: the blob starts at the vector that enters the experts ({list})"
        ));
        found.tables.extend(tensors.into_iter().cloned());
    }

    /// The error for a part that the engine does not have.
    #[expect(clippy::unused_self, reason = "stands beside the other errors")]
    pub(super) fn unsupported(&self, place: &str, what: &str) -> ModelError {
        ModelError::Unsupported {
            place: format!("`{place}`"),
            what: what.into(),
            remedy: "layers are dense, batch norm, layer norm and prelu with relu, leaky_relu, \
                     sigmoid and tanh"
                .into(),
        }
    }

    /// The error for a place without a layer.
    pub(super) fn empty(&self, prefix: &str) -> ModelError {
        self.wrong(
            &format!("`{prefix}` has no dense layer"),
            "the file may be cut; or describe the model in a spec",
        )
    }

    /// The error for a member that is no layer we know.
    pub(super) fn unknown(&self, prefix: &str) -> ModelError {
        let tensors: Vec<String> = self
            .weights
            .tensors
            .iter()
            .filter(|(n, _)| n.starts_with(prefix))
            .map(|(n, t)| format!("`{n}` {:?}", t.shape))
            .collect();
        self.wrong(
            &format!(
                "`{prefix}` is no layer that is known here ({})",
                tensors.join(", ")
            ),
            "layers are dense, batch norm, layer norm and prelu; describe the model in a spec if \
             it is one of these in another order",
        )
    }

    pub(super) fn wrong(&self, what: &str, remedy: &str) -> ModelError {
        ModelError::Recognition {
            framework: self.framework.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// A unit that reads the input.
pub(super) fn unit(name: String, layers: Vec<LayerPlan>) -> Unit {
    Unit {
        name,
        reads: Reads::Input,
        slice: None,
        layers,
    }
}

/// A softmax gate that sees these experts.
pub(super) fn softmax_gate(unit: Unit, sees: Vec<usize>) -> GatePlan {
    GatePlan {
        unit,
        kind: GateKindPlan::Softmax,
        sees,
        temperature: 1.0,
        priors: Vec::new(),
    }
}

/// Tasks that the file neither names nor explains.
pub(super) fn unknown_tasks(count: usize) -> Vec<TaskPlan> {
    (0..count)
        .map(|t| TaskPlan {
            name: format!("task{t}"),
            output: None,
        })
        .collect()
}
