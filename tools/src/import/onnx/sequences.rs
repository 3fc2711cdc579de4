//! Sequences of arrays, which PyTorch's exporter writes for `split` and its kin.
//!
//! A program has no sequences: each element is a slice of the array that was split, or one of those
//! that a sequence was made of, and what reads an element reads that.

use std::collections::HashMap;

use super::messages::Node;
use super::operators::Attributes;
use crate::program::build::{Builder, Label};
use crate::program::{Array, Op};

/// How the elements are made.
#[derive(Debug, Clone)]
enum Sequence {
    /// Parts of a value.
    Split {
        value: usize,
        axis: i64,
        /// Whether the axis stays where the parts are of size 1.
        keep: bool,
        sizes: Sizes,
    },
    /// These values.
    List(Vec<usize>),
}

#[derive(Debug, Clone)]
enum Sizes {
    /// All of this size.
    Each(i64),
    Of(Vec<i64>),
}

/// By name: the sequences of a graph.
#[derive(Debug, Default)]
pub(super) struct Sequences(HashMap<String, Sequence>);

impl Sequences {
    /// Adds what a node does if it is one about sequences; `false` if it is none, or one that is not
    /// known.
    pub(super) fn translate(&mut self, b: &mut Builder, node: &Node) -> bool {
        self.known(b, node).is_some()
    }

    fn known(&mut self, b: &mut Builder, node: &Node) -> Option<()> {
        let attributes = Attributes(node);
        let output = node.outputs.first()?;
        match node.kind.as_str() {
            "SplitToSequence" => {
                let sizes = match node.inputs.get(1).filter(|i| !i.is_empty()) {
                    None => Sizes::Each(1),
                    Some(name) => {
                        let value = b.value(name);
                        let sizes = whole(b.known(value)?);
                        match b.known(value)?.shape.len() {
                            0 => Sizes::Each(*sizes.first()?),
                            _ => Sizes::Of(sizes),
                        }
                    }
                };
                let keep = attributes.int("keepdims", 1) != 0 || node.inputs.len() > 1;
                let split = Sequence::Split {
                    value: b.value(node.inputs.first()?),
                    axis: attributes.int("axis", 0),
                    keep,
                    sizes,
                };
                self.0.insert(output.clone(), split);
            }
            "SequenceConstruct" => {
                let values = node.inputs.iter().map(|i| b.value(i)).collect();
                self.0.insert(output.clone(), Sequence::List(values));
            }
            "SequenceAt" => {
                let sequence = self.0.get(node.inputs.first()?)?.clone();
                let at = b.value(node.inputs.get(1)?);
                let at = *whole(b.known(at)?).first()?;
                let element = element(b, node, &sequence, at)?;
                let output = b.value(output);
                b.node(Op::Identity, label(node), &[Some(element)], vec![output]);
            }
            "ConcatFromSequence" => {
                let Sequence::List(values) = self.0.get(node.inputs.first()?)? else {
                    return None;
                };
                let axis = attributes.int("axis", 0);
                let op = match attributes.int("new_axis", 0) {
                    0 => Op::Concat { axis },
                    _ => Op::Stack { axis },
                };
                let inputs: Vec<Option<usize>> = values.iter().copied().map(Some).collect();
                let output = b.value(output);
                b.node(op, label(node), &inputs, vec![output]);
            }
            _ => return None,
        }
        Some(())
    }
}

fn label(node: &Node) -> Label<'_> {
    Label {
        kind: &node.kind,
        name: &node.name,
    }
}

fn whole(array: &Array<f64>) -> Vec<i64> {
    array.data.iter().map(|v| *v as i64).collect()
}

fn element(b: &mut Builder, node: &Node, sequence: &Sequence, at: i64) -> Option<usize> {
    let (value, axis, keep, sizes) = match sequence {
        Sequence::List(values) => {
            let at = if at < 0 {
                at.checked_add(values.len() as i64)?
            } else {
                at
            };
            return values.get(usize::try_from(at).ok()?).copied();
        }
        Sequence::Split {
            value,
            axis,
            keep,
            sizes,
        } => (*value, *axis, *keep, sizes),
    };
    let (start, end) = match sizes {
        // Counted from the last, the pieces depend on how many there are.
        Sizes::Each(_) if at < 0 => return None,
        Sizes::Each(size) => {
            let start = at.checked_mul(*size)?;
            (start, start.checked_add(*size)?)
        }
        Sizes::Of(sizes) => {
            let at = if at < 0 {
                at.checked_add(sizes.len() as i64)?
            } else {
                at
            };
            let at = usize::try_from(at).ok()?;
            let start = sizes
                .get(..at)?
                .iter()
                .try_fold(0i64, |s, n| s.checked_add(*n))?;
            (start, start.checked_add(*sizes.get(at)?)?)
        }
    };
    let list = |b: &mut Builder, v: i64| b.constant(Array::vector(vec![v as f64]));
    let reads = [value, list(b, start), list(b, end), list(b, axis)];
    let part = b.step(Op::Slice, label(node), &reads);
    let axes = Some(vec![axis]);
    Some(if keep {
        part
    } else {
        b.step(Op::Squeeze { axes }, label(node), &[part])
    })
}
