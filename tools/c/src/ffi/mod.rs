//! What C calls: the only `unsafe` code of this crate.
//!
//! A function takes C's pointers and lengths, makes references of them (or returns what is wrong), and calls
//! [`Dynamic`]. What C must promise, since nobody can check it, stands once, in the header: that a pointer
//! with a length points to so many elements, and that nobody writes to the buffers during the call. All
//! `unsafe` blocks here rest on that promise and on checks that they name.

mod memory;
mod record;
pub mod typed;

use crate::codes::{MMOE_E_GATES, MMOE_E_NOT_OPEN, MMOE_E_TASK, MMOE_OK, Status, error_line};
use crate::types::{
    Identity, MMOE_OUTPUT_CLASSES, MMOE_OUTPUT_NUMBERS, MMOE_OUTPUT_PROBABILITY,
    MMOE_OUTPUT_PRODUCT, Run, Task,
};
use core::ffi::{c_char, c_void};
use core::mem::{MaybeUninit, align_of, size_of};
use core::ptr::null_mut;
use memory::{apart, check, place, range, read, status, words, write};
use mmoe::blob::OutputKind;
use mmoe::{Dynamic, TaskMask};
pub use record::{mmoe_predict_record, mmoe_rank_candidate, mmoe_rank_context, mmoe_rank_offer};

/// How many words of the machine's size a handle has.
pub const MMOE_MODEL_WORDS: usize = 28;

/// A model that is open: a handle in the caller's memory, of no use to C but to hand it on.
///
/// It may be copied. It points to the blob, which must stay where it is.
#[repr(C)]
#[derive(Debug)]
pub struct Model {
    words: [MaybeUninit<usize>; MMOE_MODEL_WORDS],
}

/// What lies in the words of a handle.
#[repr(C)]
struct Open {
    /// [`MARK`] in a handle that was opened.
    mark: usize,
    model: Dynamic<'static>,
}

/// Memory of a handle that was never opened hardly holds it; zeros do not.
const MARK: usize = 0x4d4d_4f45;

const _: () = assert!(size_of::<Open>() <= size_of::<Model>());
const _: () = assert!(align_of::<Open>() <= align_of::<Model>());

/// The model of a handle.
///
/// # Safety
///
/// `model` is null or points to a handle that nobody writes to as long as `'a`, and whose blob, if it is
/// open, is where it was.
unsafe fn opened<'a>(model: *const Model) -> Result<&'a Dynamic<'static>, Status> {
    check(model, 1)?;
    let open = model.cast::<Open>();
    // SAFETY: `check` found the pointer good, a handle is at least as large and as aligned as `Open`
    // (asserted above), and a `usize` is valid whatever the word holds.
    if unsafe { (*open).mark } != MARK {
        return Err(MMOE_E_NOT_OPEN);
    }
    // SAFETY: only `mmoe_open` writes the mark, and only after the model beside it.
    Ok(unsafe { &(*open).model })
}

fn run_error(error: mmoe::RunError) -> Status {
    Status::from(error.code())
}

/// Bytes of scratch that the values of a record take as Rust sees them.
fn record_bytes(model: &Dynamic<'_>) -> usize {
    // One word of each is there so that they can be aligned.
    model
        .fields()
        .saturating_mul(size_of::<mmoe::Value<'_>>())
        .saturating_add(if model.fields() > 0 {
            align_of::<mmoe::Value<'_>>()
        } else {
            0
        })
}

fn scratch_bytes(model: &Dynamic<'_>) -> usize {
    let words = model.scratch_words().saturating_mul(size_of::<u32>());
    words.saturating_add(record_bytes(model))
}

/// Checks a blob, and opens the model in it: length, checksum, and every rule of the format. Nothing is copied:
/// the blob must stay where it is, unchanged, as long as the model is used. It must lie at a multiple of 4 bytes.
///
/// Where it fails, the handle is closed: every call with it returns `MMOE_E_NOT_OPEN`.
///
/// # Safety
///
/// `model` points to a handle, and `blob` to `bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_open(model: *mut Model, blob: *const c_void, bytes: usize) -> Status {
    status(|| {
        // SAFETY: C promises a handle, which is at least as large and as aligned as `Open` (asserted above).
        let open = unsafe { place(model) }.map(|_| model.cast::<Open>())?;
        // SAFETY: the pointer is good, and a number is written where one lies.
        unsafe { (*open).mark = 0 };
        // SAFETY: C promises the bytes, and that they stay.
        let blob: &'static [u8] = unsafe { read(blob.cast::<u8>(), bytes) }?;
        let loaded = Dynamic::load(blob).map_err(|e| Status::from(e.code()))?;
        // SAFETY: as above; nothing is dropped there, since `Open` needs no drop.
        unsafe {
            open.write(Open {
                mark: MARK,
                model: loaded,
            });
        }
        Ok(())
    })
}

