//! The types of layers, experts, gates and towers.

use mmoe::blob::{ActivationKind, LayerKind, NodeOp, OutputKind, PackingKind};

use super::ty::{Arg, Ty};
use super::{NotTyped, refuse};
use crate::blob::message::{Header, Layer, Node, Task};

/// `[T; N]`, or a list of unlike ones; `alias` names a part, with its number where there are
/// several kinds.
pub(super) fn side_by_side(
    parts: &[Ty],
    mut alias: impl FnMut(&Ty, Option<usize>) -> Ty,
) -> Result<Ty, NotTyped> {
    let Some(first) = parts.first() else {
        return refuse("a level without experts or gates");
    };
    if parts.iter().all(|p| p == first) {
        return Ok(Ty::Array(Box::new(alias(first, None)), parts.len()));
    }
    let names = parts
        .iter()
        .map(|p| alias(p, parts.iter().position(|o| o == p)))
        .collect();
    Ty::list(names).map_or_else(
        || {
            refuse(format!(
                "{} unlike experts or gates stand side by side; the types have lists of up to 8",
                parts.len()
            ))
        },
        Ok,
    )
}

/// The types of a node's layers.
fn layers(header: &Header, n: usize) -> Result<Vec<Ty>, NotTyped> {
    let own = header.nodes_with_layers().nth(n).map(|(_, own)| own);
    own.unwrap_or_default().iter().map(layer).collect()
}

fn layer(l: &Layer) -> Result<Ty, NotTyped> {
    let (i, o) = (usize::from(l.inputs), usize::from(l.outputs));
    let record = l.record();
    let Some(kind) = record.kind() else {
        return refuse(format!("layers of kind {} are unknown", l.kind));
    };
    let Some(precision) = record.precision() else {
        return refuse(format!("precision {} is unknown", l.precision));
    };
    let precision = match record.packing() {
        Some(PackingKind::Quad) => Ty::of(precision.name(), [Ty::plain("Quad")]),
        Some(PackingKind::Pairs) => Ty::of(precision.name(), [Ty::plain("Pairs")]),
        _ => Ty::plain(precision.name()),
    };
    let with = |name, sizes: &[usize]| {
        let sizes = sizes.iter().copied().map(Arg::Number);
        Ty::Named(name, sizes.chain([precision.clone().into()]).collect())
    };
    // Norms are float where nothing else is said.
    let norm = |name, sizes: &[usize]| {
        if record.is_integer() {
            return with(name, sizes);
        }
        Ty::Named(name, sizes.iter().copied().map(Arg::Number).collect())
    };
    Ok(match kind {
        LayerKind::Dense => {
            let mut dense = with("Dense", &[i, o]);
            let activation = activation(l)?;
            // Relu is what the type takes without being told.
            if let Ty::Named(_, args) = &mut dense
                && activation != "Relu"
            {
                args.push(Ty::plain(activation).into());
            }
            dense
        }
        LayerKind::Logits => with("Logits", &[i, o]),
        LayerKind::Affine => with("Affine", &[o]),
        LayerKind::PRelu => with("PRelu", &[o]),
        LayerKind::LayerNorm => norm("LayerNorm", &[o]),
        LayerKind::RmsNorm => norm("RmsNorm", &[o]),
        LayerKind::UnitNorm => norm("UnitNorm", &[o]),
        LayerKind::GroupNorm => norm("GroupNorm", &[o, record.groups()]),
        LayerKind::Pointwise => {
            let mut pointwise = with("Pointwise", &[o]);
            if let Ty::Named(_, args) = &mut pointwise {
                args.push(Ty::plain(activation(l)?).into());
            }
            pointwise
        }
        LayerKind::Dice => with("Dice", &[o]),
        LayerKind::RowDice => with("RowDice", &[o]),
        LayerKind::Constant => with("ConstantGate", &[i, o]),
    })
}

/// The type of an activation.
fn activation(l: &Layer) -> Result<&'static str, NotTyped> {
    Ok(match l.record().activation() {
        Some(ActivationKind::Relu) => "Relu",
        Some(ActivationKind::Linear) => "Linear",
        Some(ActivationKind::LeakyRelu) => "LeakyRelu",
        Some(ActivationKind::Sigmoid) => "Sigmoid",
        Some(ActivationKind::Tanh) => "Tanh",
        Some(ActivationKind::Gelu) => "Gelu",
        Some(ActivationKind::GeluTanh) => "GeluTanh",
        Some(ActivationKind::Silu) => "Silu",
        Some(ActivationKind::Elu) => "Elu",
        Some(ActivationKind::Softplus) => "Softplus",
        Some(ActivationKind::Mish) => "Mish",
        Some(ActivationKind::Softsign) => "Softsign",
        Some(ActivationKind::HardSwish) => "HardSwish",
        Some(ActivationKind::Clip) => "Clip",
        Some(ActivationKind::Exp) => "Exp",
        None => return refuse(format!("activation {} is unknown", l.activation)),
    })
}

