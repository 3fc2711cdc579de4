//! A front end as plain maps and vectors, for any records: its bytes, fields for it, and what it makes.
//!
//! It is written from `docs/format.md` and `docs/numerics.md`, and shares with the engine no more than
//! the hash functions, which are held against the frameworks' own values elsewhere.

use crate::Rng;
use mmoe::Value;
use mmoe::blob::{CoderKind, FeatureRecord, Given, Makes, PrecisionKind};
use mmoe::kernel::{farm64, murmur3, sip24, token};
use std::collections::HashMap;

/// A field of a record, owned.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Not there.
    Missing,
    /// A number.
    Number(f32),
    /// An integer.
    Integer(i32),
    /// An id.
    Id(u32),
    /// A text.
    Text(String),
    /// A list, of items of one kind.
    List(Vec<Field>),
}

/// An element as it must be: a number, or an activation in steps, and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Element {
    /// What it must be.
    pub value: f64,
    /// 0 where every bit must be right.
    pub off: f64,
}

/// What one feature stores.
#[derive(Debug, Default)]
struct Stored {
    clip: [f32; 2],
    log10: [f32; 2],
    missing_number: f32,
    scale: [f32; 2],
    missing_integer: i32,
    int: (i32, i16, u8),
    base: u32,
    missing: u32,
    other: u32,
    ids: HashMap<u32, u32>,
    texts: HashMap<String, u32>,
    bounds: Vec<f32>,
    int_bounds: Vec<i32>,
    key: [[u32; 2]; 2],
    table_scale: f32,
    shift: u32,
    /// f32 rows as they are, others as integers.
    rows: Vec<Vec<f64>>,
}

/// A front end with these records and random contents.
#[derive(Debug)]
pub struct Naive {
    /// The records.
    pub records: Vec<FeatureRecord>,
    /// What lies before the first layer.
    pub bytes: Vec<u8>,
    integer: bool,
    stored: Vec<Stored>,
}

impl Naive {
    /// Fills the records with random contents.
    #[must_use]
    pub fn random(records: &[FeatureRecord], integer: bool, rng: &mut Rng) -> Self {
        let mut all = Self {
            records: records.to_vec(),
            bytes: Vec::new(),
            integer,
            stored: Vec::new(),
        };
        for (at, r) in records.iter().enumerate() {
            let start = all.bytes.len();
            let mut stored = Stored::default();
            all.own(r, &mut stored, rng);
            if r.makes() != Some(Makes::Number) && usize::from(r.table) == at {
                all.coder(r, &mut stored, rng);
                all.rows(r, &mut stored, rng);
            }
            let bytes = r.bytes(at, integer).and_then(|b| b.total());
            assert_eq!(Some(all.bytes.len() - start), bytes, "feature {at}: {r:?}");
            all.stored.push(stored);
        }
        all
    }

    /// How many elements are made.
    #[must_use]
    pub fn width(&self) -> usize {
        self.records.iter().map(|r| r.width.get() as usize).sum()
    }

    /// How many fields there are.
    #[must_use]
    pub fn fields(&self) -> usize {
        let fields = self.records.iter().map(|r| usize::from(r.field) + 1);
        fields.max().unwrap_or(0)
    }

