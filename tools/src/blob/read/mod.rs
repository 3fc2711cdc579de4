//! Reads a float blob back as a graph.
//!
//! It uses an ordinary postcard reader and follows the written format, with the bare numbers of
//! `docs/format.md` instead of the engine's names for them. None of the engine's code is used, so that
//! what is compared with the engine's outputs comes from the bytes alone: a code or an order that the
//! engine and the encoder both have wrong would show.

mod front;

pub use front::{Stored, front};

use super::Blob;
use super::message::{self, Header, Node};
use crate::graph::{
    Activation, Dense, GateKind, Graph, Input, Layer, Normalization, Op, Output, Task,
};

/// Why a blob could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not what `docs/format.md` says.
    #[error("the blob does not follow the format: {0}")]
    Format(&'static str),
    /// An integer model has no float graph.
    #[error("the blob is an integer model: its weights have no float values of their own")]
    Integer,
}

/// Returns the header and the weights of a blob whose preamble was checked already.
///
/// # Errors
///
/// [`ReadError::Format`].
pub fn split(file: &[u8]) -> Result<(Header, &[u8]), ReadError> {
    let message = file.get(14..).ok_or(ReadError::Format("too short"))?;
    let (header, rest) =
        postcard::take_from_bytes::<Header>(message).map_err(|_| ReadError::Format("header"))?;
    let (_pad, rest) =
        postcard::take_from_bytes::<&[u8]>(rest).map_err(|_| ReadError::Format("padding"))?;
    let (weights, _) =
        postcard::take_from_bytes::<&[u8]>(rest).map_err(|_| ReadError::Format("weights"))?;
    Ok((header, weights))
}

/// The float model behind a front end as a blob of its own, whose rows are the vectors that the front
/// end would make. `None`: the blob has no front end, is of integers, or reads codes in its vector.
///
/// # Errors
///
/// [`ReadError::Format`].
pub fn behind(file: &[u8]) -> Result<Option<Blob>, ReadError> {
    let (mut header, weights) = split(file)?;
    let mut bytes = Bytes(weights);
    let float = |l: &message::Layer| matches!(l.precision, 0 | 1) && l.kind != 12;
    if !header.layers.iter().all(float) || front::of(&header, false, &mut bytes)?.is_none() {
        return Ok(None);
    }
    for input in &mut header.inputs {
        input.kind = 0;
    }
    header.feature_names.clear();
    header
        .sections
        .retain(|(tag, _)| !matches!(tag, 1 | 8 | 14));
    let weights = bytes.0.to_vec();
    Ok(Some(Blob { header, weights }))
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8], ReadError> {
        let (a, b) = self
            .0
            .split_at_checked(n)
            .ok_or(ReadError::Format("weights are short"))?;
        self.0 = b;
        Ok(a)
    }
    fn f32s(&mut self, n: usize) -> Result<Vec<f32>, ReadError> {
        Ok(self
            .take(4 * n)?
            .chunks_exact(4)
            .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]))
            .collect())
    }
    fn u32s(&mut self, n: usize) -> Result<Vec<u32>, ReadError> {
        let bytes = n
            .checked_mul(4)
            .ok_or(ReadError::Format("weights are short"))?;
        let (words, _) = self.take(bytes)?.as_chunks::<4>();
        Ok(words.iter().map(|w| u32::from_le_bytes(*w)).collect())
    }
    fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(self.u32s(1)?[0])
    }
}

/// Converts the stored order (panels of 8 rows, one of 4, single rows, each column by column) to rows.
fn unpanel<T: Copy + Default>(stored: &[T], inputs: usize, outputs: usize) -> Vec<T> {
    let mut rows = vec![T::default(); stored.len()];
    let (mut row, mut at) = (0, 0);
    while row < outputs {
        let left = outputs - row;
        let high = if left >= 8 {
            8
        } else if left >= 4 {
            4
        } else {
            1
        };
        for c in 0..inputs {
            for r in 0..high {
                rows[(row + r) * inputs + c] = stored[at];
                at += 1;
            }
        }
        row += high;
    }
    rows
}

