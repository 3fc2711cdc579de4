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
const LONGEST: usize = 512;
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
    program: &'p Program,
    entry: &'p Entry,
    pub(super) symbols: &'p mut Symbols,
    pub(super) all: Vec<Vector>,
    known: HashMap<Vec<Id>, usize>,
    /// What was tried and made of nothing.
    failed: HashMap<Vec<Id>, Refusal>,
    /// Parts that do not lie side by side all the way down are not one vector.
    whole: bool,
    /// What is looked for is a gate's logits, which may be an attention's: products.
    logits: bool,
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

    fn node_name(&self, id: Id) -> String {
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
            let node = match self.symbols.formula(*id) {
                Formula::Feature(_) | Formula::Row { .. } => None,
                _ => Some(self.symbols.origin(*id)),
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
        let place = |id: &Id| self.entry.place(self.symbols, *id);
        ids.iter().map(place).collect()
    }

    /// What the last step was, and what it reads.
    fn step(&mut self, ids: &[Id]) -> Result<(Step, Vec<Id>), Refusal> {
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
                super::formula::Value::Of(id) => from.push(id),
                super::formula::Value::Known(_) => return None,
            }
        }
        let count = ids.len();
        Some((Step::Scale(vec![half; count], vec![middle; count]), from))
    }

    /// Products of a gate's logits, as an attention over two values makes them: a difference of
    /// squares, `((a + b)² − (a − b)²) / 4`.
    fn squared(&mut self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
        use super::formula::Value;
        // Values of the input are no queries and keys: their product is something else.
        let of_input = |id: Id| {
            let (atom, ..) = self.symbols.affine(id);
            self.entry.place(self.symbols, atom).is_some()
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
        let count = ids.len();
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
    fn scale(&self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
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

    fn dense(&self, ids: &[Id]) -> Option<(Step, Vec<Id>)> {
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
                let of_input = |(id, f): &(Id, f64)| {
                    *f == inner[0].1 && self.entry.place(self.symbols, *id).is_some()
                };
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
    fn node_of(&self, id: Id) -> String {
        let node = self.program.nodes.get(self.symbols.origin(id));
        node.map_or_else(|| "dense".into(), |n| n.name.clone())
    }

    /// The kind of gate, its logits, and the experts in their order.
    #[expect(clippy::type_complexity, reason = "the parts of a mixture")]
    fn mixture(
        &mut self,
        ids: &[Id],
    ) -> Result<Option<(GateKindPlan, Vec<Id>, Vec<Vec<Id>>)>, Refusal> {
        let mut rows: Vec<Vec<(f64, Id, Id)>> = Vec::with_capacity(ids.len());
        for id in ids {
            let mut products = Vec::new();
            if !self.products(*id, 1.0, &mut products, 0) {
                return Ok(None);
            }
            rows.push(products);
        }
        let experts = rows[0].len();
        // Products of two outputs, which are no mixture, have their place among the outputs.
        let Some(gates) = self.gates(&rows) else {
            return Ok(None);
        };
        // A factor that stands in several products of a unit is no gate: a layer that reads a mixture
        // is a sum of the mixture's products as well.
        let mut unlike = gates.clone();
        unlike.sort_unstable();
        unlike.dedup();
        if unlike.len() != gates.len() {
            return Ok(None);
        }
        if let Some(found) = super::selectors::selectors(self.symbols, &gates) {
            let mut order: Vec<(usize, Id)> = found.places.into_iter().zip(gates).collect();
            order.sort_unstable();
            let order: Vec<Id> = order.into_iter().map(|(_, gate)| gate).collect();
            let kind = GateKindPlan::DSelectK { k: found.k };
            let experts = self.weighed(&rows, &order)?;
            return Ok(experts.map(|e| (kind, found.logits, e)));
        }
        let mut order: Vec<(u32, Id)> = Vec::new();
        let mut group: Option<(GateKindPlan, Rc<[Id]>)> = None;
        let mut sigmoids = Vec::new();
        for gate in &gates {
            let (kind, logits, index) = match self.symbols.formula(*gate).clone() {
                Formula::Softmax(logits, index) => (GateKindPlan::Softmax, logits, index),
                Formula::TopK {
                    logits,
                    k,
                    index,
                    renormalise,
                } => (
                    GateKindPlan::TopK {
                        k: k as usize,
                        renormalise,
                    },
                    logits,
                    index,
                ),
                Formula::IsLargest(group, 1, index) => {
                    // The largest weight has the largest logit.
                    let logits = match super::gates::softmax_of(self.symbols, &group) {
                        Some((logits, true)) => logits,
                        _ => group,
                    };
                    (GateKindPlan::Hard, logits, index)
                }
                Formula::Function(Unary::Sigmoid, logit) => {
                    sigmoids.push((logit, *gate));
                    continue;
                }
                _ => {
                    let why = "weighs experts otherwise than a gate does: gates are softmax, \
                               sigmoid, or the softmax of the k largest";
                    return Err(self.refuse(*gate, why));
                }
            };
            if group
                .as_ref()
                .is_some_and(|g| *g != (kind.clone(), logits.clone()))
            {
                return Err(self.refuse(*gate, "weighs experts together with another gate"));
            }
            group = Some((kind, logits));
            order.push((index, *gate));
        }
        let (kind, logits) = match group {
            None => (
                GateKindPlan::Sigmoid,
                sigmoids.iter().map(|(logit, _)| *logit).collect(),
            ),
            Some((kind, logits)) if sigmoids.is_empty() => {
                if logits.len() != experts || order.len() != experts {
                    let why = format!(
                        "gives {} weights where {experts} experts are mixed: each weight belongs \
                         to one expert",
                        logits.len()
                    );
                    return Err(self.refuse(gates[0], why));
                }
                order.sort_unstable();
                (kind, logits.to_vec())
            }
            Some(_) => return Err(self.refuse(gates[0], "weighs experts together with a sigmoid")),
        };
        if kind == GateKindPlan::Sigmoid {
            order = (0..).zip(sigmoids.iter().map(|(_, gate)| *gate)).collect();
        }
        let order: Vec<Id> = order.into_iter().map(|(_, gate)| gate).collect();
        let made = self.weighed(&rows, &order)?;
        Ok(made.map(|experts| (kind, logits, experts)))
    }

    /// What these weights weigh, one after the other; `None` where one is a constant.
    fn weighed(
        &mut self,
        rows: &[Vec<(f64, Id, Id)>],
        order: &[Id],
    ) -> Result<Option<Vec<Vec<Id>>>, Refusal> {
        let mut made = Vec::with_capacity(order.len());
        for gate in order {
            let mut expert = Vec::with_capacity(rows.len());
            for row in rows {
                let of_gate = row.iter().filter(|(_, a, b)| a == gate || b == gate);
                let [(factor, a, b)] = of_gate.collect::<Vec<_>>()[..] else {
                    return Err(self.refuse(*gate, "weighs an expert more than once"));
                };
                let other = if a == gate { *b } else { *a };
                match self.symbols.scaled(other, *factor, 0.0) {
                    super::formula::Value::Of(id) => expert.push(id),
                    super::formula::Value::Known(_) => return Ok(None),
                }
            }
            made.push(expert);
        }
        Ok(Some(made))
    }

    /// The products that a formula is the sum of; `false` if it is not.
    fn products(&self, id: Id, factor: f64, to: &mut Vec<(f64, Id, Id)>, depth: usize) -> bool {
        match self.symbols.formula(id) {
            Formula::Product(a, b) => {
                to.push((factor, *a, *b));
                true
            }
            Formula::Sum(terms, 0.0) if depth < 64 && to.len() <= LONGEST => terms
                .iter()
                .all(|(id, f)| self.products(*id, factor * f, to, depth + 1)),
            _ => false,
        }
    }

    /// The factors that are gate weights: one of each product, and the same for all units.
    fn gates(&self, rows: &[Vec<(f64, Id, Id)>]) -> Option<Vec<Id>> {
        let (first, others) = rows.split_first()?;
        let is_weight = |id: Id| {
            matches!(
                self.symbols.formula(id),
                Formula::Softmax(..) | Formula::TopK { .. } | Formula::IsLargest(_, 1, _)
            )
        };
        let is_sigmoid = |id: Id| {
            matches!(
                self.symbols.formula(id),
                Formula::Function(Unary::Sigmoid, _)
            )
        };
        let everywhere = |id: Id| {
            others
                .iter()
                .all(|row| row.iter().any(|(_, a, b)| *a == id || *b == id))
        };
        let gate = |(_, a, b): &(f64, Id, Id)| {
            let found = [*a, *b].into_iter().filter(|id| everywhere(*id));
            let found: Vec<Id> = found.collect();
            match found[..] {
                [one] => Some(one),
                [a, b] if is_weight(a) != is_weight(b) => Some(if is_weight(a) { a } else { b }),
                [a, b] if is_sigmoid(a) != is_sigmoid(b) => Some(if is_sigmoid(a) { a } else { b }),
                _ => None,
            }
        };
        let gates: Vec<Id> = first.iter().map(gate).collect::<Option<_>>()?;
        let alike = others.iter().all(|row| row.len() == first.len());
        alike.then_some(gates)
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
                Formula::Feature(_) if self.entry.place(self.symbols, atom).is_none() => (
                    atom,
                    "is an id that a table is looked up by, and is computed with as a number",
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
