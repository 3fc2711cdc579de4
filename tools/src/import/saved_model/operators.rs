//! What each TensorFlow operation is in a program.

use super::messages::Node;
use super::tables;
use crate::program::build::{Builder, Label};
use crate::program::{Array, Binary, DECIMALS, Given, Op, Reduction, Unary};

/// Adds what a node does; gives back the values that it makes.
pub(super) fn translate(b: &mut Builder, node: &Node, inputs: &[usize]) -> Vec<usize> {
    let int = |name: &str, default| attribute(node, name).and_then(|a| a.int).unwrap_or(default);
    let count = match node.kind.as_str() {
        "Split" | "SplitV" => int("num_split", 1),
        "Unpack" => int("num", 1),
        "TopKV2" => 2,
        "IdentityN" => inputs.len() as i64,
        _ => 1,
    };
    /// More pieces than one operation of a model makes.
    const MOST: i64 = 1024;
    let label = Label {
        kind: &node.kind,
        name: &node.name,
    };
    if node.kind == "IdentityN" {
        return inputs.to_vec();
    }
    let flag = |name: &str| attribute(node, name).and_then(|a| a.flag);
    if node.kind.starts_with("FusedBatchNorm")
        && flag("is_training").unwrap_or(true)
        && let [x, gain, bias, ..] = *inputs
    {
        let first = attribute(node, "data_format").and_then(|a| a.text.as_deref()) == Some(b"NCHW");
        let epsilon = attribute(node, "epsilon").and_then(|a| a.float);
        return vec![normalised(
            b,
            label,
            [x, gain, bias],
            first,
            epsilon.unwrap_or(1e-4),
        )];
    }
    if let Some(made) = several(b, node, label, inputs) {
        return vec![made];
    }
    let outputs: Vec<usize> = (0..count.clamp(1, MOST)).map(|_| b.fresh()).collect();
    let (op, reads) = known(b, node, inputs).unwrap_or((Op::Other, inputs.to_vec()));
    let reads: Vec<Option<usize>> = reads.into_iter().map(Some).collect();
    b.node(op, label, &reads, outputs.clone());
    outputs
}

/// The operations that are several of a program: the value that they come to.
fn several(b: &mut Builder, node: &Node, label: Label<'_>, inputs: &[usize]) -> Option<usize> {
    let x = *inputs.first()?;
    let kind = tables::given(attribute(node, "DstT").and_then(|a| a.dtype).unwrap_or(1));
    let pair = || Some([x, *inputs.get(1)?]);
    Some(match node.kind.as_str() {
        "Div" => b.quotient(label, inputs),
        "FloorDiv" => b.floored(label, pair()?)[0],
        "FloorMod" => b.floored(label, pair()?)[1],
        "NotEqual" => {
            let equal = b.step(Op::Binary(Binary::Equal), label, &pair()?);
            b.step(Op::Unary(Unary::Not), label, &[equal])
        }
        "LogicalOr" => {
            let sum = b.step(Op::Binary(Binary::Add), label, &pair()?);
            b.truth(label, sum)
        }
        "Bucketize" => {
            let bounds = attribute(node, "boundaries")?.list.as_ref()?.floats.iter();
            b.bucket(label, x, bounds.map(|v| f64::from(*v)).collect())
        }
        "AsString" if b.kind(x) == Given::Wholes => {
            let plain = ["width", "precision"]
                .iter()
                .all(|name| attribute(node, name).is_none_or(|a| a.int.is_none_or(|v| v == -1)));
            let decimals = b.constant(Array::scalar(DECIMALS));
            let text = b.step(Op::Binary(Binary::Add), label, &[x, decimals]);
            b.set_kind(text, Given::Texts);
            plain.then_some(text)?
        }
        "StringToHashBucketFast" => {
            let buckets = attribute(node, "num_buckets")?.int?;
            b.step(Op::Hash(u32::try_from(buckets).ok()?), label, &[x])
        }
        "Cast" => {
            const TRUTH: i32 = 10;
            let made = match (kind, attribute(node, "DstT")?.dtype?) {
                (Given::Texts, _) => return None,
                (_, TRUTH) => b.truth(label, x),
                (Given::Wholes, _) => b.step(Op::Truncate, label, &[x]),
                (Given::Numbers, _) => b.step(Op::Identity, label, &[x]),
            };
            b.set_kind(made, kind);
            made
        }
        _ => return None,
    })
}

