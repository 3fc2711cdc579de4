//! keras-mmoe: one layer with all experts packed into one kernel, the expert on the last axis.

use super::Found;
use super::keras::{Mixture, complete, groups};
use super::names::{Names, softmax_gate, unit};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{LayerPlan, Layout, Level, TensorRef};

/// Names of the layer's tensors.
struct Packed {
    path: String,
    kernel: String,
    bias: Option<String>,
    gates: Vec<(String, Option<String>)>,
}

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "keras-mmoe",
    };
    let packed = by_name(&names).or_else(|| by_order(&names))?;
    let &[_, units, experts] = names.shape(&packed.kernel) else {
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
    let name = weights
        .layer_names
        .get(&packed.path)
        .cloned()
        .unwrap_or_else(|| packed.path.split('/').next().unwrap_or("").to_owned());
    let mut dense = groups(&names);
    // In `vars/N` two gate kernels look like a dense layer.
    dense.retain(|g| g.path != packed.path);
    Some(complete(
        &names,
        Mixture {
            level,
            path: packed.path,
            name,
            units,
        },
        &dense,
    ))
}

/// Keras 2 spells the weights' names.
fn by_name(names: &Names<'_>) -> Option<Packed> {
    let (path, end) = names
        .weights
        .tensors
        .keys()
        .find_map(|n| n.split_once("/expert_kernel"))?;
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
fn by_order(names: &Names<'_>) -> Option<Packed> {
    let kernel = names
        .weights
        .tensors
        .iter()
        .find_map(|(n, t)| (n.ends_with("/vars/0") && t.shape.len() == 3).then_some(n))?;
    let path = kernel.strip_suffix("/vars/0")?;
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
