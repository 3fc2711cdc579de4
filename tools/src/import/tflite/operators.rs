//! What each TensorFlow Lite operator is in a program.

use std::collections::HashMap;

use super::flatbuffer::Table;
use super::tables::{self, Tables};
use super::{FORMAT, Reason, field};
use crate::program::build::{Builder, Label};
use crate::program::{Array, Binary, Op, Reduction, Unary};

/// The operators that are known, by their number in the schema.
const NAMES: &[(i32, &str)] = &[
    (0, "ADD"),
    (2, "CONCATENATION"),
    (3, "CONV_2D"),
    (6, "DEQUANTIZE"),
    (7, "EMBEDDING_LOOKUP"),
    (8, "FLOOR"),
    (9, "FULLY_CONNECTED"),
    (14, "LOGISTIC"),
    (18, "MUL"),
    (19, "RELU"),
    (20, "RELU_N1_TO_1"),
    (21, "RELU6"),
    (22, "RESHAPE"),
    (25, "SOFTMAX"),
    (28, "TANH"),
    (36, "GATHER"),
    (39, "TRANSPOSE"),
    (40, "MEAN"),
    (41, "SUB"),
    (42, "DIV"),
    (43, "SQUEEZE"),
    (45, "STRIDED_SLICE"),
    (47, "EXP"),
    (48, "TOPK_V2"),
    (49, "SPLIT"),
    (53, "CAST"),
    (54, "PRELU"),
    (55, "MAXIMUM"),
    (56, "ARG_MAX"),
    (57, "MINIMUM"),
    (58, "LESS"),
    (59, "NEG"),
    (61, "GREATER"),
    (62, "GREATER_EQUAL"),
    (63, "LESS_EQUAL"),
    (64, "SELECT"),
    (65, "SLICE"),
    (66, "SIN"),
    (69, "TILE"),
    (70, "EXPAND_DIMS"),
    (71, "EQUAL"),
    (72, "NOT_EQUAL"),
    (73, "LOG"),
    (74, "SUM"),
    (75, "SQRT"),
    (76, "RSQRT"),
    (77, "SHAPE"),
    (78, "POW"),
    (81, "REDUCE_PROD"),
    (82, "REDUCE_MAX"),
    (83, "PACK"),
    (84, "LOGICAL_OR"),
    (85, "ONE_HOT"),
    (86, "LOGICAL_AND"),
    (87, "LOGICAL_NOT"),
    (88, "UNPACK"),
    (89, "REDUCE_MIN"),
    (90, "FLOOR_DIV"),
    (92, "SQUARE"),
    (94, "FILL"),
    (95, "FLOOR_MOD"),
    (96, "RANGE"),
    (98, "LEAKY_RELU"),
    (99, "SQUARED_DIFFERENCE"),
    (101, "ABS"),
    (102, "SPLIT_V"),
    (106, "ADD_N"),
    (111, "ELU"),
    (114, "QUANTIZE"),
    (117, "HARD_SWISH"),
    (123, "SELECT_V2"),
    (126, "BATCH_MATMUL"),
    (129, "CALL_ONCE"),
    (130, "BROADCAST_TO"),
    (136, "HASHTABLE"),
    (137, "HASHTABLE_FIND"),
    (138, "HASHTABLE_IMPORT"),
    (139, "HASHTABLE_SIZE"),
    (147, "BUCKETIZE"),
    (150, "GELU"),
    (152, "RELU_0_TO_1"),
];

/// The options of an operator, by field.
#[derive(Clone, Copy)]
struct Options<'a>(Option<Table<'a>>);

