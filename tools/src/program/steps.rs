//! What the last step before a vector was: a layer, a norm, an activation.

use std::collections::HashMap;
use std::rc::Rc;

use super::formula::{Formula, Id, Value};
use super::vectors::{Dense, Step, Vectors};
use super::{Refusal, Unary};

impl Vectors<'_> {
    /// What the last step was, and what it reads.
    pub(super) fn step(&mut self, ids: &[Id]) -> Result<(Step, Vec<Id>), Refusal> {
        let found = self
            .activation(ids)
            .or_else(|| self.norm(ids))
            .or_else(|| self.scale(ids));
        match found.or_else(|| self.dense(ids)) {
            Some(found) => Ok(found),
            None => {
                let found = self.clipped(ids).or_else(|| self.squared(ids));
                found.ok_or_else(|| self.unknown(ids))
            }
        }
    }

    /// Clipped otherwise than by an activation: that is a hardtanh, scaled before and behind.
    fn clipped(&mut self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
        let bounds = |id: &Id| match *self.symbols.formula(*id) {
            Formula::Function(Unary::Clip { min, max }, a) => Some(((min, max), a)),
            _ => None,
        };
        let all: Vec<((f64, f64), Id)> = ids.iter().map(bounds).collect::<Option<_>>()?;
        let (min, max) = all[0].0;
        let (half, middle) = ((max - min) / 2.0, (max + min) / 2.0);
        if all.iter().any(|(b, _)| *b != (min, max)) || !half.is_finite() || half <= 0.0 {
            return None;
        }
        let unit = Unary::Clip {
            min: -1.0,
            max: 1.0,
        };
        let mut from = Vec::with_capacity(ids.len());
        for (_, argument) in all {
            let scaled = self.symbols.scaled(argument, 1.0 / half, -middle / half);
            match self.symbols.function(unit, scaled) {
                Value::Of(id) => from.push(id),
                Value::Known(_) => return None,
            }
        }
        let count = ids.len();
        Some((Step::Scale(vec![half; count], vec![middle; count]), from))
    }

    /// Products of a gate's logits, as an attention over two values makes them: a difference of
    /// squares, `((a + b)² − (a − b)²) / 4`.
    fn squared(&mut self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
        // Values of the input are no queries and keys: their product is something else.
        let of_input = |id: Id| {
            let (atom, ..) = self.symbols.affine(id);
            self.entry.place(atom).is_some()
        };
        let factors = |id: &Id| match *self.symbols.formula(*id) {
            Formula::Product(a, b) if !of_input(a) && !of_input(b) => {
                Some((Value::Of(a), Value::Of(b)))
            }
            _ => None,
        };
        let all: Vec<(Value, Value)> = ids
            .iter()
            .map(factors)
            .collect::<Option<_>>()
            .filter(|_| self.logits)?;
        /// A layer of more cells is no attention of two values.
        const MOST: usize = 1 << 11;
        let count = ids.len();
        if count > MOST {
            return None;
        }
        let mut from = Vec::with_capacity(2 * count);
        for sign in [1.0, -1.0] {
            for (a, b) in &all {
                let b = self.symbols.scale(*b, sign);
                let sum = self.symbols.add(*a, b);
                match self.symbols.power(sum, 2.0) {
                    Value::Of(id) => from.push(id),
                    Value::Known(_) => return None,
                }
            }
        }
        let mut weight = vec![0.0; count * 2 * count];
        for at in 0..count {
            weight[at * 2 * count + at] = 0.25;
            weight[at * 2 * count + count + at] = -0.25;
        }
        let dense = Dense {
            name: self.node_of(ids[0]),
            inputs: 2 * count,
            weight,
            bias: vec![0.0; count],
        };
        Some((Step::Dense(dense), from))
    }

    fn activation(&self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
        let function = |id: &Id| match *self.symbols.formula(*id) {
            Formula::Function(f, a) if is_activation(f) => Some((f, a)),
            _ => None,
        };
        let all: Vec<(Unary, Id)> = ids.iter().map(function).collect::<Option<_>>()?;
        let (first, from) = (all[0].0, all.iter().map(|(_, a)| *a).collect());
        if all.iter().all(|(f, _)| *f == first) {
            return Some((Step::Activation(first), from));
        }
        // Trained slopes, of which some may have become 0 or 1.
        let slope = |(f, _): &(Unary, Id)| match f {
            Unary::LeakyRelu(slope) => Some(*slope),
            _ => None,
        };
        Some((
            Step::PRelu(all.iter().map(slope).collect::<Option<_>>()?),
            from,
        ))
    }

    fn norm(&self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
        let Formula::Norm {
            group,
            rms,
            epsilon,
            ..
        } = self.symbols.formula(ids[0]).clone()
        else {
            return None;
        };
        let whole = group.len() == ids.len()
            && ids.iter().enumerate().all(|(at, id)| {
                let unit = Formula::Norm {
                    group: group.clone(),
                    index: at as u32,
                    rms,
                    epsilon,
                };
                *self.symbols.formula(*id) == unit
            });
        whole.then(|| (Step::Norm { rms, epsilon }, group.to_vec()))
    }

    /// A factor and an addend per unit.
    pub(super) fn scale(&self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
        let parts: Vec<(Id, f64, f64)> = ids.iter().map(|id| self.symbols.affine(*id)).collect();
        let mut atoms: Vec<Id> = parts.iter().map(|p| p.0).collect();
        let from = atoms.clone();
        atoms.sort_unstable();
        atoms.dedup();
        let changes = from != ids && atoms.len() == ids.len();
        // One unit of one other is as well a matrix of one cell, which may end a tower.
        let folds = ids.len() > 1
            || matches!(
                self.symbols.formula(from[0]),
                Formula::Sum(..) | Formula::Norm { .. }
            );
        (changes && folds).then(|| {
            let (gains, offsets) = parts.iter().map(|p| (p.1, p.2)).unzip();
            (Step::Scale(gains, offsets), from)
        })
    }

    pub(super) fn dense(&self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
        let sum = |id: &Id| match self.symbols.formula(*id) {
            Formula::Sum(terms, bias) => Some((self.unpooled(terms), *bias)),
            _ => None,
        };
        let rows = ids.iter().map(sum).collect::<Option<Vec<_>>>()?;
        let longest = rows.iter().max_by_key(|(terms, _)| terms.len())?;
        let mut columns: HashMap<Id, usize> = HashMap::new();
        let mut from = Vec::new();
        for (terms, _) in std::iter::once(longest).chain(&rows) {
            for (id, _) in terms.iter() {
                columns.entry(*id).or_insert_with(|| {
                    from.push(*id);
                    from.len() - 1
                });
            }
        }
        /// A matrix of more cells than this is no layer.
        const MOST: usize = 1 << 24;
        let cells = ids.len().checked_mul(from.len()).filter(|c| *c <= MOST)?;
        let mut weight = vec![0.0; cells];
        for (row, (terms, _)) in rows.iter().enumerate() {
            for (id, w) in terms.iter() {
                weight[row * from.len() + columns[id]] = *w;
            }
        }
        let dense = Dense {
            name: self.node_of(ids[0]),
            inputs: from.len(),
            weight,
            bias: rows.iter().map(|(_, bias)| *bias).collect(),
        };
        Some((Step::Dense(dense), from))
    }

    /// The terms of a sum, in which sums and means of parts of the input stand for themselves no
    /// more: a layer of their own would only add up what the next one may as well.
    fn unpooled(&self, terms: &Rc<[(Id, f64)]>) -> Rc<[(Id, f64)]> {
        let parts = |id: Id| match self.symbols.formula(id) {
            Formula::Sum(inner, 0.0) => {
                let of_input =
                    |(id, f): &(Id, f64)| *f == inner[0].1 && self.entry.place(*id).is_some();
                inner.iter().all(of_input).then(|| inner.clone())
            }
            _ => None,
        };
        if terms.iter().all(|(id, _)| parts(*id).is_none()) {
            return terms.clone();
        }
        let mut all: Vec<(Id, f64)> = Vec::new();
        for (id, factor) in terms.iter() {
            match parts(*id) {
                Some(inner) => all.extend(inner.iter().map(|(id, f)| (*id, f * factor))),
                None => all.push((*id, *factor)),
            }
        }
        super::symbol::merged(all).into()
    }

    /// The name of the node that made a formula.
    pub(super) fn node_of(&self, id: Id) -> String {
        let node = self.program.nodes.get(self.symbols.origin(id));
        node.map_or_else(|| "dense".into(), |n| n.name.clone())
    }

    /// Why no step makes these formulas.
    fn unknown(&self, ids: &[Id]) -> Refusal {
        let odd = ids.iter().find_map(|id| {
            let (atom, ..) = self.symbols.affine(*id);
            Some(match self.symbols.formula(atom) {
                Formula::Product(..) => (
                    atom,
                    "multiplies two values of the input: one factor may be a gate's weight, \
                            or both may be probabilities of tasks",
                ),
                Formula::Function(f, _) if !is_activation(*f) => (
                    atom,
                    "is no activation that layers have: relu, sigmoid, tanh, silu, gelu and \
                            their kin are",
                ),
                Formula::Pair(..) | Formula::Choice(..) => (
                    atom,
                    "decides by comparing values of the input: only activations and the \
                            choice of a top-k gate do",
                ),
                Formula::Softmax(..) | Formula::TopK { .. } => (
                    atom,
                    "is a softmax whose weights go into something other than a mixture: it \
                            may weigh experts, or be an output",
                ),
                Formula::Largest(..)
                | Formula::Place(..)
                | Formula::LargestSoftmax(..)
                | Formula::IsLargest(..) => (
                    atom,
                    "takes the largest values for something other than a top-k gate",
                ),
                Formula::Feature(_) if self.entry.place(atom).is_none() => (
                    atom,
                    "is an id that a table is looked up by, and is computed with as a number",
                ),
                Formula::Row { .. } | Formula::Found { .. } | Formula::Hashed(..) => (
                    atom,
                    "is looked up in a way that no field of a record is: by one value of the \
                            input, or a list of them that is summed, averaged or of which the \
                            largest are taken",
                ),
                Formula::Norm { .. } => (
                    atom,
                    "normalises other units than those that are read together",
                ),
                _ => return None,
            })
        });
        if let Some((id, why)) = odd {
            return self.refuse(id, why);
        }
        let first = self.node_name(ids[0]);
        let other = ids.iter().find(|id| self.node_name(**id) != first).copied();
        let what = other.map_or_else(|| "other values".into(), |id| self.node_name(id));
        let why = format!(
            "is read together with {what}: a layer reads one value, the output of one layer or of \
             one mixture"
        );
        self.refuse(ids[0], why)
    }
}

fn is_activation(f: Unary) -> bool {
    match f {
        Unary::Clip { min, max } => (min, max) == (0.0, 6.0) || (min, max) == (-1.0, 1.0),
        Unary::HardSigmoid { .. } => super::layers::hard_sigmoid(f).is_some(),
        Unary::Selu { .. } => true,
        Unary::Erf
        | Unary::Erfc
        | Unary::Log
        | Unary::Abs
        | Unary::Sign
        | Unary::Floor
        | Unary::Not
        | Unary::SmoothStep => false,
        Unary::Power(p) => p == 2.0,
        _ => true,
    }
}
