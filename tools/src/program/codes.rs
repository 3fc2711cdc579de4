//! Codes: formulas of one element of the input that only ask which of finitely many classes it is in.
//!
//! Embeddings, label encoders, one-hot columns, buckets and vocabularies are all spelled by
//! look-ups, comparisons and what is computed of their results. Whatever the spelling: where an
//! element only enters by them, its classes can be told from the keys and bounds that it is compared
//! with, and what the graph makes of it is a table with one row per class.

use std::collections::HashMap;

use super::formula::{Formula, Id, Value};
use super::symbol::Symbols;
use super::{Binary, DECIMALS, Given, Unary, exact};
use crate::front::Bounds;

/// A table that a program looks rows up in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The node that did it first.
    pub(super) node: usize,
    pub(super) width: usize,
    /// Row after row.
    pub(super) rows: Vec<f64>,
}

impl Table {
    pub(super) fn count(&self) -> usize {
        self.rows.len().checked_div(self.width).unwrap_or(0)
    }
}

/// Values by keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Map {
    keys: Vec<f64>,
    values: Vec<f64>,
    default: f64,
    places: HashMap<u64, usize>,
}

impl Map {
    pub(super) fn new(keys: Vec<f64>, values: Vec<f64>, default: &[f64]) -> Result<Self, String> {
        let [default] = *default else {
            return Err("has several values for what is none of its keys".into());
        };
        if keys.len() != values.len() {
            return Err(format!(
                "has {} keys and {} values",
                keys.len(),
                values.len()
            ));
        }
        let mut places = HashMap::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            places.entry(bits(*key)).or_insert(at);
        }
        Ok(Self {
            keys,
            values,
            default,
            places,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn of(&self, key: f64) -> f64 {
        let place = self.places.get(&bits(key));
        place.map_or(self.default, |at| self.values[*at])
    }
}

/// The bits of a number; both zeros are one.
fn bits(v: f64) -> u64 {
    (v + 0.0).to_bits()
}

/// What a formula reads of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// Several elements, or one for more than its class.
    Other,
    /// This element itself, or with an addend and a factor.
    Raw(u32),
    /// Which class this element is in.
    Code(u32),
}

/// The classes of an element of the input.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Domain {
    /// The whole numbers below this one.
    Rows(usize),
    /// These whole numbers, and all others.
    Ids(Vec<u32>),
    /// These texts, and all others.
    Texts(Vec<f64>),
    /// Between bounds. A number of each.
    Buckets(Bounds, Vec<f64>),
    /// Texts by their hash, modulo this.
    Hashed(u32),
}

impl Domain {
    /// One element of each class, in order; of hashes the bucket.
    pub(super) fn classes(&self) -> Vec<f64> {
        match self {
            Self::Rows(count) => (0..*count).map(|i| i as f64).collect(),
            Self::Ids(ids) => ids.iter().copied().map(f64::from).collect(),
            Self::Texts(texts) => texts.clone(),
            Self::Buckets(_, numbers) => numbers.clone(),
            Self::Hashed(buckets) => (0..*buckets).map(f64::from).collect(),
        }
    }

    /// How many classes it has.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Rows(count) => *count,
            Self::Ids(ids) => ids.len(),
            Self::Texts(texts) => texts.len(),
            Self::Buckets(_, numbers) => numbers.len(),
            Self::Hashed(buckets) => *buckets as usize,
        }
    }

    /// An element that is none of its keys, where there is such a class.
    pub(super) fn other(&self) -> Option<f64> {
        match self {
            Self::Ids(ids) => {
                let free = |id: &u32| ids.binary_search(id).is_err();
                (0..=u32::MAX).find(free).map(f64::from)
            }
            // No text has this number.
            Self::Texts(_) => Some(DECIMALS / 4.0),
            Self::Rows(_) | Self::Buckets(..) | Self::Hashed(_) => None,
        }
    }
}

/// What an element of the input is compared with and looked up by.
#[derive(Debug, Default)]
struct Marks {
    rows: Option<usize>,
    keys: Vec<f64>,
    /// Numbers that begin a class, and whether the class begins right behind them.
    bounds: Vec<(f64, bool)>,
    buckets: Option<u32>,
    /// It is cut to a whole number before.
    cut: bool,
    /// It is scaled before, so that bounds are rounded.
    scaled: bool,
}

