//! keras-mmoe: one layer with all experts packed into one kernel, the expert on the last axis.

use super::Found;
use super::keras::{Mixture, by_order};
use super::names::{Names, softmax_gate, unit};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{LayerPlan, Layout, Level, TensorRef};

/// Names of the layer's tensors.
pub(super) struct Packed {
    path: String,
    kernel: String,
    bias: Option<String>,
    gates: Vec<(String, Option<String>)>,
}

pub(super) const NAME: &str = "keras-mmoe";

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: NAME,
    };
    mixture(&names, None).map(|m| by_order(&names, m))
}

/// The mixture under a path, or anywhere.
pub(super) fn mixture(names: &Names<'_>, at: Option<&str>) -> Option<Mixture> {
    let packed = packed(names, at)?;
    let &[inputs, units, experts] = names.shape(&packed.kernel) else {
        return None;
    };
    let mut level = Level::default();
    for i in 0..experts {
        let layer = LayerPlan {
            weight: Some(TensorRef::pick(&packed.kernel, 2, i)),
            layout: Layout::InOut,
            bias: packed.bias.as_ref().map(|b| TensorRef::pick(b, 1, i)),
            ..LayerPlan::default()
        };
        level.experts.push(unit(format!("expert {i}"), vec![layer]));
    }
    for (t, (kernel, bias)) in packed.gates.iter().enumerate() {
        let layer = LayerPlan {
            weight: Some(TensorRef::name(kernel)),
            layout: Layout::InOut,
            bias: bias.as_ref().map(TensorRef::name),
            ..LayerPlan::default()
        };
        level.gates.push(softmax_gate(
            unit(format!("gate {t}"), vec![layer]),
            (0..experts).collect(),
        ));
    }
    Some(Mixture {
        level,
        path: packed.path,
        inputs,
        units,
    })
}

/// The layer's tensors under a path, or anywhere.
pub(super) fn packed(names: &Names<'_>, at: Option<&str>) -> Option<Packed> {
    by_name(names, at).or_else(|| by_order_of(names, at))
}

/// Keras 2 spells the weights' names.
fn by_name(names: &Names<'_>, under: Option<&str>) -> Option<Packed> {
    let (path, end) = names
        .weights
        .tensors
        .keys()
        .filter_map(|n| n.split_once("/expert_kernel"))
        .find(|(path, _)| under.is_none_or(|under| under == *path))?;
    let at = |what: &str| Some(format!("{path}/{what}{end}")).filter(|n| names.has(n));
    let gates: Vec<_> = (0..)
        .map_while(|t| {
            at(&format!("gate_kernel_task_{t}")).map(|k| (k, at(&format!("gate_bias_task_{t}"))))
        })
        .collect();
    Some(Packed {
        path: path.into(),
        kernel: at("expert_kernel")?,
        bias: at("expert_bias"),
        gates,
    })
    .filter(|p| !p.gates.is_empty())
}

/// Keras 3 numbers them: the kernel, the bias, all gate kernels, all gate biases.
fn by_order_of(names: &Names<'_>, under: Option<&str>) -> Option<Packed> {
    let (kernel, path) = names
        .weights
        .tensors
        .iter()
        .filter(|(_, t)| t.shape.len() == 3)
        .filter_map(|(n, _)| Some((n, n.strip_suffix("/vars/0")?)))
        .find(|(_, path)| under.is_none_or(|under| under == *path))?;
    let &[inputs, units, experts] = names.shape(kernel) else {
        return None;
    };
    let variable = |n: usize| format!("{path}/vars/{n}");
    let bias = Some(variable(1)).filter(|n| names.shape(n) == [units, experts]);
    let first = 1 + usize::from(bias.is_some());
    let kernels: Vec<String> = (first..)
        .map(variable)
        .take_while(|n| names.shape(n) == [inputs, experts])
        .collect();
    let biases: Vec<String> = (first + kernels.len()..)
        .map(variable)
        .take_while(|n| names.shape(n) == [experts])
        .collect();
    let biased = biases.len() == kernels.len();
    if kernels.is_empty() || !(biased || biases.is_empty()) {
        return None;
    }
    let gates = kernels
        .into_iter()
        .enumerate()
        .map(|(t, k)| (k, biases.get(t).cloned()))
        .collect();
    Some(Packed {
        path: path.into(),
        kernel: kernel.clone(),
        bias,
        gates,
    })
}
