//! Putting a program together: what the readers of graphs share.

use std::collections::HashMap;

use super::{Array, Binary, Given, Node, Op, Port, Program, Reduction, Unary};

/// A program under construction, whose values the file calls by names.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    program: Program,
    /// By value: what its elements are, as far as operations on them depend on it.
    kinds: Vec<Given>,
    names: HashMap<String, usize>,
}

/// How a node is called: the file's word for what it does, and its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

impl Builder {
    pub(crate) fn new(format: &'static str) -> Self {
        let program = Program {
            format,
            ..Program::default()
        };
        Self {
            program,
            ..Self::default()
        }
    }

    /// A value without a name.
    pub(crate) fn fresh(&mut self) -> usize {
        self.program.constants.push(None);
        self.kinds.push(Given::Numbers);
        self.program.constants.len() - 1
    }

    /// The value of this name.
    pub(crate) fn value(&mut self, name: &str) -> usize {
        if let Some(value) = self.names.get(name) {
            return *value;
        }
        let value = self.fresh();
        self.names.insert(name.to_owned(), value);
        value
    }

    /// A value that is known beforehand.
    pub(crate) fn constant(&mut self, array: Array<f64>) -> usize {
        let value = self.fresh();
        self.program.constants[value] = Some(array);
        value
    }

    /// Says what a value is.
    pub(crate) fn know(&mut self, value: usize, array: Array<f64>) {
        self.program.constants[value] = Some(array);
    }

    /// Says what a named value is.
    pub(crate) fn define(&mut self, name: &str, array: Array<f64>) {
        let value = self.value(name);
        self.program.constants[value] = Some(array);
    }

    /// What is known of a value.
    pub(crate) fn known(&self, value: usize) -> Option<&Array<f64>> {
        self.program.constants[value].as_ref()
    }

    pub(crate) fn is_constant(&self, name: &str) -> bool {
        self.names
            .get(name)
            .is_some_and(|v| self.known(*v).is_some())
    }

    pub(crate) fn input(
        &mut self,
        name: &str,
        value: usize,
        shape: Vec<Option<usize>>,
        given: Given,
    ) {
        self.kinds[value] = given;
        self.program.inputs.push(Port {
            name: name.to_owned(),
            value,
            shape,
            given,
        });
    }

    /// What a value's elements are.
    pub(crate) fn kind(&self, value: usize) -> Given {
        self.kinds[value]
    }

    /// Says what a value's elements are, where the file does.
    pub(crate) fn set_kind(&mut self, value: usize, kind: Given) {
        self.kinds[value] = kind;
    }

