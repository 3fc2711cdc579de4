//! From formulas to vectors: layers, mixtures, features.
//!
//! A vector is a list of formulas that are read together. [`Vectors::of`] says what each is made
//! of: one step from another vector, or a mixture, or features. It goes from the outputs back to
//! the features, so what no output depends on is never met.

use std::collections::HashMap;
use std::rc::Rc;

use super::entry::Entry;
use super::formula::{Formula, Id};
use super::symbol::Symbols;
use super::{Program, Refusal, Unary};
use crate::plan::GateKindPlan;

/// More steps than any model for small devices has one behind the other, and more levels.
pub(super) const LONGEST: usize = 512;
const DEEPEST: usize = 16;

/// What one vector is made of another by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Dense(Dense),
    /// Per unit a factor and an addend.
    Scale(Vec<f64>, Vec<f64>),
    /// Without a factor and an addend.
    Norm {
        rms: bool,
        epsilon: f64,
    },
    Activation(Unary),
    /// Slopes per unit.
    PRelu(Vec<f64>),
}

/// A matrix and what is added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dense {
    /// The node that made it.
    pub(super) name: String,
    pub(super) inputs: usize,
    /// `[outputs][inputs]`.
    pub(super) weight: Vec<f64>,
    pub(super) bias: Vec<f64>,
}

impl Dense {
    /// Reads further values as well, with weights of 0.
    pub(super) fn widen(&mut self, inputs: usize) {
        let padded = self.weight.chunks_exact(self.inputs).flat_map(|row| {
            let zeros = inputs.saturating_sub(row.len());
            row.iter().copied().chain(std::iter::repeat_n(0.0, zeros))
        });
        self.weight = padded.collect();
        self.inputs = self.inputs.max(inputs);
    }

    fn is_identity(&self) -> bool {
        let one = |(at, w): (usize, &f64)| {
            *w == f64::from(u8::from(at / self.inputs == at % self.inputs))
        };
        self.inputs == self.bias.len()
            && self.bias.iter().all(|b| *b == 0.0)
            && self.weight.iter().enumerate().all(one)
    }
}

/// What a vector is.
#[derive(Debug, Clone)]
pub(super) enum Vector {
    /// These features.
    Features(Vec<usize>),
    /// A step from another vector.
    Made(Rc<Step>, usize),
    /// Experts that a gate weighs.
    Mixture {
        kind: GateKindPlan,
        /// Vectors: the logits, and the experts in their order.
        logits: usize,
        experts: Vec<usize>,
    },
    /// Vectors that are added up.
    Sum(Vec<usize>),
}

/// All vectors that the outputs are made of.
pub(super) struct Vectors<'p> {
    pub(super) program: &'p Program,
    pub(super) entry: &'p Entry,
    pub(super) symbols: &'p mut Symbols,
    pub(super) all: Vec<Vector>,
    known: HashMap<Vec<Id>, usize>,
    /// What was tried and made of nothing.
    failed: HashMap<Vec<Id>, Refusal>,
    /// Parts that do not lie side by side all the way down are not one vector.
    whole: bool,
    /// What is looked for is a gate's logits, which may be an attention's: products.
    pub(super) logits: bool,
    /// By vector: its formulas.
    pub(super) ids: Vec<Vec<Id>>,
}

impl<'p> Vectors<'p> {
    pub(super) fn new(program: &'p Program, entry: &'p Entry, symbols: &'p mut Symbols) -> Self {
        Self {
            program,
            entry,
            symbols,
            all: Vec::new(),
            known: HashMap::new(),
            failed: HashMap::new(),
            whole: false,
            logits: false,
            ids: Vec::new(),
        }
    }

    /// A refusal of the node that made a formula.
    pub(super) fn refuse(&self, id: Id, why: impl Into<String>) -> Refusal {
        let node = match self.symbols.formula(id) {
            Formula::Feature(at) => format!("feature {at} of the input"),
            _ => self.node_name(id),
        };
        let shape = self.symbols.shapes.get(&self.symbols.origin(id)).cloned();
        Refusal {
            node,
            shape,
            why: why.into(),
        }
    }

    pub(super) fn node_name(&self, id: Id) -> String {
        let node = self.program.nodes.get(self.symbols.origin(id));
        node.map_or_else(|| "the input".into(), ToString::to_string)
    }