impl Symbols {
    /// What a formula reads of the input.
    pub(super) fn reads(&mut self, id: Id) -> Reads {
        // What a formula is made of stands before it.
        for at in self.reads.len()..=id as usize {
            let reads = self.find_reads(at as Id);
            self.reads.push(reads);
        }
        self.reads[id as usize]
    }

    /// Whether it is an element of the input itself, or one that was cut to a whole number.
    pub(super) fn is_raw(&self, id: Id) -> bool {
        match self.formula(id) {
            Formula::Feature(_) => true,
            Formula::Function(Unary::Floor, of) => matches!(self.formula(*of), Formula::Feature(_)),
            _ => false,
        }
    }

    fn find_reads(&self, id: Id) -> Reads {
        let known = |id: Id| self.reads.get(id as usize).copied().unwrap_or(Reads::Other);
        let code = |id: Id| match known(id) {
            Reads::Code(feature) => Some(feature),
            _ => None,
        };
        let seen = |id: Id| match known(id) {
            Reads::Code(feature) | Reads::Raw(feature) => Some(feature),
            Reads::Other => None,
        };
        let of = |v: &Value| match v {
            Value::Known(_) => None,
            Value::Of(id) => Some(*id),
        };
        let found = match self.formula(id) {
            Formula::Feature(feature) => return Reads::Raw(*feature),
            Formula::Sum(terms, _) if terms.len() == 1 => return known(terms[0].0),
            Formula::Function(Unary::Floor, a) if self.is_raw(id) => return known(*a),
            Formula::Function(_, a) => code(*a),
            Formula::Sum(terms, _) => same(terms.iter().map(|(id, _)| code(*id))),
            Formula::Product(a, b) => same([code(*a), code(*b)]),
            Formula::Row { index: of, .. } | Formula::Found { of, .. } | Formula::Hashed(_, of) => {
                seen(*of)
            }
            Formula::Pair(f, a, b) => match (of(a), of(b)) {
                // A search compares an element with bounds that it looks up on the way.
                (Some(a), Some(b)) if compares(*f) && self.looks_up(a, b) => {
                    same([seen(a), seen(b)])
                }
                (Some(a), Some(b)) => same([code(a), code(b)]),
                (Some(id), None) | (None, Some(id)) if compares(*f) => seen(id),
                (Some(id), None) | (None, Some(id)) => code(id),
                (None, None) => None,
            },
            Formula::Choice(condition, a, b) => {
                let branches = [a, b].into_iter().filter_map(of);
                same(std::iter::once(*condition).chain(branches).map(code))
            }
            _ => None,
        };
        found.map_or(Reads::Other, Reads::Code)
    }

    /// Whether a code stands for itself in the vector of the layers: what was looked up or compared,
    /// and not what layers may have made of it.
    pub(super) fn is_leaf(&mut self, id: Id) -> bool {
        /// Choices and products nest no deeper where they spell a code.
        const DEEPEST: usize = 16;
        matches!(self.reads(id), Reads::Code(_)) && self.spells_code(id, DEEPEST)
    }

    fn spells_code(&self, id: Id, depth: usize) -> bool {
        let part = |v: &Value| match v {
            Value::Known(_) => true,
            Value::Of(id) => depth > 0 && self.spells_code(self.affine(*id).0, depth - 1),
        };
        match self.formula(id) {
            Formula::Row { .. } | Formula::Found { .. } | Formula::Hashed(..) => true,
            Formula::Pair(f, ..) => compares(*f) || *f == Binary::And,
            Formula::Choice(_, a, b) => part(a) && part(b),
            Formula::Product(a, b) => part(&Value::Of(*a)) && part(&Value::Of(*b)),
            Formula::Function(Unary::Not | Unary::Floor, a) => part(&Value::Of(*a)),
            _ => false,
        }
    }

    /// Whether a formula makes whole numbers only.
    pub(super) fn is_whole(&self, id: Id) -> bool {
        self.is_whole_within(id, 8)
    }

