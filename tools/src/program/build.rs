//! Putting a program together: what the readers of graphs share.

use std::collections::HashMap;

use super::{Array, Node, Op, Port, Program};

/// A program under construction, whose values the file calls by names.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    program: Program,
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
            names: HashMap::new(),
        }
    }

    /// A value without a name.
    pub(crate) fn fresh(&mut self) -> usize {
        self.program.constants.push(None);
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

    pub(crate) fn input(&mut self, name: &str, value: usize, shape: Vec<Option<usize>>) {
        self.program.inputs.push(Port {
            name: name.to_owned(),
            value,
            shape,
        });
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
