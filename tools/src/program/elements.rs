//! What a program runs on for recognition: every element is known, or made by a formula from the
//! features of a row of the batch. Errors are sentences about the operation that asked: `mixes the
//! rows of the batch`.

use std::rc::Rc;

use super::codes::{Map, Reads};
use super::formula::{Formula, Id, Value};
use super::symbol::Symbols;
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

/// The largest of a list.
pub(super) struct Chosen {
    pub(super) values: Vec<Element>,
    pub(super) indices: Vec<Element>,
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
    /// Its value where it does not depend on the input.
    pub(super) fn known(self) -> Option<f64> {
        match self {
            Self::Known(v) => Some(v),
            Self::Of { .. } => None,
        }
    }

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

impl Symbols {
    /// Without what follows the point; `None` where that cannot be said.
    pub(super) fn truncate(&mut self, x: Element) -> Option<Element> {
        match x {
            Element::Known(v) => Some(Element::Known(v.trunc())),
            Element::Of { id, .. } if self.is_whole(id) => Some(x),
            // An id that enters as a number.
            Element::Of { row, id } if matches!(self.formula(id), Formula::Feature(_)) => {
                let id = self.intern(Formula::Function(Unary::Floor, id));
                Some(Element::Of { row, id })
            }
            Element::Of { row, id } if matches!(self.reads(id), Reads::Code(_)) => {
                let size = self.function(Unary::Abs, Value::Of(id));
                let whole = self.function(Unary::Floor, size);
                let sign = self.function(Unary::Sign, Value::Of(id));
                Some(element(Some(row), self.multiply(sign, whole)))
            }
            Element::Of { .. } => None,
        }
    }

    /// The row of a table at an index that depends on the input; `value`: the program's value that
    /// the table is.
    pub(super) fn lookup(
        &mut self,
        value: usize,
        rows: &[f64],
        width: usize,
        index: Element,
    ) -> Result<Vec<Element>, String> {
        let why = "takes indices or sizes from values that are no ids of the input";
        let index = self.unwrapped(index, rows.len().checked_div(width).unwrap_or(0));
        let (row, index) = match index {
            Element::Of { row, id } if self.reads(id) != Reads::Other => (row, id),
            _ => return Err(why.into()),
        };
        let table = self.table(value, rows, width);
        let element = |column| Formula::Row {
            table,
            index,
            column,
        };
        let made = (0..width as u32).map(|column| Element::Of {
            row,
            id: self.intern(element(column)),
        });
        Ok(made.collect())
    }

    /// An index without what makes one of a negative one, counted from the end of a table: rows
    /// are looked up so anyway.
    fn unwrapped(&self, index: Element, count: usize) -> Element {
        let Element::Of { row, id } = index else {
            return index;
        };
        let Formula::Choice(condition, Value::Of(wrapped), Value::Of(id)) = *self.formula(id)
        else {
            return index;
        };
        let below = Formula::Pair(Binary::Less, Value::Of(id), Value::Known(0.0));
        let (atom, factor, offset) = self.affine(id);
        let behind = (atom, factor, offset + count as f64);
        let wraps = *self.formula(condition) == below && self.affine(wrapped) == behind;
        if wraps {
            Element::Of { row, id }
        } else {
            index
        }
    }

    /// What a map has for an element.
    pub(super) fn find(&mut self, map: &Rc<Map>, x: Element) -> Result<Element, String> {
        let (row, of) = match x {
            Element::Known(v) => return Ok(Element::Known(map.of(v))),
            Element::Of { row, id } => (row, id),
        };
        if self.reads(of) == Reads::Other {
            return Err("looks up what is no value of the input".into());
        }
        let at = self.maps.iter().position(|m| m == map);
        let map = at.unwrap_or_else(|| {
            self.maps.push(map.clone());
            self.maps.len() - 1
        }) as u32;
        let id = self.intern(Formula::Found { map, of });
        Ok(Element::Of { row, id })
    }

    /// The bucket of a text.
    pub(super) fn hash(&mut self, buckets: u32, x: Element) -> Result<Element, String> {
        match x {
            // There is one bucket only.
            Element::Of { .. } if buckets == 1 => Ok(Element::Known(0.0)),
            Element::Of { row, id } if self.reads(id) != Reads::Other => {
                let id = self.intern(Formula::Hashed(buckets, id));
                Ok(Element::Of { row, id })
            }
            _ => Err("hashes what is no value of the input".into()),
        }
    }

    pub(super) fn begin(&mut self, node: usize) {
        self.node = node;
    }

    pub(super) fn made(&mut self, shape: &[usize]) {
        self.shapes.insert(self.node, shape.to_vec());
    }

    pub(super) fn unary(&mut self, f: Unary, x: Element) -> Result<Element, String> {
        let row = row_of([&x])?;
        let value = match f {
            Unary::Power(p) => self.power(x.value(), p),
            f => self.function(f, x.value()),
        };
        Ok(element(row, value))
    }

    pub(super) fn binary(&mut self, f: Binary, a: Element, b: Element) -> Result<Element, String> {
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

    pub(super) fn choose(
        &mut self,
        condition: Element,
        a: Element,
        b: Element,
    ) -> Result<Element, String> {
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

    pub(super) fn dot(&mut self, pairs: &[(Element, Element)]) -> Result<Element, String> {
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

    pub(super) fn softmax(&mut self, x: &[Element]) -> Result<Vec<Element>, String> {
        let row = row_of(x)?;
        if x.len() == 1 {
            return Ok(vec![Element::Known(1.0)]);
        }
        let Some(ids) = formulas(x) else {
            let known: Option<Vec<f64>> = x.iter().map(|x| Element::known(*x)).collect();
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

    pub(super) fn norm(
        &mut self,
        rms: bool,
        epsilon: f64,
        x: &[Element],
    ) -> Result<Vec<Element>, String> {
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

    pub(super) fn top_k(&mut self, x: &[Element], k: usize) -> Result<Chosen, String> {
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

    pub(super) fn scatter(
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