impl Options<'_> {
    fn int(self, at: usize, default: i32) -> i64 {
        i64::from(self.0.and_then(|t| t.int(at)).unwrap_or(default))
    }

    fn flag(self, at: usize) -> bool {
        self.0.is_some_and(|t| t.flag(at))
    }

    fn float(self, at: usize, default: f32) -> f64 {
        f64::from(self.0.and_then(|t| t.float(at)).unwrap_or(default))
    }

    fn ints(self, at: usize) -> Vec<i64> {
        let list = self.0.map(|t| t.vector(at).ints().map(i64::from).collect());
        list.unwrap_or_default()
    }

    /// The activation that is part of the operator; `Err` if it is none that is known.
    fn fused(self, at: usize) -> Result<Option<Unary>, ()> {
        Ok(match self.0.and_then(|t| t.byte(at)).unwrap_or(0) {
            0 => None,
            1 => Some(Unary::Relu),
            2 => Some(Unary::Clip {
                min: -1.0,
                max: 1.0,
            }),
            3 => Some(Unary::Clip { min: 0.0, max: 6.0 }),
            4 => Some(Unary::Tanh),
            _ => return Err(()),
        })
    }
}

/// What operators are read with.
pub(super) struct File<'a> {
    pub(super) model: Table<'a>,
    /// By tensor.
    pub(super) names: &'a [String],
    pub(super) tables: &'a Tables,
}

/// Adds what an operator does; `handles`: by tensor, the table that it is a handle of.
pub(super) fn translate(
    b: &mut Builder,
    file: &File<'_>,
    operator: Table<'_>,
    handles: &mut HashMap<usize, i32>,
) -> Result<(), Reason> {
    let (model, names) = (file.model, file.names);
    let damaged = |what: &str| Reason::damaged(FORMAT, what);
    let index = operator.int(field::operator::CODE).unwrap_or(0);
    let codes = model.vector(field::model::CODES);
    let code = usize::try_from(index).ok().and_then(|i| codes.table(i));
    let code = code.ok_or_else(|| damaged("an operator has no code"))?;
    let number = tables::number(model, operator).unwrap_or(0);
    let custom = code.string(field::code::CUSTOM);
    let other = if custom.is_empty() {
        format!("operator {number}")
    } else {
        custom
    };
    let kind = NAMES
        .iter()
        .find(|(n, _)| *n == number)
        .map_or(other.as_str(), |(_, name)| name);
    let tensor = |at: i32| usize::try_from(at).ok().filter(|t| *t < names.len());
    let missing = || damaged("an operator makes or reads a tensor that it does not have");
    let mut inputs = Vec::new();
    for at in operator.vector(field::operator::INPUTS).ints() {
        inputs.push(if at == -1 {
            None
        } else {
            Some(tensor(at).ok_or_else(missing)?)
        });
    }
    let made = operator.vector(field::operator::OUTPUTS).ints().map(tensor);
    let outputs: Vec<usize> = made.collect::<Option<_>>().ok_or_else(missing)?;
    let name = outputs.first().map_or("", |o| names[*o].as_str());
    let label = Label { kind, name };
    let options = Options(operator.table(field::operator::OPTIONS));
    // Weights of another type are as known as they were before.
    if label.kind == "DEQUANTIZE"
        && let (&[Some(from)], &[to]) = (&inputs[..], &outputs[..])
        && let Some(array) = b.known(from).cloned()
    {
        b.know(to, array);
        return Ok(());
    }
    match (kind, &inputs[..], &outputs[..]) {
        // It runs the graph that fills tables, which were read before.
        ("CALL_ONCE", ..) => return Ok(()),
        ("HASHTABLE", _, &[made]) => {
            handles.insert(made, tables::handle(operator));
            return Ok(());
        }
        ("HASHTABLE_FIND", &[Some(table), Some(x), Some(default)], _) => {
            if let Some([keys, values]) = handles.get(&table).and_then(|t| file.tables.get(t)) {
                let reads = [x, *keys, *values, default].map(Some);
                b.node(Op::Find, label, &reads, outputs);
                return Ok(());
            }
        }
        _ => {}
    }
    let made = known(b, label, options, &inputs, outputs.len());
    match made {
        Some(Made::Value(value)) => b.node(Op::Identity, label, &[Some(value)], outputs),
        Some(Made::Op(op, inputs)) => b.node(op, label, &inputs, outputs),
        None => b.node(Op::Other, label, &inputs, outputs),
    }
    Ok(())
}