/// A batch norm as it is in training: each channel by its own mean and variance, over all places and
/// all images. Keras' layer norm is one, over images that are the rows.
fn normalised(
    b: &mut Builder,
    label: Label<'_>,
    [x, gain, bias]: [usize; 3],
    channels_first: bool,
    epsilon: f32,
) -> usize {
    let order = |first: &[i64; 4], last: &[i64; 4]| {
        let order = if channels_first { first } else { last };
        Op::Transpose {
            order: Some(order.to_vec()),
        }
    };
    let y = b.step(order(&[1, 0, 2, 3], &[3, 0, 1, 2]), label, &[x]);
    let norm = Op::LayerNorm {
        axis: 1,
        epsilon: f64::from(epsilon),
        rms: false,
    };
    let mut y = b.step(norm, label, &[y]);
    for (f, numbers) in [(Binary::Mul, gain), (Binary::Add, bias)] {
        let axes = Some(vec![1, 2, 3]);
        let numbers = b.step(Op::Unsqueeze { axes }, label, &[numbers]);
        y = b.step(Op::Binary(f), label, &[y, numbers]);
    }
    b.step(order(&[1, 0, 2, 3], &[1, 2, 3, 0]), label, &[y])
}

fn attribute<'n>(node: &'n Node, name: &str) -> Option<&'n super::messages::Attribute> {
    node.attributes.get(name)
}