/// Returns the graph of an F32 or W8 blob, in which int8 weights become `w·scale`. The vector of one
/// that takes codes is the numbers and then all columns that the codes name, as one run.
///
/// # Errors
///
/// [`ReadError`].
pub fn graph(file: &[u8]) -> Result<Graph, ReadError> {
    let (header, weights) = split(file)?;
    let mut bytes = Bytes(weights);
    let front = front::of(&header, false, &mut bytes)?.map(|stored| stored.front);
    let mut layers = header.layers.iter();
    let mut nodes = Vec::new();
    // How many numbers stand before the codes, and how many columns those name.
    let mut hot_columns: Option<(usize, usize)> = None;
    for n in &header.nodes {
        let mut own = Vec::new();
        let mut hot = None;
        for _ in 0..n.layers {
            let l = layers
                .next()
                .ok_or(ReadError::Format("fewer layers than the nodes own"))?;
            if !matches!(l.precision, 0 | 1) {
                return Err(ReadError::Integer);
            }
            let (inputs, outputs) = (l.inputs as usize, l.outputs as usize);
            if l.kind == 12 {
                bytes.f32s(1)?;
                hot = Some(outputs);
                continue;
            }
            own.push(match l.kind {
                0 | 1 => {
                    let bias = bytes.f32s(outputs)?;
                    let weight = if l.precision == 0 {
                        unpanel(&bytes.f32s(inputs * outputs)?, inputs, outputs)
                    } else {
                        let scale = bytes.f32s(outputs)?;
                        let stored: Vec<i8> = bytes.take((inputs * outputs).next_multiple_of(4))?
                            [..inputs * outputs]
                            .iter()
                            .map(|b| *b as i8)
                            .collect();
                        let rows = unpanel(&stored, inputs, outputs);
                        rows.iter()
                            .enumerate()
                            .map(|(i, w)| f32::from(*w) * scale[i / inputs])
                            .collect()
                    };
                    let activation = activation(l.activation, &mut bytes)?;
                    Layer::Dense(Dense {
                        name: String::new(),
                        inputs,
                        outputs,
                        weight,
                        bias,
                        activation,
                    })
                }
                2 => {
                    let both = bytes.f32s(2 * outputs)?;
                    Layer::Affine {
                        gain: both.iter().step_by(2).copied().collect(),
                        bias: both.iter().skip(1).step_by(2).copied().collect(),
                    }
                }
                3 => Layer::PRelu {
                    slope: bytes.f32s(outputs)?,
                },
                4 | 7 | 8 | 9 => {
                    let epsilon = bytes.f32s(1)?[0];
                    let groups = if l.kind == 9 {
                        usize::from(l.activation) + 1
                    } else {
                        1
                    };
                    Layer::Norm {
                        by: match l.kind {
                            7 => Normalization::Rms,
                            8 => Normalization::Unit,
                            _ => Normalization::Layer { groups },
                        },
                        gain: bytes.f32s(outputs)?,
                        bias: bytes.f32s(outputs)?,
                        epsilon,
                    }
                }
                6 => Layer::Pointwise {
                    activation: activation(l.activation, &mut bytes)?,
                    width: outputs,
                },
                10 => {
                    let units = bytes.f32s(3 * outputs)?;
                    let every = |from: usize| units.iter().skip(from).step_by(3).copied().collect();
                    Layer::Dice {
                        gain: every(0),
                        bias: every(1),
                        alpha: every(2),
                    }
                }
                11 => {
                    let numbers = bytes.f32s(2)?;
                    Layer::RowDice {
                        width: outputs,
                        epsilon: numbers[0],
                        alpha: numbers[1],
                    }
                }
                5 => Layer::Constant {
                    weights: bytes.f32s(outputs)?,
                },
                _ => return Err(ReadError::Format("unknown kind of layer")),
            });
        }
        let (start, mut inputs) = (n.start as usize, n.inputs as usize);
        if let (Some(numbers), Some(Layer::Dense(d))) = (hot, own.first()) {
            inputs = d.inputs;
            let columns = (d.inputs.checked_sub(numbers))
                .ok_or(ReadError::Format("fewer columns than numbers"))?;
            hot_columns = Some((start + numbers, columns.max(hot_columns.map_or(0, |h| h.1))));
        }
        nodes.push(crate::graph::Node {
            op: operation(n)?,
            src: n.src as usize,
            start,
            inputs,
            outputs: n.outputs as usize,
            layers: own,
        });
    }
    let tasks = header
        .tasks
        .iter()
        .zip(&header.task_names)
        .map(|(t, name)| {
            let value = t.a as usize;
            let output = match t.output {
                0 => Output::Linear { value },
                1 => Output::Sigmoid { value },
                2 => Output::Softmax { value },
                3 => Output::Product {
                    a: value,
                    b: t.b as usize,
                },
                _ => return Err(ReadError::Format("unknown output")),
            };
            Ok(Task {
                name: name.clone(),
                output,
            })
        })
        .collect::<Result<_, _>>()?;
    let inputs = match &front {
        Some(front) => front.inputs(),
        None => {
            let inputs = header.inputs.iter().map(|i| i.count as usize);
            let inputs = inputs.flat_map(|count| match hot_columns {
                None => vec![Input::new("x", count)],
                Some((numbers, columns)) => {
                    let mut codes = Input::new("codes", columns);
                    codes.codes = Some(count.saturating_sub(numbers));
                    vec![Input::new("x", numbers), codes]
                }
            });
            inputs.collect()
        }
    };
    Ok(Graph {
        name: String::new(),
        version: 0,
        inputs,
        front,
        feature_names: header.feature_names.clone(),
        nodes,
        tasks,
    })
}

