//! Symbols as what a program runs on: every element becomes the formula that makes it.
//!
//! Formulas are numbers' names: two elements that are computed alike are one formula, in whatever
//! row of the batch they stand. So a program runs on two rows at the price of one, and whatever
//! mixes rows is noticed where it happens.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::entry::Table;
use super::formula::{Formula, Id, Value};
use super::run::{Chosen, Domain};
use super::{Binary, Unary, exact};

/// One element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Element {
    /// It does not depend on the input.
    Known(f64),
    /// It is made by a formula from the features of a row.
    Of {
        /// Which row.
        row: u32,
        /// By which formula.
        id: Id,
    },
}

/// All formulas of a program.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    formulas: Vec<Formula>,
    /// By formula: the node that made it first.
    origins: Vec<usize>,
    known: HashMap<u64, Vec<Id>>,
    node: usize,
    /// By node: the shape of its first output.
    pub(super) shapes: HashMap<usize, Vec<usize>>,
    /// The tables that features look rows up in.
    pub(super) tables: Vec<Table>,
    /// By value of the program: which of them it is.
    table_of: HashMap<usize, usize>,
    /// Which features look up in which tables, in the order of the program.
    pub(super) looked_up: Vec<(u32, usize)>,
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

    /// Factors times formulas, and a number.
    pub(super) fn sum(&mut self, terms: Vec<(Id, f64)>, bias: f64) -> Value {
        let terms = merged(terms);
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

/// The row that elements stand in, `None` where none depends on the input.
fn row_of<'e>(elements: impl IntoIterator<Item = &'e Element>) -> Result<Option<u32>, String> {
    let mut found = None;
    for element in elements {
        if let Element::Of { row, .. } = element {
            if found.is_some_and(|f| f != *row) {
                return Err("mixes the rows of a batch: each row must be computed alone".into());
            }
            found = Some(*row);
        }
    }
    Ok(found)
}

impl Element {
    pub(super) fn value(self) -> Value {
        match self {
            Self::Known(v) => Value::Known(v),
            Self::Of { id, .. } => Value::Of(id),
        }
    }
}

fn element(row: Option<u32>, value: Value) -> Element {
    match (value, row) {
        (Value::Of(id), Some(row)) => Element::Of { row, id },
        (Value::Known(v), _) => Element::Known(v),
        // A formula stands in some row.
        (Value::Of(id), None) => Element::Of { row: 0, id },
    }
}

/// The formulas of elements of which all depend on the input.
fn formulas(x: &[Element]) -> Option<Vec<Id>> {
    let id = |e: &Element| match e {
        Element::Of { id, .. } => Some(*id),
        Element::Known(_) => None,
    };
    x.iter().map(id).collect()
}

impl Domain for Symbols {
    type Number = Element;

    fn constant(v: f64) -> Element {
        Element::Known(v)
    }

    fn known(x: Element) -> Option<f64> {
        match x {
            Element::Known(v) => Some(v),
            Element::Of { .. } => None,
        }
    }

    fn truncate(&mut self, x: Element) -> Option<Element> {
        match x {
            Element::Known(v) => Some(Element::Known(v.trunc())),
            Element::Of { id, .. } => {
                let whole = matches!(
                    self.formula(id),
                    Formula::Place(..) | Formula::IsLargest(..) | Formula::Pair(..)
                );
                // An id that enters as a number.
                if let (Element::Of { row, .. }, Formula::Feature(_)) = (x, self.formula(id)) {
                    let id = self.intern(Formula::Function(Unary::Floor, id));
                    return Some(Element::Of { row, id });
                }
                whole.then_some(x)
            }
        }
    }

    fn lookup(
        &mut self,
        value: usize,
        rows: &[f64],
        width: usize,
        index: Element,
    ) -> Result<Vec<Element>, String> {
        let why = "takes indices or sizes from values that are no ids of the input";
        let Element::Of { row, id } = index else {
            return Err(why.into());
        };
        let feature = match *self.formula(id) {
            Formula::Feature(at) => at,
            Formula::Function(Unary::Floor, of) => match *self.formula(of) {
                Formula::Feature(at) => at,
                _ => return Err(why.into()),
            },
            _ => return Err(why.into()),
        };
        let table = *self.table_of.entry(value).or_insert_with(|| {
            self.tables.push(Table {
                node: self.node,
                width,
                rows: rows.to_vec(),
            });
            self.tables.len() - 1
        });
        if !self.looked_up.contains(&(feature, table)) {
            self.looked_up.push((feature, table));
        }
        let element = |column| Formula::Row {
            table: table as u32,
            feature,
            column,
        };
        let made = (0..width as u32).map(|column| Element::Of {
            row,
            id: self.intern(element(column)),
        });
        Ok(made.collect())
    }

    fn begin(&mut self, node: usize) {
        self.node = node;
    }

    fn made(&mut self, shape: &[usize]) {
        self.shapes.insert(self.node, shape.to_vec());
    }

    fn unary(&mut self, f: Unary, x: Element) -> Result<Element, String> {
        let row = row_of([&x])?;
        let value = match f {
            Unary::Power(p) => self.power(x.value(), p),
            f => self.function(f, x.value()),
        };
        Ok(element(row, value))
    }

