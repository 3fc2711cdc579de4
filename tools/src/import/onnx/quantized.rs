//! What ONNX' operators on quantized numbers are in a program: what their integers stand for, in which
//! rounding is left out. What lies below the least integer is not rounding: quantizers leave a relu
//! out where the least integer stands for 0.

use std::collections::HashMap;

use super::operators::Attributes;
use crate::program::build::{Builder, Label};
use crate::program::{Array, Binary, Op, Reduction, Unary};

/// By the name of a zero point: the least integer of its type.
pub(super) type Least = HashMap<String, f64>;

/// The least integer of an element type.
pub(super) fn least(dtype: i32) -> Option<f64> {
    match dtype {
        2 | 4 | 21 => Some(0.0),
        3 => Some(f64::from(i8::MIN)),
        5 => Some(f64::from(i16::MIN)),
        22 => Some(-8.0),
        _ => None,
    }
}

struct Reader<'a> {
    label: Label<'a>,
    attributes: &'a Attributes<'a>,
    inputs: &'a [Option<usize>],
    least: &'a Least,
}

/// Adds what a node does; gives back the values that it makes, or `None` if it is none of these.
pub(super) fn translate(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    label: Label<'_>,
    inputs: &[Option<usize>],
    least: &Least,
) -> Option<Vec<usize>> {
    let reader = Reader {
        label,
        attributes,
        inputs,
        least,
    };
    let one = match label.kind {
        "QuantizeLinear" => reader.quantized(b, reader.input(0)?, 1, attributes.int("axis", 1)),
        "DequantizeLinear" => reader.real(b, 0, attributes.int("axis", 1)),
        // The scale is the input's own: of both nothing is left.
        "DynamicQuantizeLinear" => {
            let (one, none) = (Array::scalar(1.0), Array::scalar(0.0));
            return Some(vec![reader.input(0)?, b.constant(one), b.constant(none)]);
        }
        "MatMulInteger" => {
            let mut sides = [reader.input(0)?, reader.input(1)?];
            for (at, side) in sides.iter_mut().enumerate() {
                if let Some(zero) = reader.input(2 + at) {
                    *side = b.step(Op::Binary(Binary::Sub), label, &[*side, zero]);
                }
            }
            Some(b.step(product(false, false), label, &sides))
        }
        "QLinearMatMul" => {
            let sides = [reader.real(b, 0, -1)?, reader.real(b, 3, -1)?];
            let y = b.step(product(false, false), label, &sides);
            reader.quantized(b, y, 6, 0)
        }
        "QGemm" => reader.gemm(b),
        "QLinearAdd" | "QLinearMul" => {
            let f = match label.kind {
                "QLinearAdd" => Binary::Add,
                _ => Binary::Mul,
            };
            let sides = [reader.real(b, 0, -1)?, reader.real(b, 3, -1)?];
            let y = b.step(Op::Binary(f), label, &sides);
            reader.quantized(b, y, 6, 0)
        }
        "QLinearSigmoid" => reader.unary(b, Op::Unary(Unary::Sigmoid)),
        "QLinearLeakyRelu" => {
            let alpha = attributes.float("alpha", 0.01);
            reader.unary(b, Op::Unary(Unary::LeakyRelu(alpha)))
        }
        "QLinearSoftmax" => reader.unary(
            b,
            Op::Softmax {
                axis: attributes.int("axis", -1),
                flatten: attributes.int("opset", 13) < 13,
            },
        ),
        "QLinearReduceMean" => reader.unary(
            b,
            Op::Reduce {
                by: Reduction::Mean,
                axes: Some(attributes.ints("axes").unwrap_or_default()),
                keep: attributes.int("keepdims", 1) != 0,
            },
        ),
        "QLinearConcat" => {
            let mut parts = Vec::new();
            for at in (2..inputs.len()).step_by(3) {
                parts.push(reader.real(b, at, -1)?);
            }
            let axis = attributes.int("axis", 1);
            let y = b.step(Op::Concat { axis }, label, &parts);
            reader.quantized(b, y, 0, 0)
        }
        _ => None,
    };
    one.map(|value| vec![value])
}

