//! The front end of a shape-erased model: from a list of values to the vector that the trunk reads.

use super::{Dynamic, RunError};
use crate::blob::{CoderKind, FeatureRecord, Given, Makes, PrecisionKind};
use crate::bytes::InPlace;
use crate::features::{FloatRows, IntRows, Rows, clip, log10, pool, side_by_side, slots};
use crate::input::InputCounts;
use crate::kernel;
use crate::level::{Request, TaskMask};
use crate::math::Libm;
use crate::model::Run;
use crate::number::Element;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One field of a record, for models whose record is known at run time only.
///
/// A number is `Number` or, where the model takes an integer, `Integer`; an id is `Id`. What the model
/// takes is in [`Blob::features`](crate::Blob::features).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// It is not there: NaN of a number, an empty list, and of others what the model has stored for that.
    Missing,
    /// A number.
    Number(f32),
    /// An integer.
    Integer(i32),
    /// An id, or the number of an enum's variant.
    Id(u32),
    /// Text.
    Text(&'a [u8]),
    /// A list of numbers.
    Numbers(&'a [f32]),
    /// A list of integers.
    Integers(&'a [i32]),
    /// A list of ids.
    Ids(&'a [u32]),
    /// A list of texts.
    Texts(&'a [&'a [u8]]),
}

impl Value<'_> {
    /// How many items a list has; `None` for what is none.
    const fn len(&self) -> Option<usize> {
        match self {
            Value::Numbers(v) => Some(v.len()),
            Value::Integers(v) => Some(v.len()),
            Value::Ids(v) => Some(v.len()),
            Value::Texts(v) => Some(v.len()),
            Value::Missing => Some(0),
            Value::Number(_) | Value::Integer(_) | Value::Id(_) | Value::Text(_) => None,
        }
    }

    /// An item of a list.
    fn item(&self, i: usize) -> Option<Value<'_>> {
        match self {
            Value::Numbers(v) => v.get(i).map(|v| Value::Number(*v)),
            Value::Integers(v) => v.get(i).map(|v| Value::Integer(*v)),
            Value::Ids(v) => v.get(i).map(|v| Value::Id(*v)),
            Value::Texts(v) => v.get(i).map(|v| Value::Text(v)),
            _ => None,
        }
    }
}

/// The first `n` of what lies in `w`, and the bytes behind them.
fn part<T: FromBytes + Immutable + KnownLayout>(w: &[u8], n: usize) -> Option<(&[T], &[u8])> {
    <[T]>::ref_from_prefix_with_elems(w, n).ok()
}

fn one<T: InPlace + FromBytes + Copy + 'static>(w: &[u8]) -> Option<(T, &[u8])> {
    let (v, rest) = T::ref_from_prefix(w).ok()?;
    Some((*v, rest))
}

/// An element whose front end can be run from its records.
pub(super) trait Front: Element {
    /// The rows of a table whose shape is data.
    fn cells<'a>(f: &FeatureRecord, w: &'a [u8]) -> Option<Self::Cells<'a>>;
    /// A number, from the bytes of its offset and scale.
    fn number(w: &[u8], x: f32, y: &mut [Self]) -> Option<InputCounts>;
    /// An integer, from the bytes of its scale.
    fn integer(w: &[u8], x: i32) -> Option<(Self, bool)>;
}

impl Front for f32 {
    fn cells<'a>(f: &FeatureRecord, w: &'a [u8]) -> Option<FloatRows<'a>> {
        let cells = (f.rows.get() as usize).checked_mul(f.row_width())?;
        if f.precision()? == PrecisionKind::F32 {
            Some(FloatRows::F32(part(w, cells)?.0))
        } else {
            let (scale, w) = one(w)?;
            Some(FloatRows::W8(scale, part(w, cells)?.0))
        }
    }
    fn number(_: &[u8], x: f32, y: &mut [f32]) -> Option<InputCounts> {
        *y.first_mut()? = x;
        Some(InputCounts::default())
    }
    fn integer(_: &[u8], x: i32) -> Option<(f32, bool)> {
        Some(f32::from_int(&[], x))
    }
}