/// Reads an activation function and the numbers that it stores.
fn activation(code: u8, bytes: &mut Bytes<'_>) -> Result<Activation, ReadError> {
    let numbers = match code {
        2 => bytes.f32s(1)?,
        5..=15 => bytes.f32s(3)?,
        _ => Vec::new(),
    };
    Ok(match (code, numbers.as_slice()) {
        (0, []) => Activation::Linear,
        (1, []) => Activation::Relu,
        (2, &[slope]) => Activation::LeakyRelu { slope },
        (3, []) => Activation::Sigmoid,
        (4, []) => Activation::Tanh,
        (5, _) => Activation::Gelu,
        (6, _) => Activation::GeluTanh,
        (7, &[rate, ..]) => Activation::Silu { rate },
        (8, &[depth, rate, slope]) => Activation::Elu { depth, rate, slope },
        (9, &[rate, ..]) => Activation::Softplus { rate },
        (10, _) => Activation::Mish,
        (11, _) => Activation::Softsign,
        (12, _) => Activation::HardSwish,
        (13, &[low, high, _]) => Activation::Clip { low, high },
        (14, _) => Activation::Exp,
        (15, _) => Activation::Square,
        _ => return Err(ReadError::Format("unknown activation")),
    })
}

fn operation(n: &Node) -> Result<Op, ReadError> {
    let k = n.k as usize;
    let kind = match n.op {
        0 => return Ok(Op::Expert),
        1 => return Ok(Op::Tower),
        16 => GateKind::Softmax,
        17 => GateKind::Sigmoid,
        18 => GateKind::Hard,
        19 => GateKind::TopK {
            k,
            renormalise: true,
        },
        20 => GateKind::TopK {
            k,
            renormalise: false,
        },
        21 => GateKind::Constant,
        22 => GateKind::DSelectK { k },
        23 => GateKind::Linear,
        _ => return Err(ReadError::Format("unknown operation")),
    };
    Ok(Op::Gate {
        kind,
        sees: seen(n)?,
        temperature: 1.0,
    })
}

/// The values that a gate mixes.
fn seen(n: &Node) -> Result<Vec<usize>, ReadError> {
    let steps: Vec<usize> = match n.form {
        0 => (0..32).filter(|b| n.sees >> b & 1 != 0).collect(),
        1 => {
            let [start, count, gap, more] = n.sees.to_le_bytes().map(usize::from);
            let second = start + count + gap;
            (start..start + count)
                .chain(second..second + more)
                .collect()
        }
        _ => return Err(ReadError::Format("unknown form of the experts seen")),
    };
    Ok(steps.into_iter().map(|s| n.first as usize + s).collect())
}