/// Layers one after the other, nested in halves beyond three; `None` of none.
fn sequence(mut parts: Vec<Ty>) -> Option<Ty> {
    match parts.len() {
        0 | 1 => parts.pop(),
        2 => Some(Ty::of("Seq", parts)),
        3 => Some(Ty::of("Seq3", parts)),
        n => {
            let back = parts.split_off(n.div_ceil(2));
            Some(Ty::of("Seq", [sequence(parts)?, sequence(back)?]))
        }
    }
}

/// A part that reads what its node does of `width` elements.
fn sliced(part: Ty, node: &Node, width: usize) -> Ty {
    if node.start == 0 && usize::from(node.inputs) == width {
        return part;
    }
    let start = usize::from(node.start);
    Ty::Named("Slice", vec![width.into(), start.into(), part.into()])
}

/// What passes on so many elements.
fn identity(node: &Node, integer: bool) -> Ty {
    let precision = Ty::plain(if integer { "I16" } else { "F32" });
    let width = usize::from(node.outputs);
    Ty::Named("MixtureOutput", vec![width.into(), precision.into()])
}

/// The type of an expert that reads a value of this width.
pub(super) fn expert(
    header: &Header,
    n: usize,
    width: usize,
    integer: bool,
) -> Result<Ty, NotTyped> {
    let node = &header.nodes[n];
    let part = match sequence(layers(header, n)?) {
        Some(part) => part,
        None if integer => {
            return refuse("an integer model's expert has no layers, which no type spells");
        }
        None => identity(node, integer),
    };
    Ok(sliced(part, node, width))
}

/// The type of a gate over `experts` experts, of which it sees those in `mask`.
pub(super) fn gate(
    header: &Header,
    n: usize,
    width: usize,
    experts: usize,
    mask: Option<u32>,
) -> Result<Ty, NotTyped> {
    let node = &header.nodes[n];
    let seen = node.sees.count_ones() as usize;
    let k = usize::from(node.k);
    let Some(logits) = sequence(layers(header, n)?) else {
        return refuse("a gate has no layers");
    };
    let Some(op) = node.record().op() else {
        return refuse(format!("gates of kind {} are unknown", node.op));
    };
    let top_k = |logits: Ty, renormalize| {
        Ty::Named(
            "TopKGate",
            vec![logits.into(), k.into(), Arg::Flag(renormalize)],
        )
    };
    let gate = match (op, logits) {
        (NodeOp::Constant, constant) => constant,
        // The plain gate has a name of its own.
        (NodeOp::Softmax, Ty::Named("Logits", args)) => Ty::Named("Gate", args),
        (NodeOp::Softmax, logits) => Ty::of("SoftmaxGate", [logits]),
        (NodeOp::Sigmoid, logits) => Ty::of("SigmoidGate", [logits]),
        (NodeOp::Hard, logits) => Ty::of("HardGate", [logits]),
        (NodeOp::TopK, logits) => top_k(logits, true),
        (NodeOp::TopKRaw, logits) => top_k(logits, false),
        (NodeOp::DSelectK, logits) => {
            Ty::Named("DSelectKGate", vec![logits.into(), seen.into(), k.into()])
        }
        (NodeOp::Expert | NodeOp::Tower, _) => return refuse("a gate that is none"),
    };
    let gate = sliced(gate, node, width);
    Ok(match mask {
        Some(mask) if seen != experts => Ty::Named(
            "MaskedGate",
            vec![gate.into(), Arg::Mask(mask), experts.into()],
        ),
        _ => gate,
    })
}

/// The type of a tower that reads a value of this width.
pub(super) fn tower(
    header: &Header,
    n: usize,
    task: &Task,
    width: usize,
    integer: bool,
) -> Result<Ty, NotTyped> {
    let node = &header.nodes[n];
    let Some(layers) = sequence(layers(header, n)?) else {
        if node.start != 0 || usize::from(node.inputs) != width {
            return refuse("a tower without layers reads a slice, which no type spells");
        }
        return Ok(identity(node, integer));
    };
    let own = header.nodes_with_layers().nth(n).map(|(_, own)| own);
    let last = own.and_then(|own| own.last()?.record().kind());
    let kind = match task.record().output() {
        _ if last != Some(LayerKind::Logits) => "Activated",
        Some(OutputKind::Sigmoid) => "Binary",
        Some(OutputKind::Softmax) => "Multiclass",
        Some(OutputKind::Linear | OutputKind::Product) | None if node.outputs == 1 => "Regression",
        Some(OutputKind::Linear | OutputKind::Product) | None => "MultiRegression",
    };
    Ok(Ty::of(kind, [sliced(layers, node, width)]))
}
