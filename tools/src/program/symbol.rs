//! All formulas of a program, each once, in a normal form.
//!
//! Formulas are numbers' names: two elements that are computed alike are one formula, in whatever
//! row of the batch they stand. So a program runs on two rows at the price of one, and whatever
//! mixes rows is noticed where it happens.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::codes::{Map, Reads, Table};
use super::formula::{Formula, Id, Value};
use super::{Given, Unary, exact};

/// All formulas of a program.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    formulas: Vec<Formula>,
    /// By formula: the node that made it first.
    origins: Vec<usize>,
    known: HashMap<u64, Vec<Id>>,
    /// The node that runs.
    pub(super) node: usize,
    /// By node: the shape of its first output.
    pub(super) shapes: HashMap<usize, Vec<usize>>,
    /// By element of the input: what it is given as.
    pub(super) given: Vec<Given>,
    /// The tables that rows are looked up in.
    pub(super) tables: Vec<Table>,
    /// By value of the program: which of them it is.
    table_of: HashMap<usize, usize>,
    /// The maps that values are found in.
    pub(super) maps: Vec<Rc<Map>>,
    /// By formula, as far as asked for: what it reads of the input.
    pub(super) reads: Vec<Reads>,
    /// By what may be a variance: what it is the variance of.
    pub(super) variances: HashMap<Id, Option<super::norms::Variance>>,
}

/// Differences below this are those of constants that were rounded to f64 or computed in it.
const TINY: f64 = 1e-12;

impl Symbols {
    pub(super) fn formula(&self, id: Id) -> &Formula {
        &self.formulas[id as usize]
    }

    /// The node that made a formula first.
    pub(super) fn origin(&self, id: Id) -> usize {
        self.origins[id as usize]
    }

    pub(super) fn intern(&mut self, formula: Formula) -> Id {
        let mut hasher = DefaultHasher::new();
        formula.hash(&mut hasher);
        let alike = self.known.entry(hasher.finish()).or_default();
        if let Some(id) = alike
            .iter()
            .find(|id| self.formulas[**id as usize] == formula)
        {
            return *id;
        }
        let id = self.formulas.len() as Id;
        alike.push(id);
        self.formulas.push(formula);
        self.origins.push(self.node);
        id
    }

    pub(super) fn make(&mut self, formula: Formula) -> Value {
        Value::Of(self.intern(formula))
    }

    /// A formula as `factor·atom + offset`.
    pub(super) fn affine(&self, id: Id) -> (Id, f64, f64) {
        match self.formula(id) {
            Formula::Sum(terms, bias) if terms.len() == 1 => (terms[0].0, terms[0].1, *bias),
            _ => (id, 1.0, 0.0),
        }
    }

    /// `factor·atom + offset`, where `atom` may be such a sum itself.
    pub(super) fn scaled(&mut self, id: Id, factor: f64, offset: f64) -> Value {
        let (atom, inner, bias) = self.affine(id);
        let (factor, offset) = (factor * inner, factor * bias + offset);
        if factor == 0.0 {
            return Value::Known(offset);
        }
        if (factor - 1.0).abs() < TINY && offset.abs() < TINY {
            return Value::Of(atom);
        }
        if factor == 1.0
            && let Formula::Sum(terms, bias) = self.formula(atom)
        {
            let formula = Formula::Sum(terms.clone(), bias + offset);
            return self.make(formula);
        }
        self.make(Formula::Sum(Rc::new([(atom, factor)]), offset))
    }

    /// The number of a table; `value`: the program's value that it is.
    pub(super) fn table(&mut self, value: usize, rows: &[f64], width: usize) -> u32 {
        let (node, tables) = (self.node, &mut self.tables);
        let at = *self.table_of.entry(value).or_insert_with(|| {
            tables.push(Table {
                node,
                width,
                rows: rows.to_vec(),
            });
            tables.len() - 1
        });
        at as u32
    }

