//! What each ONNX operator is in a program.

use super::messages::{Attribute, Node};
use super::quantized::{self, Least};
use super::{Reason, array, encoders};
use crate::import::collect::Budget;
use crate::program::build::{Builder, Label};
use crate::program::{Array, Binary, DECIMALS, Given, Op, Reduction, Unary};

/// Attributes of a node, by name.
pub(super) struct Attributes<'n>(pub(super) &'n Node);

impl Attributes<'_> {
    pub(super) fn find(&self, name: &str) -> Option<&Attribute> {
        self.0.attributes.iter().find(|a| a.name == name)
    }

    pub(super) fn float(&self, name: &str, default: f64) -> f64 {
        let found = self.find(name).and_then(|a| a.float);
        found.map_or(default, shortest)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.find(name).and_then(|a| a.int).unwrap_or(default)
    }

    pub(super) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.find(name).map(|a| a.ints.clone())
    }

    /// Whether a list, where it is given, holds nothing else.
    fn all(&self, name: &str, value: i64) -> bool {
        self.ints(name)
            .is_none_or(|l| l.iter().all(|v| *v == value))
    }

    /// What a cast makes.
    fn cast(&self) -> Option<Cast> {
        Some(match self.int("to", 1) {
            8 => Cast::Texts,
            9 => Cast::Truth,
            2..=7 | 12 | 13 => Cast::Wholes,
            1 | 10 | 11 | 16 => Cast::Numbers,
            _ => return None,
        })
    }

    pub(super) fn text(&self, name: &str) -> String {
        let found = self.find(name).and_then(|a| a.string.as_deref());
        String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
    }
}

/// The types of a cast, as far as they differ.
#[derive(Debug, Clone, Copy)]
enum Cast {
    Numbers,
    Wholes,
    Truth,
    Texts,
}

/// The decimal number that was meant by an f32: 0.2 and not 0.200000003.
pub(super) fn shortest(v: f32) -> f64 {
    v.to_string().parse().unwrap_or(f64::from(v))
}

/// Adds what a node does.
pub(super) fn translate(
    builder: &mut Builder,
    node: &Node,
    opset: i64,
    least: &Least,
    budget: &mut Budget,
) -> Result<(), Reason> {
    let attributes = Attributes(node);
    let unnamed = node.outputs.first().map(String::as_str).unwrap_or_default();
    let name = if node.name.is_empty() {
        unnamed
    } else {
        &node.name
    };
    let label = Label {
        kind: &node.kind,
        name,
    };
    let standard = matches!(node.domain.as_str(), "" | "ai.onnx" | "com.microsoft");
    if node.kind == "Constant" && standard {
        let found = constant(builder, &attributes, budget)?;
        if let (Some((array, kind)), Some(output)) = (found, node.outputs.first()) {
            builder.define(output, array);
            let value = builder.value(output);
            builder.set_kind(value, kind);
        }
        return Ok(());
    }
    let mut inputs = Vec::with_capacity(node.inputs.len());
    for name in &node.inputs {
        inputs.push(if name.is_empty() {
            None
        } else {
            Some(builder.value(name))
        });
    }
    let op = if standard {
        operator(&attributes, opset, budget)?
    } else {
        None
    };
    let outputs: Vec<usize> = node.outputs.iter().map(|o| builder.value(o)).collect();
    if let Some(op) = op {
        if matches!(op, Op::Binary(Binary::Less | Binary::LessOrEqual))
            && node.kind.starts_with("Greater")
        {
            inputs.reverse();
        }
        for list in listed(&attributes, opset) {
            inputs.push(list.map(|l| builder.constant(whole(&l))));
        }
        builder.node(op, label, &inputs, outputs);
        return Ok(());
    }
    if standard
        && let Some(made) = quantized::translate(builder, &attributes, label, &inputs, least)
    {
        for (made, output) in made.into_iter().zip(outputs) {
            builder.node(Op::Identity, label, &[Some(made)], vec![output]);
        }
        return Ok(());
    }
    let all: Option<Vec<usize>> = inputs.iter().copied().collect();
    let made = if node.domain == "ai.onnx.ml" {
        match all.as_deref() {
            Some(all) => encoders::translate(builder, &attributes, label, all, budget)?,
            None => None,
        }
    } else if standard {
        several(builder, &attributes, label, &inputs, all.as_deref())
    } else {
        None
    };
    match made {
        Some(made) => builder.node(Op::Identity, label, &[Some(made)], outputs),
        None => builder.node(Op::Other, label, &inputs, outputs),
    }
    Ok(())
}

