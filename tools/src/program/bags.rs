//! Bags: what the elements of a list have in common, summed, averaged, or the largest of it.
//!
//! An embedding bag is spelled as one look-up per place of a list and what becomes of all of them.
//! All places are alike, so the list is one field, and the places are its items.

use super::codes::Reads;
use super::formula::{Formula, Id, Value};
use super::symbol::Symbols;
use super::{Binary, Unary};
use crate::front::Pool;

/// Below it, what is added to a count of items keeps the count from being 0 and is no part of it.
const TINY: f64 = 1e-6;
/// Formulas of an item nest no deeper.
const DEEPEST: usize = 24;
/// The most items that a list of a record may have.
const LONGEST: usize = 255;

/// Formulas of neighbouring elements of the input that became one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bag {
    pub(super) pool: Pool,
    /// The elements, one behind the other.
    pub(super) first: u32,
    pub(super) count: usize,
    /// What is pooled, of the first element.
    pub(super) item: Id,
    /// Of a mean: 1 where an item counts, 0 where not; `None`: all do.
    pub(super) mask: Option<Id>,
}

impl Symbols {
    /// The bag that a formula is.
    pub(super) fn bag(&mut self, id: Id) -> Option<Bag> {
        match self.formula(id).clone() {
            Formula::Sum(..) => {
                let (terms, bias) = self.terms(id)?;
                let bag = self.items(&terms).filter(|_| bias == 0.0)?;
                Some(Bag {
                    pool: Pool::Sum,
                    ..bag
                })
            }
            Formula::Pair(Binary::Max, ..) => {
                let all = self.largest_of(id)?;
                let bag = self.items(&all)?;
                Some(Bag {
                    pool: Pool::Max,
                    ..bag
                })
            }
            Formula::Product(a, b) => self.mean(a, b).or_else(|| self.mean(b, a)),
            _ => None,
        }
    }

    /// The terms of a sum of formulas as they are, and what is added.
    fn terms(&self, id: Id) -> Option<(Vec<Id>, f64)> {
        match self.formula(id) {
            Formula::Sum(terms, bias) if terms.len() > 1 => {
                let plain = terms.iter().all(|(_, factor)| *factor == 1.0);
                plain.then(|| (terms.iter().map(|(id, _)| *id).collect(), *bias))
            }
            _ => None,
        }
    }

    /// `sum / max(count, 1)`, `sum / (count + ε)`.
    fn mean(&mut self, sum: Id, count: Id) -> Option<Bag> {
        let Formula::Function(Unary::Power(-1.0), count) = *self.formula(count) else {
            return None;
        };
        let counted = match *self.formula(count) {
            Formula::Function(Unary::Clip { min, max }, counted)
                if min > 0.0 && min <= 1.0 && max == f64::INFINITY =>
            {
                counted
            }
            _ => count,
        };
        let (items, _) = self.terms(sum).filter(|(_, bias)| *bias == 0.0)?;
        let (masks, bias) = self.terms(counted)?;
        let item = self.items(&items)?;
        let mask = self
            .items(&masks)
            .filter(|_| (0.0..=TINY).contains(&bias))?;
        let same = (item.first, item.count) == (mask.first, mask.count);
        same.then_some(Bag {
            pool: Pool::Mean,
            mask: Some(mask.item),
            ..item
        })
    }

    /// What nested maxima are taken of.
    fn largest_of(&self, id: Id) -> Option<Vec<Id>> {
        let (mut open, mut all) = (vec![id], Vec::new());
        while let Some(id) = open.pop() {
            match self.formula(id) {
                Formula::Pair(Binary::Max, a, b) => {
                    for value in [a, b] {
                        match value {
                            Value::Of(id) => open.push(*id),
                            Value::Known(_) => return None,
                        }
                    }
                }
                _ => all.push(id),
            }
            if all.len() > LONGEST {
                return None;
            }
        }
        Some(all)
    }

    /// Codes of neighbouring elements, alike but for the element.
    fn items(&mut self, ids: &[Id]) -> Option<Bag> {
        if !(2..=LONGEST).contains(&ids.len()) {
            return None;
        }
        let mut of: Vec<(u32, Id)> = Vec::with_capacity(ids.len());
        for id in ids {
            match self.reads(*id) {
                Reads::Code(feature) if self.is_leaf(*id) => of.push((feature, *id)),
                _ => return None,
            }
        }
        of.sort_unstable();
        let (first, item) = of[0];
        let neighbours = of
            .iter()
            .zip(first..)
            .all(|((at, _), wanted)| *at == wanted);
        let alike = |id: Id| self.alike(item, id, DEEPEST);
        (neighbours && of[1..].iter().all(|(_, id)| alike(*id))).then_some(Bag {
            pool: Pool::One,
            first,
            count: of.len(),
            item,
            mask: None,
        })
    }

    /// Whether two formulas are one but for the elements that they read.
    fn alike(&self, a: Id, b: Id, depth: usize) -> bool {
        if a == b {
            return true;
        }
        let Some(depth) = depth.checked_sub(1) else {
            return false;
        };
        let same = |a: Id, b: Id| self.alike(a, b, depth);
        let value = |a: &Value, b: &Value| match (a, b) {
            (Value::Known(a), Value::Known(b)) => a == b,
            (Value::Of(a), Value::Of(b)) => same(*a, *b),
            _ => false,
        };
        match (self.formula(a), self.formula(b)) {
            (Formula::Feature(a), Formula::Feature(b)) => {
                let given = |at: &u32| self.given.get(*at as usize);
                given(a) == given(b)
            }
            (
                Formula::Row {
                    table,
                    index,
                    column,
                },
                Formula::Row {
                    table: table_b,
                    index: index_b,
                    column: column_b,
                },
            ) => (table, column) == (table_b, column_b) && same(*index, *index_b),
            (
                Formula::Found { map, of },
                Formula::Found {
                    map: map_b,
                    of: of_b,
                },
            ) => map == map_b && same(*of, *of_b),
            (Formula::Hashed(n, a), Formula::Hashed(m, b)) => n == m && same(*a, *b),
            (Formula::Sum(a, bias), Formula::Sum(b, bias_b)) => {
                let pairs = || a.iter().zip(b.iter());
                bias == bias_b
                    && a.len() == b.len()
                    && pairs().all(|(a, b)| a.1 == b.1 && same(a.0, b.0))
            }
            (Formula::Product(a, b), Formula::Product(c, d)) => {
                same(*a, *c) && same(*b, *d) || same(*a, *d) && same(*b, *c)
            }
            (Formula::Function(f, a), Formula::Function(g, b)) => f == g && same(*a, *b),
            (Formula::Pair(f, a, b), Formula::Pair(g, c, d)) => {
                f == g && value(a, c) && value(b, d)
            }
            (Formula::Choice(c, a, b), Formula::Choice(d, e, f)) => {
                same(*c, *d) && value(a, e) && value(b, f)
            }
            _ => false,
        }
    }
}