    fn is_whole_within(&self, id: Id, depth: usize) -> bool {
        let whole = |v: f64| v.fract() == 0.0;
        let deeper = |id: Id| depth > 0 && self.is_whole_within(id, depth - 1);
        let value = |v: &Value| match v {
            Value::Known(v) => whole(*v),
            Value::Of(id) => deeper(*id),
        };
        match self.formula(id) {
            Formula::Place(..) | Formula::IsLargest(..) | Formula::Hashed(..) => true,
            Formula::Feature(at) => {
                let given = self.given.get(*at as usize);
                given.is_some_and(|g| *g != Given::Numbers)
            }
            Formula::Pair(f, a, b) => compares(*f) || *f == Binary::And || value(a) && value(b),
            Formula::Found { map, .. } => self
                .maps
                .get(*map as usize)
                .is_some_and(|map| whole(map.default) && map.values.iter().all(|v| whole(*v))),
            Formula::Row { table, .. } => {
                let table = self.tables.get(*table as usize);
                table.is_some_and(|t| t.rows.iter().all(|v| whole(*v)))
            }
            Formula::Sum(terms, bias) => {
                whole(*bias)
                    && terms
                        .iter()
                        .all(|(id, factor)| whole(*factor) && deeper(*id))
            }
            Formula::Product(a, b) => deeper(*a) && deeper(*b),
            Formula::Choice(_, a, b) => value(a) && value(b),
            Formula::Function(Unary::Floor | Unary::Sign | Unary::Not, _) => true,
            Formula::Function(Unary::Abs | Unary::Relu, of) => deeper(*of),
            _ => false,
        }
    }

    /// The classes that formulas of one element of the input ask for; what cannot be one field is
    /// said.
    pub(super) fn domain(&self, feature: u32, ids: &[Id]) -> Result<Domain, String> {
        let mut marks = Marks::default();
        for id in self.below(ids) {
            self.mark(id, &mut marks)?;
        }
        let given = self
            .given
            .get(feature as usize)
            .copied()
            .unwrap_or_default();
        let is_id = given == Given::Wholes || marks.cut || marks.rows.is_some();
        if marks.buckets.is_some() && !(marks.keys.is_empty() && marks.bounds.is_empty()) {
            return Err(
                "hashes what its vocabulary does not have: a field does one of both".into(),
            );
        }
        if let Some(buckets) = marks.buckets {
            return Ok(Domain::Hashed(buckets));
        }
        if given == Given::Texts {
            if !marks.bounds.is_empty() {
                return Err("compares texts by their order".into());
            }
            marks.keys.sort_by(f64::total_cmp);
            marks.keys.dedup();
            return Ok(Domain::Texts(marks.keys));
        }
        if let Some(rows) = marks.rows {
            return Ok(Domain::Rows(rows));
        }
        if !is_id {
            return numbers(&marks);
        }
        if !marks.bounds.is_empty() {
            return wholes(&marks);
        }
        let keys = marks.keys.iter().filter(|v| v.fract() == 0.0 && **v >= 0.0);
        let mut keys: Vec<u32> = keys.filter_map(|v| u32::try_from(*v as i64).ok()).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(Domain::Ids(keys))
    }

    /// What formulas are made of, each once, the parts first.
    fn below(&self, ids: &[Id]) -> Vec<Id> {
        let mut seen: std::collections::BTreeSet<Id> = ids.iter().copied().collect();
        let mut open: Vec<Id> = ids.to_vec();
        while let Some(id) = open.pop() {
            self.formula(id).parts(|part| {
                if seen.insert(part) {
                    open.push(part);
                }
            });
        }
        seen.into_iter().collect()
    }