impl Front for i16 {
    fn cells<'a>(f: &FeatureRecord, w: &'a [u8]) -> Option<IntRows<'a>> {
        let cells = (f.rows.get() as usize).checked_mul(f.row_width())?;
        if f.precision()? == PrecisionKind::I16 {
            Some(IntRows::I16(part(w, cells)?.0))
        } else {
            let (shift, w) = one(w)?;
            Some(IntRows::I8(shift, part(w, cells)?.0))
        }
    }
    fn number(w: &[u8], x: f32, y: &mut [i16]) -> Option<InputCounts> {
        Some(kernel::quantize_f32(&[x], part(w, 1)?.0, y))
    }
    fn integer(w: &[u8], x: i32) -> Option<(i16, bool)> {
        Some(i16::from_int(&one(w)?.0, x))
    }
}

/// The code of a value that is no list; `None` for a value of another kind than the coder takes. `w`
/// starts with the coder.
fn code(f: &FeatureRecord, w: &[u8], v: Value<'_>) -> Option<u32> {
    let n = f.entries.get();
    let mut w = w;
    if f.may_be_missing() {
        let missing;
        (missing, w) = one(w)?;
        if v == Value::Missing {
            return Some(missing);
        }
    }
    match (f.coder()?, v) {
        (CoderKind::Direct, Value::Id(id)) => {
            if id < n {
                return Some(id);
            }
            Some(one(w)?.0)
        }
        (CoderKind::Sorted, Value::Id(id)) => {
            let (other, w) = one(w)?;
            let keys = part(w, n as usize)?.0;
            Some(kernel::find(keys, id).unwrap_or(other))
        }
        (CoderKind::Texts | CoderKind::Exact, Value::Text(text)) => {
            let (other, w) = one(w)?;
            let (seed, w) = one(w)?;
            let (hashes, w) = part(w, n as usize)?;
            let found = if f.coder()? == CoderKind::Texts {
                kernel::find(hashes, kernel::token(seed, text))
            } else {
                let (ends, w) = part(w, n as usize)?;
                let (tokens, _) = part(w, f.text.get() as usize)?;
                kernel::exact(hashes, ends, tokens, seed, text)
            };
            Some(found.unwrap_or(other))
        }
        (CoderKind::Buckets, Value::Number(_) | Value::Missing) if f.given()? == Given::F32 => {
            // Without a code of its own a missing number is NaN, as a typed record has it.
            let x = if let Value::Number(x) = v {
                x
            } else {
                f32::NAN
            };
            Some(kernel::bucket_f32(part(w, n as usize)?.0, x))
        }
        (CoderKind::Buckets, Value::Integer(x)) if f.given()? == Given::I32 => {
            Some(kernel::bucket_i32(part(w, n as usize)?.0, x))
        }
        (coder @ (CoderKind::Farm | CoderKind::Sip | CoderKind::Murmur), v) => {
            let mut digits = [0; 11];
            let text = match (f.given()?, v) {
                (Given::Text, Value::Text(text)) => text,
                (Given::U32, Value::Id(id)) => kernel::decimal(false, id, &mut digits),
                (Given::I32, Value::Integer(v)) => {
                    kernel::decimal(v < 0, v.unsigned_abs(), &mut digits)
                }
                _ => return None,
            };
            Some(match coder {
                CoderKind::Farm => kernel::modulo(kernel::farm64(text), n),
                CoderKind::Sip => kernel::modulo(kernel::sip24(text, one(w)?.0), n),
                _ => kernel::murmur_bucket(text, n),
            })
        }
        _ => None,
    }
}

/// The number of a feature that makes one. `w` starts with the feature's own bytes.
fn number<A: Front>(f: &FeatureRecord, w: &[u8], v: Value<'_>, y: &mut [A]) -> Option<InputCounts> {
    let mut w = w;
    if f.given()? == Given::I32 {
        let mut missing = None;
        if f.may_be_missing() {
            let stored;
            (stored, w) = one(w)?;
            missing = Some(stored);
        }
        let x = match v {
            Value::Integer(x) => x,
            Value::Missing => missing?,
            _ => return None,
        };
        let saturated;
        (*y.first_mut()?, saturated) = A::integer(w, x)?;
        return Some(InputCounts {
            nan: 0,
            saturated: u32::from(saturated),
        });
    }
    let mut x = match v {
        Value::Number(x) => x,
        Value::Missing => f32::NAN,
        _ => return None,
    };
    if f.has(FeatureRecord::CLIP) {
        let [low, high];
        ([low, high], w) = one::<[f32; 2]>(w)?;
        x = clip(x, low, high);
    }
    let mut above = None;
    if f.has(FeatureRecord::LOG10) {
        let stored;
        (stored, w) = one::<[f32; 2]>(w)?;
        above = Some(stored);
    }
    let (missing, w) = one(w)?;
    if x.is_nan() {
        x = missing;
    }
    if let Some([threshold, otherwise]) = above {
        x = log10(x, threshold, otherwise);
    } else if f.has(FeatureRecord::LOG1P) {
        x = libm::log1pf(x);
    }
    A::number(w, x, y)
}

