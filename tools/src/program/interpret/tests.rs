//! Single operations against ONNX' reference evaluator and NumPy: see
//! `tools/tests/graph_export/operations.py`.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;

use super::super::{Node, Op, Reduction, Texts, Unary};
use super::tensor::Tensor;
use super::{STEPS, Work, operation};
use crate::program::Binary;

/// Some of the reference's functions go through f32.
const TOLERANCE: f64 = 1e-6;

fn tensors(list: &Value) -> Vec<Tensor> {
    let tensor = |t: &Value| {
        let shape = t["shape"].as_array().unwrap().iter();
        let shape: Vec<usize> = shape.map(|s| s.as_u64().unwrap() as usize).collect();
        let data = t["data"].as_array().unwrap().iter();
        Tensor::new(&shape, data.map(|v| v.as_f64().unwrap()).collect()).unwrap()
    };
    list.as_array().unwrap().iter().map(tensor).collect()
}

fn compute(op: Op, inputs: Vec<Tensor>, outputs: usize) -> Result<Vec<Tensor>, String> {
    let node = Node {
        op,
        kind: "Kind".into(),
        name: "name".into(),
        inputs: (0..inputs.len()).map(Some).collect(),
        outputs: (0..outputs).collect(),
    };
    let read: Vec<_> = inputs.into_iter().map(|t| Some(Rc::new(t))).collect();
    let work = Work {
        left: Cell::new(STEPS),
        texts: &Texts::default(),
    };
    operation(&work, &node, &read)
}

/// The operation that a case of the file tests.
fn operation_of(name: &str) -> Op {
    let reduce = |by| Op::Reduce {
        by,
        axes: None,
        keep: false,
    };
    match name {
        "Relu" => Op::Unary(Unary::Relu),
        "Sigmoid" => Op::Unary(Unary::Sigmoid),
        "Tanh" => Op::Unary(Unary::Tanh),
        "Softplus" => Op::Unary(Unary::Softplus),
        "Softsign" => Op::Unary(Unary::Softsign),
        "Mish" => Op::Unary(Unary::Mish),
        "HardSwish" => Op::Unary(Unary::Hardswish),
        "Erf" => Op::Unary(Unary::Erf),
        "Exp" => Op::Unary(Unary::Exp),
        "Abs" => Op::Unary(Unary::Abs),
        "Sign" => Op::Unary(Unary::Sign),
        "Floor" => Op::Unary(Unary::Floor),
        "Gelu" => Op::Unary(Unary::Gelu),
        "GeluTanh" => Op::Unary(Unary::GeluTanh),
        "LeakyRelu" => Op::Unary(Unary::LeakyRelu(0.25)),
        "Elu" => Op::Unary(Unary::Elu(0.5)),
        "Selu" => Op::Unary(Unary::Selu {
            alpha: 1.5,
            scale: 1.25,
        }),
        "HardSigmoid" => Op::Unary(Unary::HardSigmoid {
            alpha: 0.25,
            beta: 0.5,
        }),
        "Clip" => Op::Unary(Unary::Clip {
            min: -0.5,
            max: 1.25,
        }),
        "Add" => Op::Binary(Binary::Add),
        "Sub" => Op::Binary(Binary::Sub),
        "Mul" => Op::Binary(Binary::Mul),
        "Div" => Op::Binary(Binary::Div),
        "Max" => Op::Binary(Binary::Max),
        "Min" => Op::Binary(Binary::Min),
        "PRelu" => Op::Binary(Binary::PRelu),
        "Less" => Op::Binary(Binary::Less),
        "Where" => Op::Where,
        "MatMul turned" => Op::MatMul {
            transpose_a: true,
            transpose_b: true,
        },
        _ if name.starts_with("MatMul") => Op::MatMul {
            transpose_a: false,
            transpose_b: false,
        },
        "Einsum" => Op::Einsum("bei,eoi->boe".into()),
        "Einsum with dots" => Op::Einsum("...i,io->o...".into()),
        "Conv" => Op::Pointwise { groups: 2 },
        "Softmax" | "Softmax of old" => Op::Softmax {
            axis: 1,
            flatten: name == "Softmax of old",
        },
        "ReduceSum" => reduce(Reduction::Sum),
        "ReduceMean" => reduce(Reduction::Mean),
        "ReduceMax" => reduce(Reduction::Max),
        "ReduceMin" => reduce(Reduction::Min),
        "ReduceProd" => reduce(Reduction::Product),
        "ReduceL2" => reduce(Reduction::L2),
        "ReduceSumSquare" => reduce(Reduction::SumOfSquares),
        "LayerNorm" => Op::LayerNorm {
            axis: 1,
            epsilon: 0.01,
            rms: false,
        },
        "GroupNorm" => Op::GroupNorm {
            groups: Some(2),
            epsilon: 0.01,
        },
        "BatchNorm" => Op::BatchNorm {
            epsilon: 0.01,
            axis: 1,
        },
        "GlobalAveragePool" => Op::PlaceMean,
        "Reshape" => Op::Reshape { zero: false },
        "Flatten" => Op::Flatten { axis: 2 },
        "Squeeze" => Op::Squeeze { axes: None },
        "Unsqueeze" => Op::Unsqueeze { axes: None },
        "Transpose" => Op::Transpose {
            order: Some(vec![2, 0, 1]),
        },
        "Concat" => Op::Concat { axis: 1 },
        "Stack" => Op::Stack { axis: 1 },
        "Split" => Op::Split {
            axis: 1,
            sizes: None,
        },
        "Slice" => Op::Slice,
        // x[:, 2, newaxis, ::-2]
        "StridedSlice" => Op::StridedSlice {
            begin: 0b1001,
            end: 0b1001,
            shrink: 0b0010,
            new_axis: 0b0100,
        },
        "SliceSize" => Op::SliceSize,
        "Gather" => Op::Gather { axis: 1 },
        "Expand" => Op::Expand,
        "Tile" => Op::Tile,
        "Shape" => Op::Shape { start: 1, end: -1 },
        "Range" => Op::Range,
        "TopK" => Op::TopK { axis: 1 },
        "TopK of the first axis" => Op::TopK { axis: 0 },
        "ArgMax" => Op::ArgMax {
            axis: 1,
            keep: false,
        },
        "OneHot" => Op::OneHot {
            axis: 1,
            wraps: true,
        },
        "ScatterElements" => Op::Scatter { axis: 1 },
        other => panic!("no operation for the case `{other}`"),
    }
}

