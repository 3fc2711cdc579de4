//! Doubting a plan that says everything, to find out what in it is wrong.

use crate::import::Weights;
use crate::plan::{GateKindPlan, LayerPlan, Layout, NormKind, Plan, TensorRef};

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

/// The plan in which experts may also add what they read, as a whole, where any can. People who
/// answer by themselves are not asked that.
pub(super) fn with_residuals(plan: &Plan, weights: &Weights) -> Option<Plan> {
    let mut plan = plan.clone();
    let mut any = false;
    for unit in plan.levels.iter_mut().flat_map(|l| &mut l.experts) {
        let ends = [unit.layers.first(), unit.layers.last()];
        let [Some(first), Some(last)] = ends.map(|l| shape(l?, weights)) else {
            continue;
        };
        let depth = unit.layers.len();
        let asked = unit.layers.iter().any(|l| l.open.residual);
        if let Some(end) = unit.layers.last_mut()
            && !asked
            && depth > 1
            && end.open.activation
            && first.1 >= last.0
        {
            end.open.residual = true;
            end.spans = depth;
            any = true;
        }
    }
    any.then_some(plan)
}

/// Rows and columns of a layer's matrix where it is one tensor.
fn shape(layer: &LayerPlan, weights: &Weights) -> Option<(usize, usize)> {
    let Some(TensorRef::One(part)) = &layer.weight else {
        return None;
    };
    let mut shape = weights.tensors.get(&part.name)?.shape.clone();
    if let Some((axis, _)) = part.pick
        && axis < shape.len()
    {
        shape.remove(axis);
    }
    match (shape.as_slice(), layer.layout) {
        (&[outputs, inputs], Layout::OutIn) | (&[inputs, outputs], Layout::InOut) => {
            Some((outputs, inputs))
        }
        _ => None,
    }
}

fn doubt(layer: &mut LayerPlan, function: bool, weights: &Weights) {
    let norm = layer.before.as_ref().or(layer.after.as_ref());
    let square = shape(layer, weights).is_some_and(|(o, i)| o == i && o > 1);
    layer.open.activation = function && layer.weight.is_some() && !layer.activation.is_trained();
    layer.open.order = function && norm.is_some();
    layer.open.epsilon = norm.is_some_and(|n| !matches!(n.kind, NormKind::Scale | NormKind::L2));
    layer.open.layout = square;
    layer.open.residual = function && square;
}