/// What an operator comes to.
enum Made {
    /// One operation, reading these values.
    Op(Op, Vec<Option<usize>>),
    /// Several, whose last made this value.
    Value(usize),
}

fn known(
    b: &mut Builder,
    label: Label<'_>,
    options: Options<'_>,
    inputs: &[Option<usize>],
    outputs: usize,
) -> Option<Made> {
    let as_is = |op| Some(Made::Op(op, inputs.to_vec()));
    let unary = |f| as_is(Op::Unary(f));
    let first = |op| Some(Made::Op(op, inputs[..inputs.len().min(1)].to_vec()));
    let reduce = |by| {
        as_is(Op::Reduce {
            by,
            axes: None,
            keep: options.flag(0),
        })
    };
    let x = || inputs.first().copied().flatten();
    let whole = |b: &Builder, at: usize| -> Option<Vec<i64>> {
        let array = b.known((*inputs.get(at)?)?)?;
        Some(array.data.iter().map(|v| *v as i64).collect())
    };
    match label.kind {
        "ADD" => arithmetic(b, label, Binary::Add, options, inputs),
        "SUB" => arithmetic(b, label, Binary::Sub, options, inputs),
        "MUL" => arithmetic(b, label, Binary::Mul, options, inputs),
        "DIV" => {
            let operands: Vec<usize> = inputs.iter().copied().collect::<Option<_>>()?;
            let y = b.quotient(label, &operands);
            activated(b, label, y, options.fused(0).ok()?)
        }
        "FLOOR_DIV" | "FLOOR_MOD" => {
            let operands = [x()?, inputs.get(1).copied().flatten()?];
            let [quotient, rest] = b.floored(label, operands);
            let is_quotient = label.kind == "FLOOR_DIV";
            Some(Made::Value(if is_quotient { quotient } else { rest }))
        }
        "BUCKETIZE" => {
            let bounds = options.0?.vector(0).floats().map(f64::from);
            Some(Made::Value(b.bucket(label, x()?, bounds.collect())))
        }
        "NOT_EQUAL" => {
            let operands: Vec<usize> = inputs.iter().copied().collect::<Option<_>>()?;
            let equal = b.step(Op::Binary(Binary::Equal), label, &operands);
            Some(Made::Op(Op::Unary(Unary::Not), vec![Some(equal)]))
        }
        "LOGICAL_OR" => {
            let operands: Vec<usize> = inputs.iter().copied().collect::<Option<_>>()?;
            let sum = b.step(Op::Binary(Binary::Add), label, &operands);
            Some(Made::Value(b.truth(label, sum)))
        }
        "ADD_N" => as_is(Op::Binary(Binary::Add)),
        "MAXIMUM" => as_is(Op::Binary(Binary::Max)),
        "MINIMUM" => as_is(Op::Binary(Binary::Min)),
        "POW" => as_is(Op::Binary(Binary::Pow)),
        "PRELU" => as_is(Op::Binary(Binary::PRelu)),
        "SQUARED_DIFFERENCE" => as_is(Op::Binary(Binary::SquaredDifference)),
        "EQUAL" => as_is(Op::Binary(Binary::Equal)),
        "LOGICAL_AND" => as_is(Op::Binary(Binary::And)),
        "LESS" => as_is(Op::Binary(Binary::Less)),
        "LESS_EQUAL" => as_is(Op::Binary(Binary::LessOrEqual)),
        "GREATER" | "GREATER_EQUAL" => {
            let f = if label.kind == "GREATER" {
                Binary::Less
            } else {
                Binary::LessOrEqual
            };
            Some(Made::Op(
                Op::Binary(f),
                inputs.iter().rev().copied().collect(),
            ))
        }
        "SELECT" | "SELECT_V2" => as_is(Op::Where),
        "FULLY_CONNECTED" => {
            let (x, weight) = (x()?, inputs.get(1).copied().flatten()?);
            let width = b.known(weight)?.shape.get(1).copied()?;
            let mut y = x;
            if !options.flag(2) {
                let shape = b.constant(Array::vector(vec![-1.0, width as f64]));
                y = b.step(Op::Reshape { zero: false }, label, &[x, shape]);
            }
            let product = Op::MatMul {
                transpose_a: false,
                transpose_b: true,
            };
            y = b.step(product, label, &[y, weight]);
            if let Some(bias) = inputs.get(2).copied().flatten() {
                y = b.step(Op::Binary(Binary::Add), label, &[y, bias]);
            }
            activated(b, label, y, options.fused(0).ok()?)
        }
        "CONV_2D" if options.int(1, 1) == 1 && options.int(2, 1) == 1 => {
            let axes = Some(vec![1, 2]);
            let kernel = inputs.get(1).copied().flatten()?;
            let kernel = b.step(Op::Squeeze { axes }, label, &[kernel]);
            let product = Op::MatMul {
                transpose_a: false,
                transpose_b: true,
            };
            let mut y = b.step(product, label, &[x()?, kernel]);
            if let Some(bias) = inputs.get(2).copied().flatten() {
                y = b.step(Op::Binary(Binary::Add), label, &[y, bias]);
            }
            activated(b, label, y, options.fused(3).ok()?)
        }
        "ARG_MAX" => {
            let axis = *whole(b, 1)?.first()?;
            first(Op::ArgMax { axis, keep: false })
        }
        "ONE_HOT" => {
            let of = |at: usize| inputs.get(at).copied().flatten();
            let pair = b.step(Op::Stack { axis: 0 }, label, &[of(3)?, of(2)?]);
            let axis = options.int(0, 0);
            Some(Made::Op(
                Op::OneHot { axis, wraps: false },
                vec![of(0), of(1), Some(pair)],
            ))
        }
        "BATCH_MATMUL" => as_is(Op::MatMul {
            transpose_a: options.flag(0),
            transpose_b: options.flag(1),
        }),
        "SOFTMAX" => {
            let beta = options.float(0, 1.0);
            let mut y = x()?;
            if beta != 1.0 {
                y = b.step(Op::Scale(beta), label, &[y]);
            }
            Some(Made::Op(
                Op::Softmax {
                    axis: -1,
                    flatten: false,
                },
                vec![Some(y)],
            ))
        }
        "LOGISTIC" => unary(Unary::Sigmoid),
        "TANH" => unary(Unary::Tanh),
        "RELU" => unary(Unary::Relu),
        "RELU6" => unary(Unary::Clip { min: 0.0, max: 6.0 }),
        "RELU_N1_TO_1" => unary(Unary::Clip {
            min: -1.0,
            max: 1.0,
        }),
        "RELU_0_TO_1" => unary(Unary::Clip { min: 0.0, max: 1.0 }),
        "LEAKY_RELU" => unary(Unary::LeakyRelu(options.float(0, 0.0))),
        "ELU" => unary(Unary::Elu(1.0)),
        "HARD_SWISH" => unary(Unary::Hardswish),
        "GELU" if options.flag(0) => unary(Unary::GeluTanh),
        "GELU" => unary(Unary::Gelu),
        "EXP" => unary(Unary::Exp),
        "LOG" => unary(Unary::Log),
        "ABS" => unary(Unary::Abs),
        "FLOOR" => unary(Unary::Floor),
        "LOGICAL_NOT" => unary(Unary::Not),
        "SQRT" => unary(Unary::Power(0.5)),
        "RSQRT" => unary(Unary::Power(-0.5)),
        "SQUARE" => unary(Unary::Power(2.0)),
        "NEG" => as_is(Op::Scale(-1.0)),
        "SUM" => reduce(Reduction::Sum),
        "MEAN" => reduce(Reduction::Mean),
        "REDUCE_MAX" => reduce(Reduction::Max),
        "REDUCE_MIN" => reduce(Reduction::Min),
        "REDUCE_PROD" => reduce(Reduction::Product),
        "CONCATENATION" => {
            let parts: Vec<usize> = inputs.iter().copied().collect::<Option<_>>()?;
            let y = b.step(
                Op::Concat {
                    axis: options.int(0, 0),
                },
                label,
                &parts,
            );
            activated(b, label, y, options.fused(1).ok()?)
        }
        "PACK" => as_is(Op::Stack {
            axis: options.int(1, 0),
        }),
        "UNPACK" => as_is(Op::Unstack {
            axis: options.int(1, 0),
        }),
        "RESHAPE" if inputs.get(1).copied().flatten().is_none() => {
            let shape = options.ints(0).iter().map(|s| *s as f64).collect();
            let shape = b.constant(Array::vector(shape));
            Some(Made::Op(Op::Reshape { zero: true }, vec![x(), Some(shape)]))
        }
        "RESHAPE" => as_is(Op::Reshape { zero: true }),
        "SQUEEZE" => as_is(Op::Squeeze {
            axes: Some(options.ints(0)),
        }),
        "EXPAND_DIMS" => as_is(Op::Unsqueeze { axes: None }),
        "TRANSPOSE" => as_is(Op::Transpose { order: None }),
        "STRIDED_SLICE" if options.int(2, 0) == 0 => as_is(Op::StridedSlice {
            begin: options.int(0, 0),
            end: options.int(1, 0),
            new_axis: options.int(3, 0),
            shrink: options.int(4, 0),
        }),
        "SLICE" => as_is(Op::SliceSize),
        "SPLIT" => {
            let axis = *whole(b, 0)?.first()?;
            let op = Op::Split { axis, sizes: None };
            Some(Made::Op(op, vec![*inputs.get(1)?]))
        }
        "SPLIT_V" => {
            let (sizes, axis) = (whole(b, 1)?, *whole(b, 2)?.first()?);
            (sizes.len() == outputs).then_some(())?;
            first(Op::Split {
                axis,
                sizes: Some(sizes),
            })
        }
        "EMBEDDING_LOOKUP" => Some(Made::Op(
            Op::Gather { axis: 0 },
            inputs.iter().rev().copied().collect(),
        )),
        "GATHER" if options.int(1, 0) == 0 => as_is(Op::Gather {
            axis: options.int(0, 0),
        }),
        "TILE" => as_is(Op::Tile),
        "BROADCAST_TO" => as_is(Op::Expand),
        "SHAPE" => as_is(Op::Shape {
            start: 0,
            end: i64::MAX,
        }),
        "FILL" => as_is(Op::FillWith),
        "RANGE" => as_is(Op::Range),
        "TOPK_V2" => as_is(Op::TopK { axis: -1 }),
        "QUANTIZE" | "DEQUANTIZE" => as_is(Op::Identity),
        "CAST" => match options.0.and_then(|t| t.byte(1)).unwrap_or(0) {
            2..=4 | 7 | 9 | 12 | 13 | 15 | 16 => as_is(Op::Truncate),
            6 => Some(Made::Value(b.truth(label, x()?))),
            _ => as_is(Op::Identity),
        },
        _ => None,
    }
}

fn arithmetic(
    b: &mut Builder,
    label: Label<'_>,
    f: Binary,
    options: Options<'_>,
    inputs: &[Option<usize>],
) -> Option<Made> {
    let operands: Vec<usize> = inputs.iter().copied().collect::<Option<_>>()?;
    let y = b.step(Op::Binary(f), label, &operands);
    activated(b, label, y, options.fused(0).ok()?)
}

fn activated(b: &mut Builder, label: Label<'_>, y: usize, f: Option<Unary>) -> Option<Made> {
    Some(Made::Value(match f {
        Some(f) => b.step(Op::Unary(f), label, &[y]),
        None => y,
    }))
}