    fn binary(&mut self, f: Binary, a: Element, b: Element) -> Result<Element, String> {
        let row = row_of([&a, &b])?;
        let (a, b) = (a.value(), b.value());
        let value = match (f, a, b) {
            (_, Value::Known(a), Value::Known(b)) => Value::Known(exact::binary(f, a, b)),
            (Binary::Add, ..) => self.add(a, b),
            (Binary::Sub, ..) => self.subtract(a, b),
            (Binary::Mul, ..) => self.multiply(a, b),
            (Binary::Div, _, b) => {
                let b = self.power(b, -1.0);
                self.multiply(a, b)
            }
            (Binary::SquaredDifference, ..) => {
                let difference = self.subtract(a, b);
                self.power(difference, 2.0)
            }
            (Binary::Pow, a, Value::Known(p)) => self.power(a, p),
            (Binary::PRelu, a, Value::Known(slope)) => self.function(Unary::LeakyRelu(slope), a),
            (Binary::Max, a, Value::Known(min)) | (Binary::Max, Value::Known(min), a) => self
                .function(
                    Unary::Clip {
                        min,
                        max: f64::INFINITY,
                    },
                    a,
                ),
            (Binary::Min, a, Value::Known(max)) | (Binary::Min, Value::Known(max), a) => self
                .function(
                    Unary::Clip {
                        min: f64::NEG_INFINITY,
                        max,
                    },
                    a,
                ),
            (Binary::Pow | Binary::PRelu, ..) => {
                return Err("raises one value of the input to the power of another".into());
            }
            (f, a, b) => match super::rewrite::pair(self, f, a, b) {
                Some(value) => value,
                None => self.make(Formula::Pair(f, a, b)),
            },
        };
        Ok(element(row, value))
    }

    fn choose(&mut self, condition: Element, a: Element, b: Element) -> Result<Element, String> {
        let row = row_of([&condition, &a, &b])?;
        let (a, b) = (a.value(), b.value());
        let value = match condition {
            Element::Known(c) => {
                if c == 0.0 {
                    b
                } else {
                    a
                }
            }
            Element::Of { id, .. } => match super::rewrite::choice(self, id, a, b) {
                Some(value) => value,
                None => self.make(Formula::Choice(id, a, b)),
            },
        };
        Ok(element(row, value))
    }

    fn dot(&mut self, pairs: &[(Element, Element)]) -> Result<Element, String> {
        let row = row_of(pairs.iter().flat_map(|(a, b)| [a, b]))?;
        let (mut terms, mut bias) = (Vec::with_capacity(pairs.len()), 0.0);
        for (a, b) in pairs {
            match (a.value(), b.value()) {
                (Value::Known(a), Value::Known(b)) => bias += a * b,
                (Value::Of(id), Value::Known(w)) | (Value::Known(w), Value::Of(id)) => {
                    terms.push((id, w));
                }
                (a, b) => match self.multiply(a, b) {
                    Value::Known(v) => bias += v,
                    Value::Of(id) => terms.push((id, 1.0)),
                },
            }
        }
        Ok(element(row, self.sum(terms, bias)))
    }

    fn softmax(&mut self, x: &[Element]) -> Result<Vec<Element>, String> {
        let row = row_of(x)?;
        if x.len() == 1 {
            return Ok(vec![Element::Known(1.0)]);
        }
        let Some(ids) = formulas(x) else {
            let known: Option<Vec<f64>> = x.iter().map(|x| Self::known(*x)).collect();
            let known = known.ok_or("takes the softmax of what depends on the input in part")?;
            let made = exact::softmax(&known);
            return Ok(made.into_iter().map(Element::Known).collect());
        };
        let group: Rc<[Id]> = ids.into();
        let weights = super::gates::softmax(self, &group).unwrap_or_else(|| {
            (0..group.len() as u32)
                .map(|at| Formula::Softmax(group.clone(), at))
                .collect()
        });
        let weights = weights.into_iter().map(|w| element(row, self.make(w)));
        Ok(weights.collect())
    }

    fn norm(&mut self, rms: bool, epsilon: f64, x: &[Element]) -> Result<Vec<Element>, String> {
        let row = row_of(x)?;
        let ids = formulas(x).ok_or("normalises numbers that do not depend on the input")?;
        let group: Rc<[Id]> = ids.into();
        let unit = |index| Formula::Norm {
            group: group.clone(),
            index,
            rms,
            epsilon,
        };
        let units = (0..x.len() as u32).map(unit).collect::<Vec<_>>();
        Ok(units
            .into_iter()
            .map(|u| element(row, self.make(u)))
            .collect())
    }

    fn top_k(&mut self, x: &[Element], k: usize) -> Result<Chosen<Element>, String> {
        let row = row_of(x)?;
        let ids = formulas(x).ok_or("takes the largest of what depends on the input in part")?;
        let (group, k): (Rc<[Id]>, u32) = (ids.into(), k as u32);
        let mut all = |of: &dyn Fn(u32) -> Formula| -> Vec<Element> {
            (0..k).map(|at| element(row, self.make(of(at)))).collect()
        };
        Ok(Chosen {
            values: all(&|at| Formula::Largest(group.clone(), k, at)),
            indices: all(&|at| Formula::Place(group.clone(), k, at)),
        })
    }

    fn scatter(
        &mut self,
        x: &[Element],
        at: &[Element],
        new: &[Element],
    ) -> Result<Vec<Element>, String> {
        let row = row_of(x.iter().chain(at).chain(new))?;
        let zeros = x.iter().all(|x| *x == Element::Known(0.0));
        let places = formulas(at).filter(|_| zeros);
        let new: Vec<Value> = new.iter().map(|n| n.value()).collect();
        let made = places.and_then(|at| super::gates::scatter(self, x.len(), &at, &new));
        let made =
            made.ok_or("puts elements where the input says, other than a top-k gate does")?;
        Ok(made
            .into_iter()
            .map(|f| element(row, self.make(f)))
            .collect())
    }
}