fn known(b: &mut Builder, node: &Node, inputs: &[usize]) -> Option<(Op, Vec<usize>)> {
    let find = |name: &str| attribute(node, name);
    let int = |name: &str, default| find(name).and_then(|a| a.int).unwrap_or(default);
    let flag = |name: &str| find(name).and_then(|a| a.flag).unwrap_or(false);
    let float =
        |name: &str, default: f32| f64::from(find(name).and_then(|a| a.float).unwrap_or(default));
    let as_is = |op| Some((op, inputs.to_vec()));
    let unary = |f| as_is(Op::Unary(f));
    let binary = |f| as_is(Op::Binary(f));
    let reversed = |f| Some((Op::Binary(f), inputs.iter().rev().copied().collect()));
    let reduce = |by| {
        as_is(Op::Reduce {
            by,
            axes: None,
            keep: flag("keep_dims"),
        })
    };
    let first = |b: &Builder, at: usize| {
        let known = b.known(*inputs.get(at)?)?;
        known.data.first().map(|v| *v as i64)
    };
    match node.kind.as_str() {
        "MatMul" => as_is(Op::MatMul {
            transpose_a: flag("transpose_a"),
            transpose_b: flag("transpose_b"),
        }),
        "BatchMatMul" | "BatchMatMulV2" | "BatchMatMulV3" => as_is(Op::MatMul {
            transpose_a: flag("adj_x"),
            transpose_b: flag("adj_y"),
        }),
        "Einsum" => {
            let equation = find("equation")
                .and_then(|a| a.text.clone())
                .unwrap_or_default();
            as_is(Op::Einsum(String::from_utf8_lossy(&equation).into_owned()))
        }
        "Add" | "AddV2" | "BiasAdd" | "AddN" => binary(Binary::Add),
        "Sub" => binary(Binary::Sub),
        "Mul" => binary(Binary::Mul),
        "RealDiv" => binary(Binary::Div),
        "Maximum" => binary(Binary::Max),
        "Minimum" => binary(Binary::Min),
        "Pow" => binary(Binary::Pow),
        "SquaredDifference" => binary(Binary::SquaredDifference),
        "Less" => binary(Binary::Less),
        "LessEqual" => binary(Binary::LessOrEqual),
        "Greater" => reversed(Binary::Less),
        "GreaterEqual" => reversed(Binary::LessOrEqual),
        "Equal" => binary(Binary::Equal),
        "LogicalAnd" => binary(Binary::And),
        "LogicalNot" => unary(Unary::Not),
        "Relu" => unary(Unary::Relu),
        "Relu6" => unary(Unary::Clip { min: 0.0, max: 6.0 }),
        "LeakyRelu" => unary(Unary::LeakyRelu(float("alpha", 0.2))),
        "Elu" => unary(Unary::Elu(1.0)),
        "Selu" => unary(Unary::Selu {
            alpha: 1.673_263_242,
            scale: 1.050_700_987,
        }),
        "Sigmoid" => unary(Unary::Sigmoid),
        "Tanh" => unary(Unary::Tanh),
        "Softplus" => unary(Unary::Softplus),
        "Softsign" => unary(Unary::Softsign),
        "Exp" => unary(Unary::Exp),
        "Log" => unary(Unary::Log),
        "Erf" => unary(Unary::Erf),
        "Erfc" => unary(Unary::Erfc),
        "Abs" => unary(Unary::Abs),
        "Sqrt" => unary(Unary::Power(0.5)),
        "Rsqrt" => unary(Unary::Power(-0.5)),
        "Square" => unary(Unary::Power(2.0)),
        "Reciprocal" | "Inv" => unary(Unary::Power(-1.0)),
        "Neg" => as_is(Op::Scale(-1.0)),
        "Softmax" => as_is(Op::Softmax {
            axis: -1,
            flatten: false,
        }),
        "FusedBatchNorm" | "FusedBatchNormV2" | "FusedBatchNormV3" => {
            let first = find("data_format").and_then(|a| a.text.as_deref()) == Some(b"NCHW");
            as_is(Op::BatchNorm {
                epsilon: float("epsilon", 1e-4),
                axis: if first { 1 } else { 3 },
            })
        }
        // A kernel of size 1 is a layer of the channels, which are the last axis.
        "Conv2D"
            if find("data_format").is_none_or(|a| a.text.as_deref() == Some(b"NHWC"))
                && find("strides")
                    .and_then(|a| a.list.as_ref())
                    .is_none_or(|l| l.ints.iter().all(|s| *s == 1)) =>
        {
            let axes = Some(vec![0, 1]);
            let label = Label {
                kind: &node.kind,
                name: &node.name,
            };
            let kernel = b.step(Op::Squeeze { axes }, label, inputs.get(1..2)?);
            let product = Op::MatMul {
                transpose_a: false,
                transpose_b: false,
            };
            Some((product, vec![*inputs.first()?, kernel]))
        }
        "ArgMax" => {
            let axis = first(b, 1)?;
            Some((Op::ArgMax { axis, keep: false }, vec![*inputs.first()?]))
        }
        "OneHot" => {
            let pair = b.step(
                Op::Stack { axis: 0 },
                Label {
                    kind: &node.kind,
                    name: &node.name,
                },
                &[*inputs.get(3)?, *inputs.get(2)?],
            );
            let axis = int("axis", -1);
            Some((
                Op::OneHot { axis, wraps: false },
                vec![*inputs.first()?, *inputs.get(1)?, pair],
            ))
        }
        "Sum" => reduce(Reduction::Sum),
        "Mean" => reduce(Reduction::Mean),
        "Max" => reduce(Reduction::Max),
        "Min" => reduce(Reduction::Min),
        "Prod" => reduce(Reduction::Product),
        "Reshape" => as_is(Op::Reshape { zero: true }),
        "Squeeze" => {
            let axes = find("squeeze_dims").and_then(|a| a.list.as_ref());
            as_is(Op::Squeeze {
                axes: Some(axes.map(|l| l.ints.clone()).unwrap_or_default()),
            })
        }
        "ExpandDims" => as_is(Op::Unsqueeze { axes: None }),
        "Transpose" => as_is(Op::Transpose { order: None }),
        "ConcatV2" => {
            let axis = first(b, inputs.len().checked_sub(1)?)?;
            Some((Op::Concat { axis }, inputs[..inputs.len() - 1].to_vec()))
        }
        "Pack" => as_is(Op::Stack {
            axis: int("axis", 0),
        }),
        "Unpack" => as_is(Op::Unstack {
            axis: int("axis", 0),
        }),
        "Split" => Some((
            Op::Split {
                axis: first(b, 0)?,
                sizes: None,
            },
            vec![*inputs.get(1)?],
        )),
        "SplitV" => Some((
            Op::Split {
                axis: first(b, 2)?,
                sizes: None,
            },
            inputs.get(..2)?.to_vec(),
        )),
        "StridedSlice" if int("ellipsis_mask", 0) == 0 => as_is(Op::StridedSlice {
            begin: int("begin_mask", 0),
            end: int("end_mask", 0),
            shrink: int("shrink_axis_mask", 0),
            new_axis: int("new_axis_mask", 0),
        }),
        "Slice" => as_is(Op::SliceSize),
        "GatherV2" if int("batch_dims", 0) == 0 => {
            Some((Op::Gather { axis: first(b, 2)? }, inputs.get(..2)?.to_vec()))
        }
        "ResourceGather" if int("batch_dims", 0) == 0 => as_is(Op::Gather { axis: 0 }),
        "Tile" => as_is(Op::Tile),
        "BroadcastTo" => as_is(Op::Expand),
        "Shape" => as_is(Op::Shape {
            start: 0,
            end: i64::MAX,
        }),
        "Fill" => as_is(Op::FillWith),
        "Range" => as_is(Op::Range),
        "Select" | "SelectV2" => as_is(Op::Where),
        "TopKV2" => as_is(Op::TopK { axis: -1 }),
        "PlaceholderWithDefault"
        | "Identity"
        | "StopGradient"
        | "PreventGradient"
        | "EnsureShape"
        | "ReadVariableOp" => Some((Op::Identity, vec![*inputs.first()?])),
        _ => None,
    }
}