/// A value of another type, where its numbers say what it is.
fn cast(b: &mut Builder, label: Label<'_>, x: usize, to: Cast) -> Option<usize> {
    let made = match (b.kind(x), to) {
        (Given::Texts, Cast::Texts) => b.step(Op::Identity, label, &[x]),
        // The numbers of texts are not those that they spell.
        (Given::Texts, _) | (Given::Numbers, Cast::Texts) => return None,
        (Given::Wholes, Cast::Texts) => {
            let decimals = b.constant(Array::scalar(DECIMALS));
            b.step(Op::Binary(Binary::Add), label, &[x, decimals])
        }
        (_, Cast::Truth) => b.truth(label, x),
        (_, Cast::Wholes) => b.step(Op::Truncate, label, &[x]),
        (_, Cast::Numbers) => b.step(Op::Identity, label, &[x]),
    };
    b.set_kind(
        made,
        match to {
            Cast::Texts => Given::Texts,
            Cast::Truth | Cast::Wholes => Given::Wholes,
            Cast::Numbers => Given::Numbers,
        },
    );
    Some(made)
}

fn whole(list: &[i64]) -> Array<f64> {
    Array::vector(list.iter().map(|v| *v as f64).collect())
}

fn constant(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    budget: &mut Budget,
) -> Result<Option<(Array<f64>, Given)>, Reason> {
    for attribute in &attributes.0.attributes {
        let numbers = |array| Some((array, Given::Numbers));
        let wholes = |array| Some((array, Given::Wholes));
        let found = match attribute.name.as_str() {
            "value" => match &attribute.tensor {
                Some(tensor) => Some(super::constant(b, tensor, None, budget)?),
                None => None,
            },
            "value_float" => attribute
                .float
                .and_then(|v| numbers(Array::scalar(f64::from(v)))),
            "value_int" => attribute.int.and_then(|v| wholes(Array::scalar(v as f64))),
            "value_floats" => numbers(Array::vector(
                attribute.floats.iter().map(|v| f64::from(*v)).collect(),
            )),
            "value_ints" => wholes(whole(&attribute.ints)),
            "value_string" => {
                let text = attribute.string.as_deref().map(String::from_utf8_lossy);
                text.map(|text| (Array::scalar(b.text(&text)), Given::Texts))
            }
            "value_strings" => {
                let texts = attribute.strings.iter();
                let texts = texts.map(|text| b.text(&String::from_utf8_lossy(text)));
                Some((Array::vector(texts.collect()), Given::Texts))
            }
            _ => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Lists that were attributes once and are inputs now, in the order of the inputs.
fn listed(attributes: &Attributes<'_>, opset: i64) -> Vec<Option<Vec<i64>>> {
    match attributes.0.kind.as_str() {
        "Slice" if opset < 10 => ["starts", "ends", "axes"]
            .map(|n| attributes.ints(n))
            .into_iter()
            .collect(),
        "TopK" if opset < 10 => vec![Some(vec![attributes.int("k", 1)])],
        "Reshape" if opset < 5 => vec![attributes.ints("shape")],
        _ => Vec::new(),
    }
}

/// The operators that are one operation.
fn operator(
    attributes: &Attributes<'_>,
    opset: i64,
    budget: &mut Budget,
) -> Result<Option<Op>, Reason> {
    let unary = |f| Some(Op::Unary(f));
    let binary = |f| Some(Op::Binary(f));
    let reduce = |by| {
        let axes = match attributes.ints("axes") {
            None if attributes.0.inputs.len() < 2 => Some(Vec::new()),
            axes => axes,
        };
        Some(Op::Reduce {
            by,
            axes,
            keep: attributes.int("keepdims", 1) != 0,
        })
    };
    let axis = |default| attributes.int("axis", default);
    let (int_epsilon, epsilon) = (1e-5, |default| attributes.float("epsilon", default));
    Ok(match attributes.0.kind.as_str() {
        "Relu" => unary(Unary::Relu),
        "LeakyRelu" => unary(Unary::LeakyRelu(attributes.float("alpha", 0.01))),
        "Sigmoid" => unary(Unary::Sigmoid),
        "Tanh" => unary(Unary::Tanh),
        "Elu" => unary(Unary::Elu(attributes.float("alpha", 1.0))),
        "Selu" => unary(Unary::Selu {
            alpha: attributes.float("alpha", 1.673_263_192),
            scale: attributes.float("gamma", 1.050_700_987),
        }),
        "Softplus" => unary(Unary::Softplus),
        "Softsign" => unary(Unary::Softsign),
        "Gelu" if attributes.text("approximate") == "tanh" => unary(Unary::GeluTanh),
        "Gelu" => unary(Unary::Gelu),
        "FastGelu" if attributes.0.inputs.len() == 1 => unary(Unary::GeluTanh),
        "Mish" => unary(Unary::Mish),
        "HardSwish" => unary(Unary::Hardswish),
        "HardSigmoid" => unary(Unary::HardSigmoid {
            alpha: attributes.float("alpha", 0.2),
            beta: attributes.float("beta", 0.5),
        }),
        "Erf" => unary(Unary::Erf),
        "Exp" => unary(Unary::Exp),
        "Log" => unary(Unary::Log),
        "Abs" => unary(Unary::Abs),
        "Sign" => unary(Unary::Sign),
        "Floor" => unary(Unary::Floor),
        "Not" => unary(Unary::Not),
        "Sqrt" => unary(Unary::Power(0.5)),
        "Reciprocal" => unary(Unary::Power(-1.0)),
        "Neg" => Some(Op::Scale(-1.0)),
        "Add" | "Sum" => binary(Binary::Add),
        "Sub" => binary(Binary::Sub),
        "Mul" => binary(Binary::Mul),
        "Pow" => binary(Binary::Pow),
        "Max" => binary(Binary::Max),
        "Min" => binary(Binary::Min),
        "PRelu" => binary(Binary::PRelu),
        "Less" | "Greater" => binary(Binary::Less),
        "LessOrEqual" | "GreaterOrEqual" => binary(Binary::LessOrEqual),
        "Equal" => binary(Binary::Equal),
        "And" => binary(Binary::And),
        "Where" => Some(Op::Where),
        "MatMul" => Some(Op::MatMul {
            transpose_a: false,
            transpose_b: false,
        }),
        "Einsum" => Some(Op::Einsum(attributes.text("equation"))),
        "Softmax" if opset < 13 => Some(Op::Softmax {
            axis: axis(1),
            flatten: true,
        }),
        "Softmax" => Some(Op::Softmax {
            axis: axis(-1),
            flatten: false,
        }),
        "ReduceSum" => reduce(Reduction::Sum),
        "ReduceMean" => reduce(Reduction::Mean),
        "ReduceMax" => reduce(Reduction::Max),
        "ReduceMin" => reduce(Reduction::Min),
        "ReduceProd" => reduce(Reduction::Product),
        "ReduceL2" => reduce(Reduction::L2),
        "ReduceSumSquare" => reduce(Reduction::SumOfSquares),
        "LayerNormalization" => Some(Op::LayerNorm {
            axis: axis(-1),
            epsilon: epsilon(int_epsilon),
            rms: false,
        }),
        "RMSNormalization" | "SimplifiedLayerNormalization" => Some(Op::LayerNorm {
            axis: axis(-1),
            epsilon: epsilon(int_epsilon),
            rms: true,
        }),
        "GlobalAveragePool" => Some(Op::PlaceMean),
        "InstanceNormalization" => Some(Op::GroupNorm {
            groups: None,
            epsilon: epsilon(int_epsilon),
        }),
        "GroupNormalization" => Some(Op::GroupNorm {
            groups: usize::try_from(attributes.int("num_groups", 1)).ok(),
            epsilon: epsilon(int_epsilon),
        }),
        // Wherever a kernel of size 1 is moved to, its input is one place.
        "Conv" if attributes.all("strides", 1) && attributes.all("pads", 0) => {
            usize::try_from(attributes.int("group", 1))
                .ok()
                .map(|groups| Op::Pointwise { groups })
        }
        "ArgMax" if attributes.int("select_last_index", 0) == 0 => Some(Op::ArgMax {
            axis: axis(0),
            keep: attributes.int("keepdims", 1) != 0,
        }),
        "OneHot" => Some(Op::OneHot {
            axis: axis(-1),
            wraps: true,
        }),
        "BatchNormalization" => Some(Op::BatchNorm {
            epsilon: epsilon(int_epsilon),
            axis: 1,
        }),
        "Reshape" => Some(Op::Reshape {
            zero: attributes.int("allowzero", 0) != 0,
        }),
        "Flatten" => Some(Op::Flatten { axis: axis(1) }),
        "Squeeze" => Some(Op::Squeeze {
            axes: attributes.ints("axes"),
        }),
        "Unsqueeze" => Some(Op::Unsqueeze {
            axes: attributes.ints("axes"),
        }),
        "Transpose" => Some(Op::Transpose {
            order: attributes.ints("perm"),
        }),
        "Concat" => Some(Op::Concat { axis: axis(1) }),
        "Split" => Some(Op::Split {
            axis: axis(0),
            sizes: attributes.ints("split"),
        }),
        "Slice" => Some(Op::Slice),
        "Gather" => Some(Op::Gather { axis: axis(0) }),
        "Expand" => Some(Op::Expand),
        "Tile" => Some(Op::Tile),
        "Shape" => Some(Op::Shape {
            start: attributes.int("start", 0),
            end: attributes.int("end", i64::MAX),
        }),
        "ConstantOfShape" => {
            let value = attributes.find("value").and_then(|a| a.tensor.as_ref());
            let value = value.map(|t| array(t, None, budget)).transpose()?;
            Some(Op::Fill(
                value.and_then(|a| a.data.first().copied()).unwrap_or(0.0),
            ))
        }
        "Range" => Some(Op::Range),
        "TopK" if attributes.int("largest", 1) == 1 => Some(Op::TopK { axis: axis(-1) }),
        "ScatterElements" if attributes.text("reduction").replace("none", "").is_empty() => {
            Some(Op::Scatter { axis: axis(0) })
        }
        // Of the second output, a mask, nothing is computed.
        "Identity" | "Dropout" => Some(Op::Identity),
        _ => None,
    })
}

/// The operators that are several operations: the value that they come to.
fn several(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    label: Label<'_>,
    inputs: &[Option<usize>],
    all: Option<&[usize]>,
) -> Option<usize> {
    let x = (*inputs.first()?)?;
    let second = inputs.get(1).copied().flatten();
    let third = inputs.get(2).copied().flatten();
    Some(match attributes.0.kind.as_str() {
        "Div" => b.quotient(label, all?),
        // The sign of the divisor, unless the remainder is that of C.
        "Mod" if attributes.int("fmod", 0) == 0 => b.floored(label, [x, second?])[1],
        // Indices of one axis, which lie along an axis of their own.
        "GatherND" if attributes.int("batch_dims", 0) == 0 => {
            let axes = Some(vec![-1]);
            let places = b.step(Op::Squeeze { axes }, label, &[second?]);
            b.step(Op::Gather { axis: 0 }, label, &[x, places])
        }
        "Size" => {
            let all = Op::Shape {
                start: 0,
                end: i64::MAX,
            };
            let shape = b.step(all, label, &[x]);
            let product = Op::Reduce {
                by: Reduction::Product,
                axes: Some(vec![0]),
                keep: false,
            };
            b.step(product, label, &[shape])
        }
        "CastLike" => {
            let to = match b.kind(second?) {
                Given::Texts => Cast::Texts,
                Given::Wholes => Cast::Wholes,
                Given::Numbers => Cast::Numbers,
            };
            cast(b, label, x, to)?
        }
        "Or" => {
            let sum = b.step(Op::Binary(Binary::Add), label, all?);
            b.truth(label, sum)
        }
        "Cast" => cast(b, label, x, attributes.cast()?)?,
        "Gemm" | "FusedGemm" => {
            let product = Op::MatMul {
                transpose_a: attributes.int("transA", 0) != 0,
                transpose_b: attributes.int("transB", 0) != 0,
            };
            let scaled = |b: &mut Builder, value, factor: f64| match factor {
                1.0 => value,
                factor => b.step(Op::Scale(factor), label, &[value]),
            };
            let mut y = b.step(product, label, &[x, second?]);
            y = scaled(b, y, attributes.float("alpha", 1.0));
            if let Some(bias) = third {
                let bias = scaled(b, bias, attributes.float("beta", 1.0));
                y = b.step(Op::Binary(Binary::Add), label, &[y, bias]);
            }
            let f = match attributes.text("activation").as_str() {
                "" => return Some(y),
                "Relu" => Unary::Relu,
                "Tanh" => Unary::Tanh,
                "Sigmoid" => Unary::Sigmoid,
                "LeakyRelu" => Unary::LeakyRelu(attributes.float("activation_alpha", 0.01)),
                _ => return None,
            };
            b.step(Op::Unary(f), label, &[y])
        }
        "Clip" => {
            let bound = |b: &mut Builder, input: Option<usize>, name: &str| {
                let attribute = attributes.find(name).and_then(|a| a.float);
                input.or_else(|| attribute.map(|v| b.constant(Array::scalar(f64::from(v)))))
            };
            let mut y = x;
            if let Some(low) = bound(b, second, "min") {
                y = b.step(Op::Binary(Binary::Max), label, &[y, low]);
            }
            if let Some(high) = bound(b, third, "max") {
                y = b.step(Op::Binary(Binary::Min), label, &[y, high]);
            }
            y
        }
        // α·(e^(x/α) − 1) below 0, which is an elu of x/α.
        "Celu" => {
            let alpha = attributes.float("alpha", 1.0);
            let scaled = b.step(Op::Scale(1.0 / alpha), label, &[x]);
            let curve = b.step(Op::Unary(Unary::Elu(1.0)), label, &[scaled]);
            b.step(Op::Scale(alpha), label, &[curve])
        }
        "BiasGelu" => {
            let sum = b.step(Op::Binary(Binary::Add), label, all?);
            b.step(Op::Unary(Unary::Gelu), label, &[sum])
        }
        "QuickGelu" | "Swish" => {
            let default = if label.kind == "Swish" { 1.0 } else { 1.702 };
            let factor = attributes.float("alpha", default);
            let scaled = b.step(Op::Scale(factor), label, &[x]);
            let gate = b.step(Op::Unary(Unary::Sigmoid), label, &[scaled]);
            b.step(Op::Binary(Binary::Mul), label, &[x, gate])
        }
        _ => return None,
    })
}