/// A number that a model tells of itself; 0 where the handle is not open.
///
/// # Safety
///
/// As for [`opened`].
unsafe fn number(model: *const Model, of: impl FnOnce(&Dynamic<'static>) -> usize) -> usize {
    // SAFETY: as the caller promises.
    unsafe { opened(model) }.map_or(0, of)
}

/// How many features a row has; of a model that takes records, how many numbers its front end makes. 0 where
/// the handle is not open, as of all functions that return a number.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_inputs(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe { number(model, Dynamic::inputs) }
}

/// How many numbers all tasks have together.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_outputs(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe { number(model, Dynamic::outputs) }
}

/// How many fields a record has; 0 where the model takes features.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_fields(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe { number(model, Dynamic::fields) }
}

/// How many of a record's fields are the context that candidates share; all where the model does not rank.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_context_fields(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe { number(model, Dynamic::context_fields) }
}

/// How many tasks there are.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_task_count(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe { number(model, |m| m.tasks().count()) }
}

/// How many weights all gates have together.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_gate_count(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe { number(model, gate_count) }
}

fn gate_count(model: &Dynamic<'_>) -> usize {
    model.gates().map(|g| g.experts().count()).sum()
}

/// How many bytes of scratch a prediction needs, at an address that is a multiple of 4.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_scratch_size(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe { number(model, scratch_bytes) }
}

/// How many bytes of scratch `mmoe_self_test` needs.
///
/// # Safety
///
/// `model` points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_self_test_scratch_size(model: *const Model) -> usize {
    // SAFETY: C promises a handle.
    unsafe {
        number(model, |m| {
            m.self_test_words().saturating_mul(size_of::<u32>())
        })
    }
}

/// Tells a model's name, version and checksum.
///
/// # Safety
///
/// `model` points to a handle, and `id` to memory for the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_id(model: *const Model, id: *mut Identity) -> Status {
    status(|| {
        // SAFETY: C promises a handle, and memory for the answer.
        let (model, place) = unsafe { (opened(model)?, place(id)?) };
        let (id, bytes) = (model.blob().id(), model.blob().total_len());
        place.write(Identity {
            name: id.name.as_ptr().cast(),
            name_length: id.name.len(),
            version: id.version,
            checksum: id.checksum,
            bytes,
        });
        Ok(())
    })
}

/// Tells what task number `index` is, from 0.
///
/// # Safety
///
/// `model` points to a handle, and `task` to memory for the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_task(model: *const Model, index: usize, task: *mut Task) -> Status {
    status(|| {
        // SAFETY: C promises a handle, and memory for the answer.
        let (model, place) = unsafe { (opened(model)?, place(task)?) };
        let task = model.tasks().nth(index).ok_or(MMOE_E_TASK)?;
        place.write(Task {
            name: task.name.as_ptr().cast(),
            name_length: task.name.len(),
            start: task.start,
            width: task.width,
            output: match task.output {
                OutputKind::Sigmoid => MMOE_OUTPUT_PROBABILITY,
                OutputKind::Softmax => MMOE_OUTPUT_CLASSES,
                OutputKind::Linear => MMOE_OUTPUT_NUMBERS,
                OutputKind::Product => MMOE_OUTPUT_PRODUCT,
            },
        });
        Ok(())
    })
}

/// Computes all outputs of one row of features and writes them to `y`, task after task.
///
/// The buffers must not share bytes; that is checked.
///
/// # Safety
///
/// `model` points to a handle, `x` to `inputs` floats, `scratch` to `scratch_size` bytes and `y` to `outputs`
/// floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_predict(
    model: *const Model,
    x: *const f32,
    inputs: usize,
    scratch: *mut c_void,
    scratch_size: usize,
    y: *mut f32,
    outputs: usize,
) -> Status {
    // SAFETY: C promises the same for this function; a null pointer is looked at in `predict_tasks`.
    unsafe {
        mmoe_predict_tasks(
            model,
            u64::MAX,
            x,
            inputs,
            scratch,
            scratch_size,
            y,
            outputs,
            null_mut(),
        )
    }
}

