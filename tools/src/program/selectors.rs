//! DSelect-k gates, as exporters write them out.
//!
//! `k` selectors choose an expert each by smooth bits, and a softmax weighs the selectors. The weight
//! of an expert is the sum over selectors of `softmax_s · Π_b (bit b of the expert ? S(z) : 1 − S(z))`.

use std::rc::Rc;

use super::Unary;
use super::formula::{Formula, Id};
use super::symbol::Symbols;

/// More bits would be more experts than a gate of the engine sees.
const MOST_BITS: usize = 5;

/// What was found: how many selectors, the logits as the engine wants them (selector by selector, the
/// most significant bit first, then one weight a selector), and for each gate which expert it weighs.
pub(super) struct Selectors {
    pub(super) k: usize,
    pub(super) logits: Vec<Id>,
    pub(super) places: Vec<usize>,
}

/// One expert's weight: by selector, the bits that choose it. `true`: by `S`, `false`: by `1 − S`.
type Codes = Vec<Vec<(Id, bool)>>;

/// Reads these weights as those of one DSelect-k gate.
pub(super) fn selectors(s: &Symbols, gates: &[Id]) -> Option<Selectors> {
    let bits = (1..=MOST_BITS).find(|b| 1 << b >= gates.len())?;
    let mut mixing: Option<Rc<[Id]>> = None;
    let codes: Vec<Codes> = gates
        .iter()
        .map(|g| codes(s, *g, &mut mixing))
        .collect::<Option<_>>()?;
    let mixing = mixing?;
    let mut logits = Vec::new();
    let mut places: Option<Vec<usize>> = None;
    for selector in 0..mixing.len() {
        let of_gate: Vec<&Vec<(Id, bool)>> = codes.iter().map(|c| &c[selector]).collect();
        let steps: Vec<Id> = of_gate.first()?.iter().map(|(z, _)| *z).collect();
        if steps.len() != bits {
            return None;
        }
        // In which order the bits stand is the exporter's matter.
        let (order, numbers) = orders(&steps).into_iter().find_map(|order| {
            let numbers: Option<Vec<usize>> =
                of_gate.iter().map(|bits| number(&order, bits)).collect();
            let numbers = numbers?;
            let fits = match &places {
                Some(known) => *known == numbers,
                None => (0..gates.len()).all(|e| numbers.contains(&e)),
            };
            fits.then_some((order, numbers))
        })?;
        places = Some(numbers);
        logits.extend(order);
    }
    let k = mixing.len();
    logits.extend(mixing.iter());
    Some(Selectors {
        k,
        logits,
        places: places?,
    })
}

/// The number that these bits write, `order` from the most significant.
fn number(order: &[Id], bits: &[(Id, bool)]) -> Option<usize> {
    if bits.len() != order.len() {
        return None;
    }
    order.iter().try_fold(0, |n, z| {
        let (_, set) = bits.iter().find(|(other, _)| other == z)?;
        Some(2 * n + usize::from(*set))
    })
}

/// All orders of a few bits.
fn orders(steps: &[Id]) -> Vec<Vec<Id>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in steps.iter().enumerate() {
        let mut rest = steps.to_vec();
        rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, *first);
            order
        }));
    }
    all
}

/// One expert's weight. All weights share the softmax over the selectors.
fn codes(s: &Symbols, gate: Id, mixing: &mut Option<Rc<[Id]>>) -> Option<Codes> {
    let Formula::Sum(terms, 0.0) = s.formula(gate) else {
        return None;
    };
    let mut found: Codes = Vec::new();
    for (term, factor) in terms.iter() {
        let (product, inner, 0.0) = s.affine(*term) else {
            return None;
        };
        let (mut bits, mut selector, mut sign) = (Vec::new(), None, inner);
        let mut open = vec![product];
        while let Some(id) = open.pop() {
            match s.formula(id) {
                Formula::Product(a, b) if bits.len() <= MOST_BITS => open.extend([*a, *b]),
                Formula::Softmax(group, at) if selector.is_none() => {
                    if mixing.get_or_insert_with(|| group.clone()) != group {
                        return None;
                    }
                    selector = Some(*at as usize);
                }
                Formula::Function(Unary::SmoothStep, z) => bits.push((*z, true)),
                // S − 1, of which the sign stands before the term.
                Formula::Sum(inner, -1.0) => {
                    let [(step, 1.0)] = inner[..] else {
                        return None;
                    };
                    let Formula::Function(Unary::SmoothStep, z) = s.formula(step) else {
                        return None;
                    };
                    bits.push((*z, false));
                    sign = -sign;
                }
                _ => return None,
            }
        }
        let selector = selector.filter(|_| *factor == sign)?;
        let count = mixing.as_ref().map_or(0, |m| m.len());
        found.resize(count, Vec::new());
        if !found[selector].is_empty() {
            return None;
        }
        found[selector] = bits;
    }
    Some(found)
}
