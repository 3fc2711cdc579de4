//! The types of layers, experts, gates and towers.

use mmoe::blob::{
    ActivationKind, LayerKind, LayerRecord, NodeOp, NodeRecord, OutputKind, PackingKind, TaskRecord,
};

use super::ty::{Arg, Ty};
use super::{NotTyped, Part, refuse};

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
fn layers(node: Part<'_>) -> Result<Vec<Ty>, NotTyped> {
    let [hot, fed, rest @ ..] = node.layers else {
        return node.layers.iter().map(layer).collect();
    };
    if hot.kind() != Some(LayerKind::Hot) {
        return node.layers.iter().map(layer).collect();
    }
    let (elements, numbers) = (hot.inputs.get().into(), hot.outputs.get().into());
    let numbers = [Arg::Number(elements), Arg::Number(numbers)];
    let hot = Ty::Named(
        "Hot",
        numbers.into_iter().chain([layer(fed)?.into()]).collect(),
    );
    let rest = rest.iter().map(layer);
    std::iter::once(Ok(hot)).chain(rest).collect()
}

fn layer(record: &LayerRecord) -> Result<Ty, NotTyped> {
    let (i, o) = (record.inputs.get().into(), record.outputs.get().into());
    let Some(kind) = record.kind() else {
        return refuse(format!("layers of kind {} are unknown", record.kind));
    };
    let Some(precision) = record.precision() else {
        return refuse(format!("precision {} is unknown", record.precision));
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
            let activation = activation(record)?;
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
                args.push(Ty::plain(activation(record)?).into());
            }
            pointwise
        }
        LayerKind::Dice => with("Dice", &[o]),
        LayerKind::RowDice => with("RowDice", &[o]),
        LayerKind::Constant => with("ConstantGate", &[i, o]),
        LayerKind::Hot => return refuse("codes feed no layer"),
    })
}

/// The type of an activation.
fn activation(l: &LayerRecord) -> Result<&'static str, NotTyped> {
    Ok(match l.activation() {
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
        Some(ActivationKind::Square) => "Square",
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
fn sliced(part: Ty, node: &NodeRecord, width: usize) -> Ty {
    if node.start == 0 && usize::from(node.inputs.get()) == width {
        return part;
    }
    let start = usize::from(node.start.get());
    Ty::Named("Slice", vec![width.into(), start.into(), part.into()])
}

/// What passes on so many elements.
fn identity(node: &NodeRecord, integer: bool) -> Ty {
    let precision = Ty::plain(if integer { "I16" } else { "F32" });
    let width = usize::from(node.outputs.get());
    Ty::Named("MixtureOutput", vec![width.into(), precision.into()])
}

/// The type of an expert that reads a value of this width.
pub(super) fn expert(node: Part<'_>, width: usize, integer: bool) -> Result<Ty, NotTyped> {
    let part = match sequence(layers(node)?) {
        Some(part) => part,
        None if integer => {
            return refuse("an integer model's expert has no layers, which no type spells");
        }
        None => identity(node.record, integer),
    };
    Ok(sliced(part, node.record, width))
}

/// The type of a gate over `experts` experts, of which it sees those in `mask`.
pub(super) fn gate(
    node: Part<'_>,
    width: usize,
    experts: usize,
    mask: Option<u128>,
) -> Result<Ty, NotTyped> {
    let Part { record, .. } = node;
    let (seen, k) = (record.seen(), usize::from(record.k));
    let Some(logits) = sequence(layers(node)?) else {
        return refuse("a gate has no layers");
    };
    let Some(op) = record.op() else {
        return refuse(format!("gates of kind {} are unknown", record.op));
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
        (NodeOp::Linear, logits) => Ty::of("LinearGate", [logits]),
        (NodeOp::Hard, logits) => Ty::of("HardGate", [logits]),
        (NodeOp::TopK, logits) => top_k(logits, true),
        (NodeOp::TopKRaw, logits) => top_k(logits, false),
        (NodeOp::DSelectK, logits) => {
            Ty::Named("DSelectKGate", vec![logits.into(), seen.into(), k.into()])
        }
        (NodeOp::Expert | NodeOp::Tower, _) => return refuse("a gate that is none"),
    };
    let gate = sliced(gate, record, width);
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
    node: Part<'_>,
    task: &TaskRecord,
    width: usize,
    integer: bool,
) -> Result<Ty, NotTyped> {
    let Part { record, .. } = node;
    let Some(layers) = sequence(layers(node)?) else {
        if record.start != 0 || usize::from(record.inputs.get()) != width {
            return refuse("a tower without layers reads a slice, which no type spells");
        }
        return Ok(identity(record, integer));
    };
    let last = node.layers.last().and_then(LayerRecord::kind);
    let kind = match task.output() {
        _ if last != Some(LayerKind::Logits) => "Activated",
        Some(OutputKind::Sigmoid) => "Binary",
        Some(OutputKind::Softmax) => "Multiclass",
        Some(OutputKind::Linear | OutputKind::Product) | None if record.outputs == 1 => {
            "Regression"
        }
        Some(OutputKind::Linear | OutputKind::Product) | None => "MultiRegression",
    };
    Ok(Ty::of(kind, [sliced(layers, record, width)]))
}