    /// What the elements are that an operation makes.
    fn made(&self, op: &Op, inputs: &[Option<usize>]) -> Given {
        let of = |at: usize| {
            let value = inputs.get(at).copied().flatten();
            value.map_or(Given::Numbers, |v| self.kinds[v])
        };
        let all = || {
            inputs
                .iter()
                .flatten()
                .all(|v| self.kinds[*v] == Given::Wholes)
        };
        match op {
            Op::Shape { .. } | Op::Truncate | Op::ArgMax { .. } | Op::Hash(_) => Given::Wholes,
            Op::Unary(Unary::Not) => Given::Wholes,
            Op::Binary(Binary::Less | Binary::LessOrEqual | Binary::Equal | Binary::And) => {
                Given::Wholes
            }
            Op::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Max | Binary::Min)
            | Op::Range
                if all() =>
            {
                Given::Wholes
            }
            Op::Scale(factor) if factor.fract() == 0.0 && all() => Given::Wholes,
            Op::Find | Op::OneHot { .. } => of(2),
            Op::Where | Op::FillWith => of(1),
            Op::Identity
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Squeeze { .. }
            | Op::Unsqueeze { .. }
            | Op::Transpose { .. }
            | Op::Concat { .. }
            | Op::Stack { .. }
            | Op::Split { .. }
            | Op::Unstack { .. }
            | Op::Slice
            | Op::StridedSlice { .. }
            | Op::SliceSize
            | Op::Gather { .. }
            | Op::Expand
            | Op::Tile
            | Op::Scatter { .. } => of(0),
            Op::Reduce {
                by: Reduction::Sum | Reduction::Max | Reduction::Min | Reduction::Product,
                ..
            } => of(0),
            _ => Given::Numbers,
        }
    }

    /// The quotient of whole numbers is whole: without what follows the point.
    pub(crate) fn quotient(&mut self, label: Label<'_>, inputs: &[usize]) -> usize {
        let whole = inputs.iter().all(|v| self.kinds[*v] == Given::Wholes);
        let quotient = self.step(Op::Binary(Binary::Div), label, inputs);
        if whole {
            self.step(Op::Truncate, label, &[quotient])
        } else {
            quotient
        }
    }

    /// `floor(a / b)`, and what is left of `a` behind it.
    pub(crate) fn floored(&mut self, label: Label<'_>, inputs: [usize; 2]) -> [usize; 2] {
        let kind = self.made(&Op::Binary(Binary::Add), &inputs.map(Some));
        let quotient = self.step(Op::Binary(Binary::Div), label, &inputs);
        let floor = self.step(Op::Unary(Unary::Floor), label, &[quotient]);
        let product = self.step(Op::Binary(Binary::Mul), label, &[floor, inputs[1]]);
        let rest = self.step(Op::Binary(Binary::Sub), label, &[inputs[0], product]);
        for value in [floor, rest] {
            self.kinds[value] = kind;
        }
        [floor, rest]
    }

    /// What is not 0 is 1.
    pub(crate) fn truth(&mut self, label: Label<'_>, x: usize) -> usize {
        let not = self.step(Op::Unary(Unary::Not), label, &[x]);
        self.step(Op::Unary(Unary::Not), label, &[not])
    }

    /// How many of these bounds are not above each element.
    pub(crate) fn bucket(&mut self, label: Label<'_>, x: usize, bounds: Vec<f64>) -> usize {
        let wide = self.step(
            Op::Unsqueeze {
                axes: Some(vec![-1]),
            },
            label,
            &[x],
        );
        let bounds = self.constant(Array::vector(bounds));
        let passed = self.step(Op::Binary(Binary::LessOrEqual), label, &[bounds, wide]);
        let sum = Op::Reduce {
            by: Reduction::Sum,
            axes: Some(vec![-1]),
            keep: false,
        };
        self.step(sum, label, &[passed])
    }

    /// The number of a text.
    pub(crate) fn text(&mut self, text: &str) -> f64 {
        self.program.texts.number(text)
    }

    pub(crate) fn output(&mut self, name: &str, value: usize) {
        self.program.outputs.push((name.to_owned(), value));
    }

    /// An operation that makes these values.
    pub(crate) fn node(
        &mut self,
        op: Op,
        label: Label<'_>,
        inputs: &[Option<usize>],
        outputs: Vec<usize>,
    ) {
        let kind = self.made(&op, inputs);
        for (at, output) in outputs.iter().enumerate() {
            let places = at == 1 && matches!(op, Op::TopK { .. });
            self.kinds[*output] = if places { Given::Wholes } else { kind };
        }
        self.program.nodes.push(Node {
            op,
            kind: label.kind.to_owned(),
            name: label.name.to_owned(),
            inputs: inputs.to_vec(),
            outputs,
        });
    }

    /// An operation that makes one value, which is given back.
    pub(crate) fn step(&mut self, op: Op, label: Label<'_>, inputs: &[usize]) -> usize {
        let made = self.fresh();
        let inputs: Vec<Option<usize>> = inputs.iter().copied().map(Some).collect();
        self.node(op, label, &inputs, vec![made]);
        made
    }

    pub(crate) fn finish(self) -> Program {
        self.program
    }
}