impl Dynamic<'_> {
    /// Computes all outputs for one record of fields, and writes them to `y` as f32, task after task.
    ///
    /// The values are in the order of the fields. The bits are those of a typed model that takes the
    /// record as a struct.
    ///
    /// # Errors
    ///
    /// A slice of wrong length, another number of fields, or a value of another kind than the model
    /// takes.
    pub fn predict_record(
        &self,
        record: &[Value<'_>],
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        self.check_fields(self.fields(), record)?;
        let input = self.fill(0, record, scratch)?;
        self.predict_filled(input, scratch, y)
    }

    /// Returns how many fields belong to the context, which many candidates share; all where the model
    /// does not rank. The fields behind them are the candidate's.
    #[must_use]
    pub fn context_fields(&self) -> usize {
        let mut features = self.blob().features().iter();
        let candidate = features.find(|f| f.has(FeatureRecord::CANDIDATE));
        candidate.map_or(self.fields(), |f| f.field.into())
    }

    /// Takes the context's fields, for candidates that share them: what the front end makes of them stays
    /// in `scratch` until something else is predicted there.
    ///
    /// The first layers' sums over those elements are not kept, as a typed model keeps them: an image that
    /// runs any blob would need a second form of the first layer's kernel in every precision and packing,
    /// where a typed model has only its own. What is saved here are the context's look-ups.
    ///
    /// # Errors
    ///
    /// Those of [`predict_record`](Self::predict_record).
    pub fn context(&self, record: &[Value<'_>], scratch: &mut [u32]) -> Result<(), RunError> {
        self.check_fields(self.context_fields(), record)?;
        self.fill(0, record, scratch).map(|_| ())
    }

    /// Computes all outputs for a candidate's fields in the context that [`context`](Self::context) left
    /// in `scratch`. The bits are those of [`predict_record`](Self::predict_record) for all fields.
    ///
    /// # Errors
    ///
    /// Those of [`predict_record`](Self::predict_record).
    pub fn predict_in(
        &self,
        candidate: &[Value<'_>],
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        let context = self.context_fields();
        self.check_fields(self.fields().saturating_sub(context), candidate)?;
        let input = self.fill(context, candidate, scratch)?;
        self.predict_filled(input, scratch, y)
    }

    fn check_fields(&self, expected: usize, record: &[Value<'_>]) -> Result<(), RunError> {
        if record.len() == expected && self.fields() > 0 {
            return Ok(());
        }
        Err(RunError::Fields {
            expected: expected as u32,
            found: record.len() as u32,
        })
    }

    /// Makes the elements of the fields from `first` on in the scratch's own part for them.
    fn fill(
        &self,
        first: usize,
        record: &[Value<'_>],
        scratch: &mut [u32],
    ) -> Result<InputCounts, RunError> {
        let mut earlier = self.blob().features().iter();
        let earlier = earlier
            .by_ref()
            .take_while(|f| usize::from(f.field) < first);
        // Features of the context come before those of the candidate.
        let start = if first == 0 {
            0
        } else {
            earlier.map(|f| usize::from(f.width.get())).sum()
        };
        if self.is_integer() {
            let (x, _) = self.input_buffer::<i16>(scratch)?;
            self.vector(first, record, x.get_mut(start..).unwrap_or_default())
        } else {
            let (x, _) = self.input_buffer::<f32>(scratch)?;
            self.vector(first, record, x.get_mut(start..).unwrap_or_default())
        }
    }

    /// Runs the trunk and the towers on the elements in the scratch.
    fn predict_filled(
        &self,
        input: InputCounts,
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        let y = self.room(y)?;
        let words: &mut [u32] =
            <[u32]>::mut_from_bytes(y.as_mut_bytes()).map_err(|_| RunError::Element)?;
        let all = Request::tasks(TaskMask::ALL);
        let experts = if self.is_integer() {
            let (x, rest) = self.input_buffer::<i16>(scratch)?;
            self.run::<i16, Libm, _>(x, all, rest, words)?
        } else {
            let (x, rest) = self.input_buffer::<f32>(scratch)?;
            self.run::<f32, Libm, _>(x, all, rest, words)?
        };
        self.show_words(words, TaskMask::ALL);
        Ok(Run { experts, input })
    }

    /// Makes the elements of one feature, whose own bytes start at `own` and whose coder at `coder` among
    /// the weights.
    fn feature<A: Front>(
        &self,
        f: &FeatureRecord,
        (own, coder, rows): (usize, usize, usize),
        v: Value<'_>,
        y: &mut [A],
    ) -> Option<InputCounts> {
        let weights = self.blob().weights;
        let own = weights.get(own..)?;
        if f.makes()? == Makes::Number {
            return number(f, own, v, y);
        }
        let coder = weights.get(coder..)?;
        // A field that is no list is read like a list of that one item.
        let (items, last) = (usize::from(f.items), f.has(FeatureRecord::KEEP_LAST));
        let (len, start) = match (f.is_list(), v.len()) {
            (true, Some(len)) => {
                let counted = len.min(items);
                (counted, if last { len - counted } else { 0 })
            }
            (true, None) => return None,
            (false, _) => (1, 0),
        };
        let item = |i: usize| {
            if f.is_list() {
                code(f, coder, v.item(start.wrapping_add(i))?)
            } else {
                code(f, coder, v)
            }
        };
        // All items are of one kind, so that the first says whether the kind is right.
        if len > 0 {
            item(0)?;
        }
        let codes = (0..len).map(|i| item(i).unwrap_or(u32::MAX));
        let makes = f.makes()?;
        match makes {
            Makes::Slot => {
                let (base, _) = one(own)?;
                let each = !f.is_list() || f.has(FeatureRecord::REPEATS);
                slots(base, each, codes, y);
            }
            Makes::Row => A::cells(f, weights.get(rows..)?)?.row(item(0)?, y),
            Makes::Sum | Makes::Mean | Makes::Max => {
                pool(&A::cells(f, weights.get(rows..)?)?, makes, codes, y);
            }
            Makes::Rows => {
                let cells = A::cells(f, weights.get(rows..)?)?;
                side_by_side(&cells, f.row_width(), codes, y);
            }
            Makes::Number => return None,
        }
        Some(InputCounts::default())
    }

    /// Makes the elements of all features whose fields lie in `record`, which starts with field `first`.
    pub(super) fn vector<A: Front>(
        &self,
        first: usize,
        record: &[Value<'_>],
        y: &mut [A],
    ) -> Result<InputCounts, RunError> {
        let integer = self.is_integer();
        let features = self.blob().features();
        let mut counts = InputCounts::default();
        let (mut at, mut y) = (0usize, y);
        for (i, f) in features.iter().enumerate() {
            let field = usize::from(f.field);
            let mut step = || -> Option<InputCounts> {
                let bytes = f.bytes(i, integer)?;
                let own = at;
                at = at.checked_add(bytes.total()?)?;
                let Some(v) = field.checked_sub(first).and_then(|i| record.get(i)) else {
                    return Some(InputCounts::default());
                };
                let (elements, rest) =
                    core::mem::take(&mut y).split_at_mut_checked(f.width.get().into())?;
                y = rest;
                let (coder, rows) = if f.shares(i) {
                    self.table(usize::from(f.table), integer)?
                } else {
                    let coder = own.checked_add(bytes.own)?;
                    (coder, coder.checked_add(bytes.coder)?)
                };
                self.feature(f, (own, coder, rows), *v, elements)
            };
            let made = step().ok_or(RunError::Value {
                field: field as u32,
            })?;
            counts = counts.and(made);
        }
        Ok(counts)
    }

    /// Where the coder and the rows of a feature lie among the weights.
    fn table(&self, table: usize, integer: bool) -> Option<(usize, usize)> {
        let mut at = 0usize;
        let features = self.blob().features();
        for (i, f) in features.iter().enumerate().take(table) {
            at = at.checked_add(f.bytes(i, integer)?.total()?)?;
        }
        let bytes = features.get(table)?.bytes(table, integer)?;
        let coder = at.checked_add(bytes.own)?;
        Some((coder, coder.checked_add(bytes.coder)?))
    }
}