fn product(transpose_a: bool, transpose_b: bool) -> Op {
    Op::MatMul {
        transpose_a,
        transpose_b,
    }
}

impl Reader<'_> {
    fn input(&self, at: usize) -> Option<usize> {
        self.inputs.get(at).copied().flatten()
    }

    fn unary(&self, b: &mut Builder, op: Op) -> Option<usize> {
        let x = self.real(b, 0, -1)?;
        let y = b.step(op, self.label, &[x]);
        self.quantized(b, y, 3, 0)
    }

    /// What an input stands for: its scale and its zero point are the two inputs behind it.
    fn real(&self, b: &mut Builder, at: usize, axis: i64) -> Option<usize> {
        let x = self.input(at)?;
        let rank = b.known(x).map(|a| a.shape.len());
        let scale = along(b, self.input(at + 1)?, axis, rank)?;
        let mut y = x;
        if let Some(zero) = self.input(at + 2) {
            let zero = along(b, zero, axis, rank)?;
            y = b.step(Op::Binary(Binary::Sub), self.label, &[y, zero]);
        }
        Some(b.step(Op::Binary(Binary::Mul), self.label, &[y, scale]))
    }

    /// A value as integers: `at` is the input that holds their scale, and their zero point follows.
    fn quantized(&self, b: &mut Builder, y: usize, at: usize, axis: i64) -> Option<usize> {
        let rank = b.known(y).map(|a| a.shape.len());
        let scale = along(b, self.input(at)?, axis, rank)?;
        let zero = match self.input(at + 1) {
            Some(zero) => Some(along(b, zero, axis, rank)?),
            None => None,
        };
        let name = self.attributes.0.inputs.get(at + 1);
        // Without a zero point integers have no sign.
        let least = match zero {
            Some(_) => name.and_then(|n| self.least.get(n)).copied(),
            None => Some(0.0),
        };
        let lowest = match zero.and_then(|z| b.known(z)) {
            Some(zeros) => zeros.data.iter().all(|z| Some(*z) == least),
            None => zero.is_none(),
        };
        let mut y = y;
        if lowest {
            y = b.step(Op::Unary(Unary::Relu), self.label, &[y]);
        }
        let y = b.step(Op::Binary(Binary::Div), self.label, &[y, scale]);
        Some(match zero {
            Some(zero) => b.step(Op::Binary(Binary::Add), self.label, &[y, zero]),
            None => y,
        })
    }

    fn gemm(&self, b: &mut Builder) -> Option<usize> {
        let turned = |name| self.attributes.int(name, 0) != 0;
        // One scale per output, which is the first axis of a matrix that lies the other way round.
        let outputs = if turned("transB") { 0 } else { -1 };
        let sides = [self.real(b, 0, -1)?, self.real(b, 3, outputs)?];
        let op = product(turned("transA"), turned("transB"));
        let mut y = b.step(op, self.label, &sides);
        if let Some(bias) = self.input(6) {
            let scales = [self.input(1)?, self.input(4)?];
            let scale = b.step(Op::Binary(Binary::Mul), self.label, &scales);
            let bias = b.step(Op::Binary(Binary::Mul), self.label, &[bias, scale]);
            y = b.step(Op::Binary(Binary::Add), self.label, &[y, bias]);
        }
        let alpha = self.attributes.float("alpha", 1.0);
        if alpha != 1.0 {
            y = b.step(Op::Scale(alpha), self.label, &[y]);
        }
        match self.input(7) {
            Some(_) => self.quantized(b, y, 7, 0),
            None => Some(y),
        }
    }
}

/// A vector of scales lies along an axis; `None` where nothing says how many axes there are.
fn along(b: &mut Builder, value: usize, axis: i64, rank: Option<usize>) -> Option<usize> {
    let known = b.known(value)?;
    if known.data.len() == 1 {
        let scalar = Array::scalar(known.data[0]);
        return Some(b.constant(scalar));
    }
    let rank = rank.filter(|r| *r < 8)?;
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    let mut shape = vec![1; rank];
    *shape.get_mut(usize::try_from(axis).ok()?)? = known.data.len();
    let array = Array {
        shape,
        data: known.data.clone(),
    };
    Some(b.constant(array))
}
