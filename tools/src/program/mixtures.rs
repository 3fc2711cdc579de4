//! Mixtures: sums of products of which one factor is a gate's weight.

use std::rc::Rc;

use super::formula::{Formula, Id, Value};
use super::vectors::{LONGEST, Vectors};
use super::{Refusal, Unary};
use crate::plan::GateKindPlan;

impl Vectors<'_> {
    /// The kind of gate, its logits, and the experts in their order.
    #[expect(clippy::type_complexity, reason = "the parts of a mixture")]
    pub(super) fn mixture(
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
                    Value::Of(id) => expert.push(id),
                    Value::Known(_) => return Ok(None),
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
}