    /// The vector of these formulas, and all that it is made of.
    pub(super) fn of(&mut self, ids: Vec<Id>, depth: usize) -> Result<usize, Refusal> {
        let mut chain: Vec<(Vec<Id>, Rc<Step>)> = Vec::new();
        let mut at = ids;
        let mut found = loop {
            if let Some(known) = self.known.get(&at) {
                break *known;
            }
            if chain.len() > LONGEST || depth > DEEPEST {
                return Err(self.refuse(at[0], "stands in too long a chain of layers"));
            }
            if let Some(features) = self.features(&at) {
                break self.add(at, Vector::Features(features));
            }
            // A mixture that is scaled is a mixture of scaled experts as well, and not the one that
            // others read.
            if let Some((step, from)) = self.scale(&at)
                && from.iter().all(|id| {
                    matches!(self.symbols.formula(*id), Formula::Sum(terms, _) if terms.len() > 1)
                })
            {
                chain.push((at, Rc::new(step)));
                at = from;
                continue;
            }
            if let Some((kind, logits, experts)) = self.mixture(&at)? {
                let before = std::mem::replace(&mut self.logits, true);
                let logits = self.of(logits, depth + 1);
                self.logits = before;
                let logits = logits?;
                let experts = experts.into_iter().map(|e| self.of(e, depth + 1));
                let experts = experts.collect::<Result<_, _>>()?;
                break self.add(
                    at,
                    Vector::Mixture {
                        kind,
                        logits,
                        experts,
                    },
                );
            }
            let (step, from) = self.step(&at)?;
            if let Step::Dense(dense) = &step {
                let groups = self.groups(&from);
                if groups.len() > 1 {
                    break self.joined(at, dense, &from, &groups, depth)?;
                }
            }
            chain.push((at, Rc::new(step)));
            at = from;
        };
        for (ids, step) in chain.into_iter().rev() {
            found = self.add(ids, Vector::Made(step, found));
        }
        Ok(found)
    }

    /// The formulas that one node made each, in the order of its elements.
    fn groups(&self, ids: &[Id]) -> Vec<Vec<Id>> {
        let mut by_node: Vec<(Option<usize>, Vec<Id>)> = Vec::new();
        for id in ids {
            let node = match self.entry.place(*id) {
                Some(_) => None,
                None => Some(self.symbols.origin(*id)),
            };
            match by_node.iter_mut().find(|(n, _)| *n == node) {
                Some((_, group)) => group.push(*id),
                None => by_node.push((node, vec![*id])),
            }
        }
        by_node
            .into_iter()
            .map(|(_, mut group)| {
                group.sort_unstable();
                group
            })
            .collect()
    }

    /// A layer that reads what several nodes made: one vector after all, whose parts lie side by
    /// side, or a sum of layers that read one each, as where a layer adds what it reads.
    fn joined(
        &mut self,
        ids: Vec<Id>,
        dense: &Dense,
        from: &[Id],
        groups: &[Vec<Id>],
        depth: usize,
    ) -> Result<usize, Refusal> {
        let mark = self.all.len();
        let before = std::mem::replace(&mut self.whole, true);
        let whole = match self.failed.get(from) {
            Some(why) => Err(why.clone()),
            None => self.of(from.to_vec(), depth + 1),
        };
        self.whole = before;
        let why = match whole {
            Ok(whole) => {
                let step = Rc::new(Step::Dense(dense.clone()));
                return Ok(self.add(ids, Vector::Made(step, whole)));
            }
            Err(why) => why,
        };
        self.forget(mark);
        self.failed.insert(from.to_vec(), why.clone());
        if self.whole {
            return Err(why);
        }
        let mut parts = Vec::with_capacity(groups.len());
        for (at, group) in groups.iter().enumerate() {
            // Why the whole is no vector says more than why a part of it is none.
            let made = self.of(group.clone(), depth + 1);
            let Ok(read) = made else {
                self.forget(mark);
                return Err(why);
            };
            let columns: Vec<Option<usize>> = group
                .iter()
                .map(|id| from.iter().position(|f| f == id))
                .collect();
            let row = |row: &[f64]| -> Vec<f64> {
                columns.iter().map(|c| c.map_or(0.0, |c| row[c])).collect()
            };
            let bias = if at == 0 {
                dense.bias.clone()
            } else {
                vec![0.0; ids.len()]
            };
            let part = Dense {
                name: dense.name.clone(),
                inputs: group.len(),
                weight: dense
                    .weight
                    .chunks_exact(dense.inputs)
                    .flat_map(row)
                    .collect(),
                bias,
            };
            parts.push(if part.is_identity() {
                read
            } else {
                self.all
                    .push(Vector::Made(Rc::new(Step::Dense(part)), read));
                self.ids.push(ids.clone());
                self.all.len() - 1
            });
        }
        Ok(self.add(ids, Vector::Sum(parts)))
    }

    /// Takes back the vectors from one on.
    fn forget(&mut self, mark: usize) {
        self.all.truncate(mark);
        self.ids.truncate(mark);
        self.known.retain(|_, at| *at < mark);
    }

    fn add(&mut self, ids: Vec<Id>, vector: Vector) -> usize {
        let at = self.all.len();
        self.all.push(vector);
        self.ids.push(ids.clone());
        self.known.insert(ids, at);
        at
    }

    fn features(&self, ids: &[Id]) -> Option<Vec<usize>> {
        let place = |id: &Id| self.entry.place(*id);
        ids.iter().map(place).collect()
    }
}
