//! Calls that take a record of fields, and ranking.

use super::memory::{apart, check, range, read, status, words, write};
use super::{Model, opened, run_error, scratch_bytes};
use crate::codes::{MMOE_E_KIND, MMOE_E_LENGTH, Status};
use crate::types::{
    MMOE_KIND_ID, MMOE_KIND_IDS, MMOE_KIND_INTEGER, MMOE_KIND_INTEGERS, MMOE_KIND_MISSING,
    MMOE_KIND_NUMBER, MMOE_KIND_NUMBERS, MMOE_KIND_TEXT, MMOE_KIND_TEXTS, Ranked, Text, Value,
};
use core::ffi::c_void;
use core::mem::{MaybeUninit, align_of, size_of};
use core::ptr::null_mut;
use core::slice;
use mmoe::Dynamic;

/// What the generated headers count with.
const _: () = assert!(size_of::<mmoe::Value<'_>>() == 3 * size_of::<usize>());

/// Two words that are a Rust slice of bytes if [`Text`] is one: a pointer, then a length. Evaluated by the
/// compiler for this target, it proves the cast in [`value`].
const _: () = {
    const BYTES: &[u8] = &[1, 2, 3];
    // SAFETY: a slice of bytes and two words have the same size, which the compiler checks; any word may be
    // read as `MaybeUninit`.
    let [_, length]: [MaybeUninit<usize>; 2] = unsafe { core::mem::transmute(BYTES) };
    // SAFETY: fails to compile where the second word is no number (but the pointer).
    assert!(unsafe { length.assume_init() } == 3);
    assert!(size_of::<Text>() == size_of::<&[u8]>() && align_of::<Text>() == align_of::<&[u8]>());
};

/// A field of C as the engine takes it.
///
/// # Safety
///
/// What a text or a list points to is there, and nobody writes to it as long as `'a`.
unsafe fn value<'a>(v: &Value) -> Result<mmoe::Value<'a>, Status> {
    use mmoe::Value as V;
    let count = v.count as usize;
    // SAFETY: C wrote the member that `kind` names; the numbers and pointers are valid whatever their bits
    // are, and the arrays are there as the caller promises.
    unsafe {
        Ok(match v.kind {
            MMOE_KIND_MISSING => V::Missing,
            MMOE_KIND_NUMBER => V::Number(v.r#as.number),
            MMOE_KIND_INTEGER => V::Integer(v.r#as.integer),
            MMOE_KIND_ID => V::Id(v.r#as.id),
            MMOE_KIND_TEXT => V::Text(read(v.r#as.text.cast::<u8>(), count)?),
            MMOE_KIND_NUMBERS => V::Numbers(read(v.r#as.numbers, count)?),
            MMOE_KIND_INTEGERS => V::Integers(read(v.r#as.integers, count)?),
            MMOE_KIND_IDS => V::Ids(read(v.r#as.ids, count)?),
            MMOE_KIND_TEXTS => {
                let texts = read(v.r#as.texts, count)?;
                for text in texts {
                    // An empty text has a pointer too: it becomes a reference.
                    check(text.bytes, text.length)?;
                }
                // A `Text` is a slice of bytes in memory, as the constant above proves, and `check` found
                // that each can be one.
                V::Texts(slice::from_raw_parts(texts.as_ptr().cast(), count))
            }
            _ => return Err(MMOE_E_KIND),
        })
    }
}

/// The fields of C in the tail of the scratch as the engine takes them, and the words before them.
///
/// # Safety
///
/// As for [`value`], for every field.
unsafe fn fields<'a>(
    model: &Dynamic<'_>,
    record: &'a [Value],
    scratch: &'a mut [u32],
) -> Result<(&'a [mmoe::Value<'a>], &'a mut [u32]), Status> {
    let found = scratch.len() as u32;
    let short = mmoe::RunError::Scratch {
        expected: (scratch_bytes(model) / size_of::<u32>()) as u32,
        found,
    };
    let fields = mmoe::RunError::Fields {
        expected: model.fields() as u32,
        found: record.len() as u32,
    };
    if record.len() > model.fields() {
        return Err(run_error(fields));
    }
    let split = scratch.split_at_mut_checked(model.scratch_words());
    let (words, tail) = split.ok_or(run_error(short))?;
    // SAFETY: `MaybeUninit` may hold what the words hold, and it is never looked at before it is written.
    let (_, room, _) = unsafe { tail.align_to_mut::<MaybeUninit<mmoe::Value<'a>>>() };
    let room = room.get_mut(..record.len()).ok_or(run_error(short))?;
    for (room, v) in room.iter_mut().zip(record) {
        // SAFETY: as the caller promises.
        room.write(unsafe { value(v) }?);
    }
    // SAFETY: the loop wrote each of them.
    let values = unsafe { slice::from_raw_parts(room.as_ptr().cast(), record.len()) };
    Ok((values, words))
}

/// What a record is used for.
enum Use {
    /// All fields, at once.
    Whole,
    /// The context's, to stay in the scratch.
    Context,
    /// A candidate's, in the context that lies in the scratch.
    Candidate,
}

/// The three calls that take a record.
///
/// # Safety
///
/// As for `mmoe_predict_record`.
unsafe fn with_record(
    what: &Use,
    model: *const Model,
    (record, count): (*const Value, usize),
    (scratch, scratch_size): (*mut c_void, usize),
    (y, outputs): (*mut f32, usize),
) -> Status {
    status(|| {
        let (from, to) = (range(record, count), range(y, outputs));
        apart(range(scratch.cast::<u8>(), scratch_size), &[from, to])?;
        apart(to, &[from])?;
        // SAFETY: C promises the arrays; those that are written share no byte with another, as was found.
        let (model, record, scratch, y) = unsafe {
            (
                opened(model)?,
                read(record, count)?,
                words(scratch, scratch_size)?,
                write(y, outputs)?,
            )
        };
        // SAFETY: C promises what texts and lists point to.
        let (values, scratch) = unsafe { fields(model, record, scratch) }?;
        match what {
            Use::Whole => model.predict_record(values, scratch, y).map(|_| ()),
            Use::Context => model.context(values, scratch),
            Use::Candidate => model.predict_in(values, scratch, y).map(|_| ()),
        }
        .map_err(run_error)
    })
}

/// Computes all outputs of one record, whose values are in the order of the model's fields.
///
/// # Safety
///
/// `model` points to a handle, `record` to `fields` values with all that they point to, `scratch` to
/// `scratch_size` bytes and `y` to `outputs` floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_predict_record(
    model: *const Model,
    record: *const Value,
    fields: usize,
    scratch: *mut c_void,
    scratch_size: usize,
    y: *mut f32,
    outputs: usize,
) -> Status {
    let (record, scratch, y) = ((record, fields), (scratch, scratch_size), (y, outputs));
    // SAFETY: C promises the same for this function.
    unsafe { with_record(&Use::Whole, model, record, scratch, y) }
}

/// Takes the fields that many candidates share: the first `mmoe_context_fields` of a record. What the front
/// end makes of them stays in `scratch` until something else is predicted there.
///
/// # Safety
///
/// As for `mmoe_predict_record`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_rank_context(
    model: *const Model,
    context: *const Value,
    fields: usize,
    scratch: *mut c_void,
    scratch_size: usize,
) -> Status {
    let (record, scratch) = ((context, fields), (scratch, scratch_size));
    // SAFETY: C promises the same for this function; no output is written.
    unsafe { with_record(&Use::Context, model, record, scratch, (null_mut(), 0)) }
}

/// Computes all outputs of one candidate, given by its own fields, in the context that `mmoe_rank_context` left
/// in `scratch`. The outputs are those of `mmoe_predict_record` for all fields, to the last bit.
///
/// # Safety
///
/// As for `mmoe_predict_record`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_rank_candidate(
    model: *const Model,
    candidate: *const Value,
    fields: usize,
    scratch: *mut c_void,
    scratch_size: usize,
    y: *mut f32,
    outputs: usize,
) -> Status {
    let (record, scratch, y) = ((candidate, fields), (scratch, scratch_size), (y, outputs));
    // SAFETY: C promises the same for this function.
    unsafe { with_record(&Use::Candidate, model, record, scratch, y) }
}

/// Adds a candidate to the best so far, best first, if it is one of them: `best` has room for `top` of which
/// `*count` are taken (0 at the beginning). Ties go to the lower index; NaN is never chosen.
///
/// # Safety
///
/// `best` points to `top` candidates, the first `*count` of which earlier calls wrote, and `count` to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_rank_offer(
    best: *mut Ranked,
    top: usize,
    count: *mut usize,
    index: u32,
    score: f32,
) -> Status {
    status(|| {
        check(count, 1)?;
        apart(range(count, 1), &[range(best, top)])?;
        // SAFETY: it is not null and aligned, and C promises a number there; nobody else uses both now.
        let (best, count) =
            unsafe { (write(best.cast::<MaybeUninit<Ranked>>(), top)?, &mut *count) };
        if score.is_nan() {
            return Ok(());
        }
        let mut candidate = Ranked { index, score };
        let taken = best.get_mut(..*count).ok_or(MMOE_E_LENGTH)?;
        for place in taken {
            // SAFETY: C promises that earlier calls wrote the first `*count`.
            let ranked = unsafe { place.assume_init_mut() };
            if mmoe::rank::Ranked::from(candidate).beats(&(*ranked).into()) {
                core::mem::swap(&mut candidate, ranked);
            }
        }
        if let Some(free) = best.get_mut(*count) {
            free.write(candidate);
            *count = count.saturating_add(1);
        }
        Ok(())
    })
}
