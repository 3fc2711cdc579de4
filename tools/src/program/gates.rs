//! Top-k gates, as exporters write them out.

use std::rc::Rc;

use super::Binary;
use super::formula::{Formula, Id, Value};
use super::symbol::Symbols;

/// The weights of a top-k gate, divided by their sum.
pub(super) fn renormalised(s: &mut Symbols, x: Id, base: Id) -> Option<Value> {
    /// Added so that nothing is divided by 0; weights of a softmax do not come near it.
    const GUARD: f64 = 1e-7;
    let Formula::TopK {
        logits,
        k,
        index,
        renormalise: false,
    } = s.formula(x).clone()
    else {
        return None;
    };
    let Formula::Sum(terms, bias) = s.formula(base).clone() else {
        return None;
    };
    let all = (0..logits.len() as u32).all(|index| {
        let weight = Formula::TopK {
            logits: logits.clone(),
            k,
            index,
            renormalise: false,
        };
        let id = s.intern(weight);
        terms.contains(&(id, 1.0))
    });
    (all && terms.len() == logits.len() && bias.abs() <= GUARD).then(|| {
        s.make(Formula::TopK {
            logits,
            k,
            index,
            renormalise: true,
        })
    })
}

/// The logits that a group is the softmax of, and whether it is all of it, in order.
pub(super) fn softmax_of(s: &Symbols, group: &[Id]) -> Option<(Rc<[Id]>, bool)> {
    let Formula::Softmax(logits, _) = s.formula(*group.first()?) else {
        return None;
    };
    let in_order = group
        .iter()
        .enumerate()
        .all(|(at, id)| match s.formula(*id) {
            Formula::Softmax(other, index) => other == logits && *index as usize == at,
            _ => false,
        });
    Some((logits.clone(), in_order && group.len() == logits.len()))
}

/// The softmax of a group that is a top-k gate's.
pub(super) fn softmax(s: &mut Symbols, group: &Rc<[Id]>) -> Option<Vec<Formula>> {
    /// A logit so low has no weight.
    const HIDDEN: f64 = -1e4;
    let count = group.len() as u32;
    if let Formula::Largest(all, k, 0) = s.formula(group[0]).clone() {
        let whole = group
            .iter()
            .enumerate()
            .all(|(at, id)| *s.formula(*id) == Formula::Largest(all.clone(), k, at as u32));
        return (whole && count == k).then(|| {
            (0..k)
                .map(|at| Formula::LargestSoftmax(all.clone(), k, at))
                .collect()
        });
    }
    // z < the k-th largest ? −∞ : z
    let mut logits = Vec::with_capacity(group.len());
    let mut limit = None;
    for id in group.iter() {
        let Formula::Choice(condition, a, b) = *s.formula(*id) else {
            return None;
        };
        let Formula::Pair(f, low, high) = *s.formula(condition) else {
            return None;
        };
        let (hidden, z) = match f {
            Binary::Less => (a, b),
            Binary::LessOrEqual => (b, a),
            _ => return None,
        };
        let (z_compared, bound) = if f == Binary::Less {
            (low, high)
        } else {
            (high, low)
        };
        let (Value::Known(hidden), Value::Of(z), Value::Of(bound)) = (hidden, z, bound) else {
            return None;
        };
        if hidden > HIDDEN || z_compared != Value::Of(z) || limit.is_some_and(|l| l != bound) {
            return None;
        }
        limit = Some(bound);
        logits.push(z);
    }
    let Formula::Largest(all, k, at) = s.formula(limit?).clone() else {
        return None;
    };
    if *all != logits[..] || at + 1 != k {
        return None;
    }
    let weight = |index| Formula::TopK {
        logits: all.clone(),
        k,
        index,
        renormalise: true,
    };
    Some((0..count).map(weight).collect())
}

/// Zeros, but for what is new at these places.
pub(super) fn scatter(
    s: &mut Symbols,
    size: usize,
    places: &[Id],
    new: &[Value],
) -> Option<Vec<Formula>> {
    let Formula::Place(group, k, 0) = s.formula(*places.first()?).clone() else {
        return None;
    };
    let in_order = places
        .iter()
        .enumerate()
        .all(|(at, id)| *s.formula(*id) == Formula::Place(group.clone(), k, at as u32));
    if !in_order || places.len() != k as usize || group.len() != size {
        return None;
    }
    let all = 0..size as u32;
    if new.iter().all(|n| *n == Value::Known(1.0)) {
        return Some(
            all.map(|at| Formula::IsLargest(group.clone(), k, at))
                .collect(),
        );
    }
    let each = |s: &Symbols, of: &dyn Fn(u32) -> Formula| {
        new.iter().enumerate().all(|(at, n)| match n {
            Value::Of(id) => *s.formula(*id) == of(at as u32),
            Value::Known(_) => false,
        })
    };
    let softmax = softmax_of(s, &group)
        .filter(|(_, whole)| *whole)
        .map(|(logits, _)| logits);
    let gate = |logits: Rc<[Id]>, renormalise| {
        let weight = |index| Formula::TopK {
            logits: logits.clone(),
            k,
            index,
            renormalise,
        };
        all.clone().map(weight).collect()
    };
    if each(s, &|at| Formula::LargestSoftmax(group.clone(), k, at)) {
        return Some(gate(group.clone(), true));
    }
    let logits = softmax?;
    if each(s, &|at| Formula::Largest(group.clone(), k, at)) {
        return Some(gate(logits, false));
    }
    // Each divided by the sum of all.
    let largest = |s: &mut Symbols, at| s.intern(Formula::Largest(group.clone(), k, at));
    let values: Vec<Id> = (0..k).map(|at| largest(s, at)).collect();
    let sum = s.sum(values.iter().map(|v| (*v, 1.0)).collect(), 0.0);
    let inverse = s.power(sum, -1.0);
    let divided: Vec<Value> = values
        .iter()
        .map(|v| s.multiply(Value::Of(*v), inverse))
        .collect();
    (divided == new).then(|| gate(logits, true))
}
