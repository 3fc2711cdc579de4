//! Looking at the names of a file: numbered lists, prefixes, near-at-hand layers.

use std::collections::BTreeSet;

use indexmap::IndexSet;

use super::Found;
use crate::error::ModelError;
use crate::graph::rules::MAX_VALUES;
use crate::import::Weights;
use crate::plan::{
    ActivationPlan, Dice, GateKindPlan, GatePlan, LayerPlan, Layout, Norm, Reads, TaskPlan,
    TensorRef, Unit,
};

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

    /// The first tensor whose name starts with one of these.
    pub(super) fn first(&self, prefixes: &[&str]) -> &str {
        let mut all = self.weights.tensors.keys();
        all.find(|n| prefixes.iter().any(|p| n.starts_with(p)))
            .map_or("", String::as_str)
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

    /// A layer whose function the file does not say: relu, until someone does.
    pub(super) fn hidden(&self, prefix: &str) -> LayerPlan {
        let mut layer = self.linear(prefix, ActivationPlan::Relu);
        layer.open.activation = true;
        layer
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

    /// A Dice under `prefix`: its slope, and the batch norm that decides where the file has one.
    pub(super) fn dice(&self, prefix: &str, epsilon: f64) -> Result<Option<Dice>, ModelError> {
        let alpha = format!("{prefix}.alpha");
        if !self.has(&alpha) {
            return Ok(None);
        }
        let at = format!("{prefix}.bn");
        let exists = |n: &str| self.has(n);
        // Without gains of its own the batch norm shows in its statistics alone.
        let norm = Norm::at(&at, epsilon, &exists);
        if norm.is_none() && self.any(&format!("{at}.")) {
            return Err(self.unknown(&at));
        }
        Ok(Some(Dice {
            alpha: TensorRef::name(alpha),
            norm,
            epsilon,
        }))
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
            "layers are dense, norms, prelu and dice; describe the model in a spec if it is one \
             of these in another order",
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
        open: false,
    }
}

/// Tasks that the file neither names nor explains.
pub(super) fn unknown_tasks(count: usize) -> Vec<TaskPlan> {
    (0..count)
        .map(|t| TaskPlan::new(format!("task{t}"), None))
        .collect()
}