    fn words<const N: usize>(&mut self, words: [u32; N]) {
        for word in words {
            self.bytes.extend(word.to_le_bytes());
        }
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn own(&mut self, r: &FeatureRecord, s: &mut Stored, rng: &mut Rng) {
        match (r.makes().unwrap(), r.given().unwrap()) {
            (Makes::Number, Given::I32) => {
                if r.may_be_missing() {
                    s.missing_integer = rng.bits() as i32 >> 20;
                    self.words([s.missing_integer as u32]);
                }
                s.int = (
                    rng.bits() as i32 >> 18,
                    rng.bits() as i16,
                    rng.within(1, 30) as u8,
                );
                if self.integer {
                    let (offset, mult, shift) = s.int;
                    let half = u32::from(mult as u16) | u32::from(shift) << 16;
                    self.words([offset as u32, half]);
                }
            }
            (Makes::Number, _) => {
                if r.has(FeatureRecord::CLIP) {
                    s.clip = [rng.real() - 1.0, rng.real() + 1.0];
                    self.words(s.clip.map(f32::to_bits));
                }
                if r.has(FeatureRecord::LOG10) {
                    s.log10 = [rng.real().abs(), -3.0];
                    self.words(s.log10.map(f32::to_bits));
                }
                s.missing_number = if rng.one_in(3) { f32::NAN } else { rng.real() };
                self.words([s.missing_number.to_bits()]);
                s.scale = [rng.real(), 1.0 + 5000.0 * rng.real().abs()];
                if self.integer {
                    self.words(s.scale.map(f32::to_bits));
                }
            }
            (Makes::Slot, _) => {
                s.base = rng.below(40) as u32;
                self.words([s.base]);
            }
            _ => {}
        }
    }

    fn coder(&mut self, r: &FeatureRecord, s: &mut Stored, rng: &mut Rng) {
        let n = r.entries.get();
        // Codes without a row are among them.
        let beyond = n as usize + 3;
        if r.may_be_missing() {
            s.missing = rng.below(beyond) as u32;
            self.words([s.missing]);
        }
        s.other = rng.below(beyond) as u32;
        match r.coder().unwrap() {
            CoderKind::Direct => self.words([s.other]),
            CoderKind::Sorted => {
                self.words([s.other]);
                let mut keys: Vec<u32> = Vec::new();
                while keys.len() < n as usize {
                    keys.push(if rng.one_in(2) {
                        rng.bits() as u32
                    } else {
                        rng.below(4 * beyond) as u32
                    });
                    keys.sort_unstable();
                    keys.dedup();
                }
                for (code, key) in keys.iter().enumerate() {
                    self.words([*key]);
                    s.ids.insert(*key, code as u32);
                }
            }
            kind @ (CoderKind::Texts | CoderKind::Exact) => self.tokens(kind, r, s, rng),
            CoderKind::Buckets => {
                let mut bounds: Vec<i32> = (0..n).map(|_| rng.below(4000) as i32 - 2000).collect();
                bounds.sort_unstable();
                s.bounds = bounds.iter().map(|b| *b as f32 / 256.0).collect();
                s.int_bounds = bounds;
                for i in 0..n as usize {
                    self.words([if r.given() == Some(Given::F32) {
                        s.bounds[i].to_bits()
                    } else {
                        s.int_bounds[i] as u32
                    }]);
                }
            }
            CoderKind::Sip => {
                s.key = [(); 2].map(|()| [(); 2].map(|()| rng.bits() as u32));
                let [[a, b], [c, d]] = s.key;
                self.words([a, b, c, d]);
            }
            CoderKind::Farm | CoderKind::Murmur | CoderKind::Number => {}
        }
    }

    fn tokens(&mut self, kind: CoderKind, r: &FeatureRecord, s: &mut Stored, rng: &mut Rng) {
        let (n, seed) = (r.entries.get() as usize, rng.bits() as u32);
        let exact = kind == CoderKind::Exact;
        // Tokens of exactly so many bytes in all.
        let mut left = r.text.get() as usize;
        let mut tokens: Vec<(u32, String)> = Vec::new();
        for i in 0..n {
            let len = match exact {
                true if i + 1 == n => left,
                true => r.text.get() as usize / n,
                false => rng.below(12) + 2,
            };
            left -= if exact { len } else { 0 };
            let token = text(i, len, rng);
            tokens.push((self::token(seed, token.as_bytes()), token));
        }
        tokens.sort();
        self.words([s.other, seed]);
        for (hash, _) in &tokens {
            self.words([*hash]);
        }
        let mut end = 0;
        for (code, (_, token)) in tokens.iter().enumerate() {
            s.texts.insert(token.clone(), code as u32);
            end += token.len();
            if exact {
                self.bytes.extend((end as u16).to_le_bytes());
            }
        }
        assert_eq!(s.texts.len(), n, "two tokens are the same");
        if exact {
            for (_, token) in &tokens {
                self.bytes.extend(token.as_bytes());
            }
        }
        self.pad();
    }

    fn rows(&mut self, r: &FeatureRecord, s: &mut Stored, rng: &mut Rng) {
        let (rows, width) = (r.rows.get() as usize, r.row_width());
        if width == 0 {
            return;
        }
        match r.precision().unwrap() {
            PrecisionKind::W8 => {
                s.table_scale = 0.01 + rng.real().abs() / 50.0;
                self.words([s.table_scale.to_bits()]);
            }
            PrecisionKind::I8 => {
                s.shift = rng.below(8) as u32;
                self.words([s.shift]);
            }
            PrecisionKind::F32 | PrecisionKind::I16 => {}
        }
        for _ in 0..rows {
            let mut row = Vec::new();
            for _ in 0..width {
                row.push(match r.precision().unwrap() {
                    PrecisionKind::F32 => {
                        let v = rng.real();
                        self.bytes.extend(v.to_le_bytes());
                        f64::from(v)
                    }
                    PrecisionKind::I16 => {
                        let v = rng.bits() as i16;
                        self.bytes.extend(v.to_le_bytes());
                        f64::from(v)
                    }
                    PrecisionKind::W8 | PrecisionKind::I8 => {
                        let v = (rng.bits() as i8).max(-127);
                        self.bytes.push(v as u8);
                        f64::from(v)
                    }
                });
            }
            s.rows.push(row);
        }
        self.pad();
    }

    /// A record whose fields the front end knows as often as not.
    pub fn record(&self, rng: &mut Rng) -> Vec<Field> {
        (0..self.fields())
            .map(|field| {
                let at = self
                    .records
                    .iter()
                    .position(|r| usize::from(r.field) == field);
                let at = at.unwrap();
                let r = &self.records[at];
                let stored = &self.stored[usize::from(r.table)];
                if r.is_list() {
                    if rng.one_in(8) {
                        return Field::Missing;
                    }
                    let most = usize::from(r.items) + rng.below(4);
                    let items = rng.below(most + 1);
                    return Field::List((0..items).map(|_| item(r, stored, rng)).collect());
                }
                let number = r.makes() == Some(Makes::Number) && r.given() == Some(Given::F32);
                if (r.may_be_missing() || number) && rng.one_in(4) {
                    return Field::Missing;
                }
                item(r, stored, rng)
            })
            .collect()
    }

    /// What the engine must make of a record.
    #[must_use]
    pub fn vector(&self, record: &[Field]) -> Vec<Element> {
        let mut y = Vec::new();
        for (at, r) in self.records.iter().enumerate() {
            let field = &record[usize::from(r.field)];
            let (own, table) = (&self.stored[at], &self.stored[usize::from(r.table)]);
            let made = match r.makes().unwrap() {
                Makes::Number => vec![self.number(r, own, field)],
                Makes::Slot => self.slots(r, own, table, field),
                _ => self.pooled(r, table, field),
            };
            assert_eq!(made.len(), usize::from(r.width.get()));
            y.extend(made);
        }
        y
    }

    fn number(&self, r: &FeatureRecord, s: &Stored, field: &Field) -> Element {
        let exact = |value| Element { value, off: 0.0 };
        if r.given() == Some(Given::I32) {
            let x = match field {
                Field::Integer(x) => *x,
                _ => s.missing_integer,
            };
            if !self.integer {
                return exact(f64::from(x as f32));
            }
            let (offset, mult, shift) = s.int;
            let near = (i64::from(x) - i64::from(offset)).clamp(-65535, 65535);
            let v = (near * i64::from(mult) + (1 << (shift - 1))).div_euclid(1 << shift);
            return exact(v.clamp(-32768, 32767) as f64);
        }
        let mut x = match field {
            Field::Number(x) => *x,
            _ => f32::NAN,
        };
        if r.has(FeatureRecord::CLIP) && !x.is_nan() {
            x = x.clamp(s.clip[0], s.clip[1]);
        }
        if x.is_nan() {
            x = s.missing_number;
        }
        let mut off = 0.0;
        if r.has(FeatureRecord::LOG10) {
            let above = x > s.log10[0];
            off = if above { 1e-6 } else { 0.0 };
            x = if above { x.log10() } else { s.log10[1] };
        } else if r.has(FeatureRecord::LOG1P) {
            off = 1e-6;
            x = f64::from(x).ln_1p() as f32;
        }
        if !self.integer {
            return Element {
                value: f64::from(x),
                off: off * f64::from(x).abs().max(1.0),
            };
        }
        let v = (x - s.scale[0]) * s.scale[1];
        let v = if v.is_nan() {
            0.0
        } else {
            v.clamp(-32767.0, 32767.0)
        };
        Element {
            value: f64::from(v.round_ties_even()),
            off: if off > 0.0 {
                1.0 + off * f64::from(s.scale[1])
            } else {
                0.0
            },
        }
    }

    fn slots(&self, r: &FeatureRecord, own: &Stored, s: &Stored, field: &Field) -> Vec<Element> {
        let (none, more) = if self.integer {
            (0.0, 1.0)
        } else {
            (-1.0, 0.0)
        };
        let mut columns: Vec<f64> = Vec::new();
        for code in codes(r, s, field) {
            let column = f64::from(own.base + code) + more;
            let again = r.is_list() && !r.has(FeatureRecord::REPEATS) && columns.contains(&column);
            columns.push(if again { none } else { column });
        }
        columns.resize(r.items.into(), none);
        let exact = |value| Element { value, off: 0.0 };
        columns.into_iter().map(exact).collect()
    }

    fn pooled(&self, r: &FeatureRecord, s: &Stored, field: &Field) -> Vec<Element> {
        let width = r.row_width();
        let narrow = matches!(r.precision(), Some(PrecisionKind::W8 | PrecisionKind::I8));
        let known: Vec<Option<&Vec<f64>>> = codes(r, s, field)
            .into_iter()
            .map(|code| s.rows.get(code as usize))
            .collect();
        // What a sum of cells, or one of them, is worth.
        let worth = |sum: f64| match (self.integer, narrow) {
            (false, false) => sum,
            (false, true) => f64::from(sum as f32 * s.table_scale),
            (true, narrow) => {
                let shift = if narrow { s.shift } else { 0 };
                (sum * f64::from(1 << shift)).clamp(-32768.0, 32767.0)
            }
        };
        let makes = r.makes().unwrap();
        let exact = |value| Element { value, off: 0.0 };
        if makes == Makes::Rows {
            let mut y = Vec::new();
            for i in 0..usize::from(r.items) {
                let row = known.get(i).copied().flatten();
                y.extend((0..width).map(|j| exact(row.map_or(0.0, |row| worth(row[j])))));
            }
            return y;
        }
        let rows: Vec<&Vec<f64>> = known.into_iter().flatten().collect();
        let n = rows.len();
        (0..width)
            .map(|j| {
                if n == 0 {
                    return exact(0.0);
                }
                let cells = rows.iter().map(|row| row[j]);
                if makes == Makes::Max {
                    return exact(worth(cells.fold(f64::NEG_INFINITY, f64::max)));
                }
                let sum = match r.precision().unwrap() {
                    PrecisionKind::F32 => f64::from(cells.fold(0.0, |sum: f32, v| sum + v as f32)),
                    PrecisionKind::I16 => {
                        cells.fold(0.0, |sum: f64, v| (sum + v).clamp(-32768.0, 32767.0))
                    }
                    PrecisionKind::W8 | PrecisionKind::I8 => cells.sum(),
                };
                if makes != Makes::Mean {
                    return exact(worth(sum));
                }
                if !self.integer {
                    return exact(f64::from(worth(sum) as f32 / n as f32));
                }
                if !narrow && n == 1 {
                    return exact(sum);
                }
                let (n, shift) = (n as i64, if narrow { s.shift } else { 0 });
                let m = ((1i64 << (16 + shift)) + n / 2) / n;
                exact((sum as i64 * m + (1 << 15)).div_euclid(1 << 16) as f64)
            })
            .collect()
    }
}

/// A text that is unlike those of other numbers, of so many bytes where that is possible.
fn text(i: usize, len: usize, rng: &mut Rng) -> String {
    let mut text = format!("{i}");
    while text.len() < len {
        text.push(char::from(b'a' + rng.below(26) as u8));
    }
    text
}

/// An item that the coder knows as often as not.
fn item(r: &FeatureRecord, s: &Stored, rng: &mut Rng) -> Field {
    let known = rng.one_in(2);
    let n = r.entries.get() as usize;
    let pick = |rng: &mut Rng| rng.below(1 << 20);
    match r.given().unwrap() {
        Given::F32 if r.coder() == Some(CoderKind::Buckets) && known => {
            Field::Number(s.bounds[rng.below(n)])
        }
        Given::F32 => Field::Number(match rng.below(12) {
            0 => f32::NAN,
            1 => -0.0,
            2 => f32::INFINITY,
            _ => rng.real() * 8.0,
        }),
        Given::I32 if !s.int_bounds.is_empty() && known => {
            Field::Integer(s.int_bounds[rng.below(n)])
        }
        Given::I32 => Field::Integer(rng.bits() as i32 >> rng.below(32)),
        Given::U32 if !s.ids.is_empty() && known => {
            let mut ids: Vec<u32> = s.ids.keys().copied().collect();
            ids.sort_unstable();
            Field::Id(ids[pick(rng) % ids.len()])
        }
        Given::U32 if known => Field::Id(rng.below(n + 2) as u32),
        Given::U32 => Field::Id(rng.bits() as u32 >> rng.below(32)),
        Given::Text if !s.texts.is_empty() && known => {
            let mut texts: Vec<&String> = s.texts.keys().collect();
            texts.sort_unstable();
            Field::Text(texts[pick(rng) % texts.len()].clone())
        }
        Given::Text => {
            let len = rng.below(90);
            let i = pick(rng);
            Field::Text(text(i, len, rng))
        }
    }
}

/// The codes of a field: of a list those of the items that count.
fn codes(r: &FeatureRecord, s: &Stored, field: &Field) -> Vec<u32> {
    let Field::List(items) = field else {
        if r.is_list() {
            return vec![];
        }
        return vec![if *field == Field::Missing {
            s.missing
        } else {
            code(r, s, field)
        }];
    };
    let over = items.len().saturating_sub(r.items.into());
    let counted = if r.has(FeatureRecord::KEEP_LAST) {
        &items[over..]
    } else {
        &items[..items.len() - over]
    };
    counted.iter().map(|item| code(r, s, item)).collect()
}

fn code(r: &FeatureRecord, s: &Stored, item: &Field) -> u32 {
    let n = r.entries.get();
    let hashed = match item {
        Field::Text(text) => text.clone(),
        Field::Id(id) => id.to_string(),
        Field::Integer(x) => x.to_string(),
        _ => String::new(),
    };
    match (r.coder().unwrap(), item) {
        (CoderKind::Direct, Field::Id(id)) => {
            if *id < n {
                *id
            } else {
                s.other
            }
        }
        (CoderKind::Sorted, Field::Id(id)) => s.ids.get(id).copied().unwrap_or(s.other),
        (CoderKind::Texts | CoderKind::Exact, Field::Text(text)) => {
            s.texts.get(text).copied().unwrap_or(s.other)
        }
        (CoderKind::Buckets, Field::Number(x)) => {
            s.bounds.iter().filter(|b| x.is_nan() || **b <= *x).count() as u32
        }
        (CoderKind::Buckets, Field::Integer(x)) => {
            s.int_bounds.iter().filter(|b| **b <= *x).count() as u32
        }
        (CoderKind::Farm, _) => (farm64(hashed.as_bytes()) % u64::from(n)) as u32,
        (CoderKind::Sip, _) => (sip24(hashed.as_bytes(), s.key) % u64::from(n)) as u32,
        (CoderKind::Murmur, _) => (murmur3(hashed.as_bytes(), 0) as i32).unsigned_abs() % n,
        other => panic!("{other:?}"),
    }
}

/// Calls `f` with the values of a record.
pub fn with_values<R>(record: &[Field], f: impl FnOnce(&[Value<'_>]) -> R) -> R {
    /// A list's items by their kind.
    #[derive(Default)]
    struct Lists<'a> {
        numbers: Vec<f32>,
        integers: Vec<i32>,
        ids: Vec<u32>,
        texts: Vec<&'a [u8]>,
    }
    let lists: Vec<Lists<'_>> = record
        .iter()
        .map(|field| {
            let mut lists = Lists::default();
            if let Field::List(items) = field {
                for item in items {
                    match item {
                        Field::Number(x) => lists.numbers.push(*x),
                        Field::Integer(x) => lists.integers.push(*x),
                        Field::Id(x) => lists.ids.push(*x),
                        Field::Text(x) => lists.texts.push(x.as_bytes()),
                        Field::Missing | Field::List(_) => panic!("{item:?} in a list"),
                    }
                }
            }
            lists
        })
        .collect();
    let values: Vec<Value<'_>> = record
        .iter()
        .zip(&lists)
        .map(|(field, lists)| match field {
            Field::Missing => Value::Missing,
            Field::Number(x) => Value::Number(*x),
            Field::Integer(x) => Value::Integer(*x),
            Field::Id(x) => Value::Id(*x),
            Field::Text(x) => Value::Text(x.as_bytes()),
            Field::List(_) if !lists.numbers.is_empty() => Value::Numbers(&lists.numbers),
            Field::List(_) if !lists.integers.is_empty() => Value::Integers(&lists.integers),
            Field::List(_) if !lists.texts.is_empty() => Value::Texts(&lists.texts),
            Field::List(_) => Value::Ids(&lists.ids),
        })
        .collect();
    f(&values)
}

/// Records of every kind, in every combination that the format allows.
#[must_use]
pub fn records(integer: bool, rng: &mut Rng) -> Vec<FeatureRecord> {
    let mut all: Vec<FeatureRecord> = Vec::new();
    let features = rng.within(1, 12);
    let context = rng.below(features + 1);
    let mut fields = 0;
    while all.len() < features {
        let at = all.len();
        let mut r = any(integer, rng);
        (r.field, r.table) = (fields, at as u8);
        if at >= context {
            r.flags |= FeatureRecord::CANDIDATE;
        }
        let pooled = matches!(
            r.makes(),
            Some(Makes::Row | Makes::Sum | Makes::Mean | Makes::Max)
        );
        if at > 0 && rng.one_in(3) {
            let other = all[rng.below(at)];
            let list = r.given & FeatureRecord::LIST;
            let given = other.given & !FeatureRecord::LIST;
            if pooled && other.row_width() > 0 && rng.one_in(2) {
                // Another field, the same table.
                r = FeatureRecord {
                    given: given | list,
                    coder: other.coder,
                    precision: other.precision,
                    width: (other.row_width() as u16).into(),
                    table: other.table,
                    entries: other.entries,
                    rows: other.rows,
                    text: other.text,
                    ..r
                };
            } else if other.makes() != Some(Makes::Number)
                && r.makes() != Some(Makes::Number)
                && other.has(FeatureRecord::CANDIDATE) == r.has(FeatureRecord::CANDIDATE)
                && other.is_list() == r.is_list()
            {
                // The same field, a table of its own.
                r = FeatureRecord {
                    given: other.given,
                    coder: other.coder,
                    field: other.field,
                    entries: other.entries,
                    text: other.text,
                    ..r
                };
            }
        }
        if r.bytes(at, integer).is_some() {
            fields = fields.max(r.field + 1);
            all.push(r);
        }
    }
    all
}

/// A record with codes of all kinds; not all of them go together.
fn any(integer: bool, rng: &mut Rng) -> FeatureRecord {
    let makes = rng.pick(Makes::ALL);
    let number = makes == Makes::Number;
    let coder = if number {
        CoderKind::Number
    } else {
        rng.pick(CoderKind::ALL)
    };
    let list = match makes {
        Makes::Number | Makes::Row => false,
        Makes::Slot => rng.one_in(2),
        Makes::Sum | Makes::Mean | Makes::Max | Makes::Rows => true,
    };
    let items = if list { rng.within(1, 9) } else { 1 };
    let element = if integer {
        PrecisionKind::I16
    } else {
        PrecisionKind::F32
    };
    let narrow = if integer {
        PrecisionKind::I8
    } else {
        PrecisionKind::W8
    };
    let rows = !number && makes != Makes::Slot;
    let width = match makes {
        Makes::Number => 1,
        Makes::Slot => items,
        Makes::Row | Makes::Sum | Makes::Mean | Makes::Max => rng.within(1, 9),
        Makes::Rows => items * rng.within(1, 4),
    };
    let entries = rng.within(1, 40);
    let exact = coder == CoderKind::Exact;
    let mut flags = 0;
    if number {
        flags = rng.pick(&[0, 4, 8, 16, 20, 24]);
    } else if list && rng.one_in(3) {
        flags = FeatureRecord::KEEP_LAST;
    }
    if makes == Makes::Slot && list && rng.one_in(2) {
        flags |= FeatureRecord::REPEATS;
    }
    FeatureRecord {
        given: rng.pick(Given::ALL).code() | if list { FeatureRecord::LIST } else { 0 },
        coder: coder.code()
            | if rng.one_in(3) {
                FeatureRecord::MAYBE
            } else {
                0
            },
        makes: makes.code(),
        precision: if rows && rng.one_in(2) {
            narrow
        } else {
            element
        }
        .code(),
        width: (width as u16).into(),
        items: items as u8,
        flags,
        field: 0,
        table: 0,
        reserved: 0.into(),
        entries: if number { 0 } else { entries as u32 }.into(),
        rows: if rows {
            rng.within(1, entries + 2) as u32
        } else {
            0
        }
        .into(),
        text: if exact {
            (4 * entries + rng.below(60)) as u32
        } else {
            0
        }
        .into(),
    }
}