    /// Factors times formulas, and a number.
    pub(super) fn sum(&mut self, terms: Vec<(Id, f64)>, bias: f64) -> Value {
        let terms = merged(terms);
        // Rows that are pooled: their mean is a scaled sum.
        if let [(_, factor), _, ..] = terms[..]
            && bias == 0.0
            && factor != 1.0
            && (terms.iter())
                .all(|(id, f)| *f == factor && matches!(self.formula(*id), Formula::Row { .. }))
        {
            let whole = self.sum(terms.iter().map(|(id, _)| (*id, 1.0)).collect(), 0.0);
            return self.scale(whole, factor);
        }
        match terms[..] {
            [] => Value::Known(bias),
            [(id, factor)] => self.scaled(id, factor, bias),
            _ => match super::rewrite::sum(self, &terms, bias) {
                Some(value) => value,
                None => self.make(Formula::Sum(terms.into(), bias)),
            },
        }
    }

    pub(super) fn add(&mut self, a: Value, b: Value) -> Value {
        match (a, b) {
            (Value::Known(a), Value::Known(b)) => Value::Known(a + b),
            (Value::Of(id), Value::Known(v)) | (Value::Known(v), Value::Of(id)) => {
                self.scaled(id, 1.0, v)
            }
            (Value::Of(a), Value::Of(b)) => {
                let ((a, of_a, bias_a), (b, of_b, bias_b)) = (self.affine(a), self.affine(b));
                self.sum(vec![(a, of_a), (b, of_b)], bias_a + bias_b)
            }
        }
    }

    pub(super) fn scale(&mut self, a: Value, factor: f64) -> Value {
        match a {
            Value::Known(v) => Value::Known(v * factor),
            Value::Of(id) => self.scaled(id, factor, 0.0),
        }
    }

    pub(super) fn subtract(&mut self, a: Value, b: Value) -> Value {
        let b = self.scale(b, -1.0);
        self.add(a, b)
    }

    /// A formula as a factor times one whose own factor is 1.
    fn unscaled(&mut self, id: Id) -> (Id, f64) {
        let (atom, factor, offset) = self.affine(id);
        match self.scaled(atom, 1.0, offset / factor) {
            Value::Of(base) => (base, factor),
            Value::Known(_) => (id, 1.0),
        }
    }

    pub(super) fn multiply(&mut self, a: Value, b: Value) -> Value {
        match (a, b) {
            (Value::Known(v), other) | (other, Value::Known(v)) => self.scale(other, v),
            (Value::Of(a), Value::Of(b)) => {
                let ((a, of_a), (b, of_b)) = (self.unscaled(a), self.unscaled(b));
                let (a, b) = (a.min(b), a.max(b));
                let value = match super::rewrite::product(self, a, b) {
                    Some(value) => value,
                    None => self.make(Formula::Product(a, b)),
                };
                self.scale(value, of_a * of_b)
            }
        }
    }

    pub(super) fn power(&mut self, a: Value, p: f64) -> Value {
        let id = match a {
            Value::Known(v) => return Value::Known(v.powf(p)),
            Value::Of(id) => id,
        };
        if p == 1.0 {
            return a;
        }
        if let Formula::Function(Unary::Power(inner), base) = *self.formula(id)
            && inner % 2.0 != 0.0
        {
            return self.power(Value::Of(base), inner * p);
        }
        let (base, factor) = self.unscaled(id);
        if factor > 0.0 || p.fract() == 0.0 {
            let value = match super::rewrite::power(self, base, p) {
                Some(value) => value,
                None => self.make(Formula::Function(Unary::Power(p), base)),
            };
            return self.scale(value, factor.powf(p));
        }
        self.make(Formula::Function(Unary::Power(p), id))
    }

    pub(super) fn function(&mut self, f: Unary, a: Value) -> Value {
        match a {
            Value::Known(v) => Value::Known(exact::unary(f, v)),
            Value::Of(id) => match super::rewrite::function(self, f, id) {
                Some(value) => value,
                None => self.make(Formula::Function(f, id)),
            },
        }
    }
}

/// Terms with each formula once.
pub(super) fn merged(terms: Vec<(Id, f64)>) -> Vec<(Id, f64)> {
    let mut at = HashMap::with_capacity(terms.len());
    let mut merged: Vec<(Id, f64)> = Vec::with_capacity(terms.len());
    for (id, factor) in terms {
        let place = *at.entry(id).or_insert(merged.len());
        match merged.get_mut(place) {
            Some((_, sum)) => *sum += factor,
            None => merged.push((id, factor)),
        }
    }
    merged
}
