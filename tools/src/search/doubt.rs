//! Doubting a plan that says everything, to find out what in it is wrong.

use crate::import::Weights;
use crate::plan::{GateKindPlan, LayerPlan, NormKind, Plan};

/// The plan with every function, norm, gate and orientation open.
pub(super) fn doubted(plan: &Plan, weights: &Weights) -> Plan {
    let mut plan = plan.settled().into_owned();
    for level in &mut plan.levels {
        for unit in &mut level.experts {
            unit.layers.iter_mut().for_each(|l| doubt(l, true, weights));
        }
        for gate in &mut level.gates {
            hidden(&mut gate.unit.layers, weights);
            gate.open = !matches!(
                gate.kind,
                GateKindPlan::Constant(_) | GateKindPlan::DSelectK { .. }
            );
        }
    }
    for tower in &mut plan.towers {
        hidden(&mut tower.layers, weights);
    }
    plan
}

/// Doubts layers of which the last one makes logits or an output, so that no function follows it.
fn hidden(layers: &mut [LayerPlan], weights: &Weights) {
    let last = layers.len();
    for (i, layer) in layers.iter_mut().enumerate() {
        doubt(layer, i + 1 < last, weights);
    }
}

fn doubt(layer: &mut LayerPlan, function: bool, weights: &Weights) {
    let norm = layer.before.as_ref().or(layer.after.as_ref());
    let square = layer.weight.as_ref().is_some_and(|w| {
        let part = &w.parts()[0];
        let mut shape = weights
            .tensors
            .get(&part.name)
            .map_or_else(Vec::new, |t| t.shape.clone());
        if let Some((axis, _)) = part.pick
            && axis < shape.len()
        {
            shape.remove(axis);
        }
        matches!(shape.as_slice(), [a, b] if a == b && *a > 1)
    });
    layer.open.activation = function && layer.weight.is_some() && !layer.activation.is_trained();
    layer.open.order = function && norm.is_some();
    layer.open.epsilon = norm.is_some_and(|n| !matches!(n.kind, NormKind::Scale | NormKind::L2));
    layer.open.layout = square;
    layer.open.residual = function && square;
}