/// Does what `mmoe_predict` does for some tasks: bit k of `tasks` stands for task k. Outputs of other tasks
/// stay as they are, and what only they need is not computed. `run`, which may be null, is told what was done.
///
/// # Safety
///
/// As for `mmoe_predict`, and `run` is null or points to memory for the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_predict_tasks(
    model: *const Model,
    tasks: u64,
    x: *const f32,
    inputs: usize,
    scratch: *mut c_void,
    scratch_size: usize,
    y: *mut f32,
    outputs: usize,
    run: *mut Run,
) -> Status {
    status(|| {
        let (from, to) = (range(x, inputs), range(y, outputs));
        apart(range(scratch.cast::<u8>(), scratch_size), &[from, to])?;
        apart(to, &[from])?;
        // SAFETY: C promises the arrays; those that are written share no byte with another, as was found.
        let (model, x, scratch, y) = unsafe {
            (
                opened(model)?,
                read(x, inputs)?,
                words(scratch, scratch_size)?,
                write(y, outputs)?,
            )
        };
        let done = model
            .predict_tasks(x, TaskMask::from_bits(tasks), scratch, y)
            .map_err(run_error)?;
        if !run.is_null() {
            // SAFETY: it is not null, and so C promises memory for the answer.
            unsafe { place(run) }?.write(done.into());
        }
        Ok(())
    })
}

/// Does what `mmoe_predict` does, and writes to `gates` the weights that the gates gave to the experts, gate
/// after gate: `mmoe_gate_count` floats.
///
/// # Safety
///
/// As for `mmoe_predict`, and `gates` points to `gate_room` floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_predict_gates(
    model: *const Model,
    x: *const f32,
    inputs: usize,
    scratch: *mut c_void,
    scratch_size: usize,
    y: *mut f32,
    outputs: usize,
    gates: *mut f32,
    gate_room: usize,
) -> Status {
    status(|| {
        let written = range(gates, gate_room);
        apart(written, &[range(x, inputs), range(y, outputs)])?;
        apart(written, &[range(scratch.cast::<u8>(), scratch_size)])?;
        // SAFETY: C promises a handle and the room.
        let (opened, gates) = unsafe { (opened(model)?, write(gates, gate_room)?) };
        if gates.len() < gate_count(opened) {
            return Err(MMOE_E_GATES);
        }
        // SAFETY: C promises what `mmoe_predict` needs.
        let predicted =
            unsafe { mmoe_predict(model, x, inputs, scratch, scratch_size, y, outputs) };
        if predicted != MMOE_OK {
            return Err(predicted);
        }
        // SAFETY: C promises the scratch, and nobody else uses it now.
        let scratch = unsafe { words(scratch, scratch_size) }?;
        let mut rest = gates;
        for gate in 0..opened.gates().count() {
            let written = opened.gate_weights(scratch, gate, rest);
            rest = rest.get_mut(written..).unwrap_or_default();
        }
        Ok(())
    })
}

/// Runs the rows that `mmoe convert --self-test N` stored in the blob, and compares the bits of every output
/// with the stored ones. `rows`, which may be null, is told how many there are.
///
/// # Safety
///
/// `model` points to a handle, `scratch` to `scratch_size` bytes; `rows` is null or points to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmoe_self_test(
    model: *const Model,
    scratch: *mut c_void,
    scratch_size: usize,
    rows: *mut u32,
) -> Status {
    status(|| {
        // SAFETY: C promises a handle and the scratch.
        let (model, scratch) = unsafe { (opened(model)?, words(scratch, scratch_size)?) };
        let run = model
            .self_test(scratch)
            .map_err(|e| Status::from(e.code()))?;
        if !rows.is_null() {
            // SAFETY: it is not null, and so C promises memory for a number.
            unsafe { place(rows) }?.write(run);
        }
        Ok(())
    })
}

/// A line on a code that a function returned, which names it and the remedy. It ends in a zero and is never null.
#[unsafe(no_mangle)]
pub extern "C" fn mmoe_error_name(code: Status) -> *const c_char {
    error_line(code).as_ptr()
}