#[test]
fn operations_give_what_their_references_gave() {
    let text = include_str!("../../../tests/graph_export/operations.json");
    let cases: Value = serde_json::from_str(text).unwrap();
    let cases = cases.as_object().unwrap();
    assert!(cases.len() >= 60, "{}", cases.len());
    for (name, case) in cases {
        let mut inputs = tensors(&case["inputs"]);
        let wanted = tensors(&case["outputs"]);
        if name == "Clip" {
            // Its bounds are attributes of a program.
            inputs.truncate(1);
        }
        let made = compute(operation_of(name), inputs, wanted.len())
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(made.len(), wanted.len(), "{name}");
        for (made, wanted) in made.iter().zip(&wanted) {
            assert_eq!(made.shape, wanted.shape, "{name}");
            for (made, wanted) in made.data.iter().zip(&wanted.data) {
                let off = (made - wanted).abs() / wanted.abs().max(1.0);
                assert!(off <= TOLERANCE, "{name}: {made} instead of {wanted}");
            }
        }
    }
}

/// What cannot be computed is refused, and never answered with something like it.
#[test]
fn what_does_not_fit_is_refused() {
    let x = || Tensor::new(&[2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    let list = |v: &[f64]| Tensor::new(&[v.len()], v.to_vec()).unwrap();
    let reshape = Op::Reshape { zero: false };
    let gather = Op::Gather { axis: 1 };
    let split = |sizes: &[i64]| Op::Split {
        axis: 1,
        sizes: Some(sizes.to_vec()),
    };
    for (op, inputs, why) in [
        (Op::Other, vec![x()], "does not know"),
        (
            Op::Binary(Binary::Add),
            vec![x(), list(&[1.0, 2.0])],
            "combines",
        ),
        (
            reshape.clone(),
            vec![x(), list(&[4.0, 2.0])],
            "makes [4, 2] of",
        ),
        (reshape, vec![x(), list(&[1.5])], "takes 1.5 for an index"),
        (
            gather.clone(),
            vec![x(), list(&[3.0])],
            "index 3 of an axis of 3",
        ),
        (
            gather,
            vec![x(), list(&[f64::NAN])],
            "takes NaN for an index",
        ),
        (split(&[2, 2]), vec![x()], "splits an axis of 3"),
        (split(&[1, 1]), vec![x()], "splits an axis of 3"),
        (
            Op::Expand,
            vec![x(), list(&[1e9, 1e9, 2.0, 3.0])],
            "too large",
        ),
        (Op::Where, vec![x(), x()], "lacks its input 2"),
        (
            Op::Einsum("ij,jk->ik".into()),
            vec![x(), x()],
            "does not compute",
        ),
        (
            Op::Transpose {
                order: Some(vec![0, 0]),
            },
            vec![x()],
            "names axis 0 twice",
        ),
    ] {
        let made = compute(op.clone(), inputs, 2);
        assert!(
            made.as_ref().is_err_and(|e| e.contains(why)),
            "{op:?}: {made:?}"
        );
    }
}