    /// What a formula compares the element itself with.
    fn mark(&self, id: Id, marks: &mut Marks) -> Result<(), String> {
        // An element as it enters: `factor·x + offset`.
        let raw = |id: Id| {
            let (atom, factor, offset) = self.affine(id);
            self.is_raw(atom).then_some((factor, offset))
        };
        match self.formula(id) {
            Formula::Function(Unary::Floor, _) if self.is_raw(id) => marks.cut = true,
            Formula::Row { table, index, .. } => {
                let count = self.tables.get(*table as usize).map_or(0, Table::count);
                match raw(*index) {
                    // Ids below the offset would be negative indices.
                    Some((1.0, offset)) if offset >= 0.0 && offset < count as f64 => {
                        let count = count - offset as usize;
                        marks.rows = Some(marks.rows.map_or(count, |rows| rows.min(count)));
                    }
                    Some(_) => {
                        return Err("computes an index of an id otherwise than by adding".into());
                    }
                    None => {}
                }
            }
            Formula::Found { map, of } => {
                if let Some((factor, offset)) = raw(*of)
                    && let Some(map) = self.maps.get(*map as usize)
                {
                    if factor != 1.0 {
                        return Err("looks up a number that was scaled before".into());
                    }
                    marks.keys.extend(map.keys.iter().map(|key| key - offset));
                }
            }
            Formula::Hashed(buckets, of) => {
                if raw(*of).is_none() {
                    return Err("hashes what was looked up before".into());
                }
                if marks.buckets.is_some_and(|other| other != *buckets) {
                    return Err("hashes one value into two numbers of buckets".into());
                }
                marks.buckets = Some(*buckets);
            }
            Formula::Pair(f, a, b) => {
                let (id, numbers, first) = match (a, b) {
                    (Value::Of(id), Value::Known(v)) => (*id, vec![*v], true),
                    (Value::Known(v), Value::Of(id)) => (*id, vec![*v], false),
                    (Value::Of(a), Value::Of(b)) if self.is_raw(self.affine(*a).0) => {
                        (*a, self.entries(*b), true)
                    }
                    (Value::Of(a), Value::Of(b)) => (*b, self.entries(*a), false),
                    _ => return Ok(()),
                };
                let Some((factor, offset)) = raw(id) else {
                    return Ok(());
                };
                marks.scaled |= factor != 1.0 || offset.fract() != 0.0;
                if *f == Binary::Equal && factor != 1.0 {
                    return Err("compares a number that was scaled before with another".into());
                }
                for at in numbers.iter().map(|number| (number - offset) / factor) {
                    if *f == Binary::Equal {
                        marks.keys.push(at);
                        continue;
                    }
                    // `x < 3` and `3 ≤ x` tell apart at 3, `x ≤ 3` and `3 < x` behind it.
                    let behind = (*f == Binary::LessOrEqual) == first;
                    marks.bounds.push((at, behind == (factor > 0.0)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether one is an element as it enters and the other a row of a table.
    fn looks_up(&self, a: Id, b: Id) -> bool {
        let raw = |id: Id| self.is_raw(self.affine(id).0);
        let row = |id: Id| matches!(self.formula(id), Formula::Row { .. });
        raw(a) && row(b) || raw(b) && row(a)
    }

    /// All numbers that a formula may be, where it is looked up.
    fn entries(&self, id: Id) -> Vec<f64> {
        let Formula::Row { table, column, .. } = self.formula(id) else {
            return Vec::new();
        };
        let table = self.tables.get(*table as usize);
        let rows = table.map(|t| t.rows.chunks_exact(t.width.max(1)));
        let cells = rows.into_iter().flatten();
        cells
            .filter_map(|row| row.get(*column as usize).copied())
            .collect()
    }

    /// Whether texts are hashed on the way to a formula.
    pub(super) fn hashes(&self, id: Id) -> bool {
        let hashed = |id: &Id| matches!(self.formula(*id), Formula::Hashed(..));
        self.below(&[id]).iter().any(hashed)
    }

    /// What formulas come to for each of these elements; `Err` for one where the graph itself fails.
    /// With `hashed` they are buckets.
    pub(super) fn tabulate(
        &self,
        ids: &[Id],
        elements: &[f64],
        hashed: bool,
    ) -> Vec<Result<Vec<f64>, String>> {
        let all = self.below(ids);
        let mut values: HashMap<Id, f64> = HashMap::with_capacity(all.len());
        let row = |element: &f64| {
            values.clear();
            for id in &all {
                let get = |id: &Id| values.get(id).copied().unwrap_or(f64::NAN);
                let value = self.compute(*id, *element, hashed, &get)?;
                values.insert(*id, value);
            }
            Ok(ids.iter().map(|id| values[id]).collect())
        };
        elements.iter().map(row).collect()
    }

    fn compute(
        &self,
        id: Id,
        element: f64,
        hashed: bool,
        get: &dyn Fn(&Id) -> f64,
    ) -> Result<f64, String> {
        let of = |v: &Value| match v {
            Value::Known(v) => *v,
            Value::Of(id) => get(id),
        };
        Ok(match self.formula(id) {
            Formula::Feature(_) => element,
            Formula::Sum(terms, bias) => terms
                .iter()
                .fold(*bias, |sum, (id, factor)| sum + get(id) * factor),
            Formula::Product(a, b) => get(a) * get(b),
            Formula::Function(f, a) => exact::unary(*f, get(a)),
            Formula::Pair(f, a, b) => exact::binary(*f, of(a), of(b)),
            Formula::Choice(condition, a, b) => of(if get(condition) == 0.0 { b } else { a }),
            Formula::Hashed(..) if hashed => element,
            Formula::Found { map, of } => {
                let map = self.maps.get(*map as usize);
                map.map_or(f64::NAN, |map| map.of(get(of)))
            }
            Formula::Row {
                table,
                index,
                column,
            } => {
                let Some(table) = self.tables.get(*table as usize) else {
                    return Ok(f64::NAN);
                };
                let (index, count) = (get(index), table.count() as f64);
                let index = if index < 0.0 { index + count } else { index };
                if !(0.0..count).contains(&index) {
                    return Err(format!("takes row {index} of {count}"));
                }
                table.rows[index as usize * table.width + *column as usize]
            }
            _ => return Err("is no code".into()),
        })
    }
}

fn compares(f: Binary) -> bool {
    matches!(f, Binary::Less | Binary::LessOrEqual | Binary::Equal)
}

/// Classes of whole numbers between bounds.
fn wholes(marks: &Marks) -> Result<Domain, String> {
    let bound = |(at, behind): &(f64, bool)| if *behind { at.floor() + 1.0 } else { at.ceil() };
    let keys = marks.keys.iter().filter(|k| k.fract() == 0.0);
    let mut bounds: Vec<f64> = marks.bounds.iter().map(bound).collect();
    bounds.extend(keys.flat_map(|key| [*key, key + 1.0]));
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let reaches = |v: &f64| v.abs() < f64::from(i32::MAX);
    if bounds.is_empty() || !bounds.iter().all(reaches) {
        return Err("compares whole numbers beyond 32 bits".into());
    }
    let mut numbers = vec![bounds[0] - 1.0];
    numbers.extend(&bounds);
    let bounds = bounds.iter().map(|v| *v as i32).collect();
    Ok(Domain::Buckets(Bounds::I32(bounds), numbers))
}

/// Classes of f32 numbers between bounds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the least f32 that is not below"
)]
fn numbers(marks: &Marks) -> Result<Domain, String> {
    let bound = |(at, behind): (f64, bool)| {
        let near = at as f32;
        if f64::from(near) < at || behind && f64::from(near) == at {
            near.next_up()
        } else {
            near
        }
    };
    let keys = marks
        .keys
        .iter()
        .filter(|key| f64::from(**key as f32) == **key);
    let keys = keys.flat_map(|key| [(*key, false), (*key, true)]);
    let mut bounds: Vec<f32> = marks
        .bounds
        .iter()
        .copied()
        .chain(keys)
        .map(bound)
        .collect();
    bounds.sort_by(f32::total_cmp);
    bounds.dedup();
    if bounds.is_empty() || !bounds.iter().all(|v| v.is_finite()) {
        return Err("compares a number with one that no number is above".into());
    }
    let first = f64::from(bounds[0]);
    let mut numbers = vec![first - first.abs().max(1.0)];
    for (at, low) in bounds.iter().enumerate() {
        let low = f64::from(*low);
        let high = bounds
            .get(at + 1)
            .map_or(low + low.abs().max(1.0), |v| f64::from(*v));
        // Where bounds were rounded, what lies at one may lie on its other side.
        numbers.push(if marks.scaled {
            f64::midpoint(low, high)
        } else {
            low
        });
    }
    Ok(Domain::Buckets(Bounds::F32(bounds), numbers))
}

/// The element that all of these are codes of.
fn same(all: impl IntoIterator<Item = Option<u32>>) -> Option<u32> {
    let mut all = all.into_iter();
    let first = all.next()??;
    all.all(|f| f == Some(first)).then_some(first)
}
