//! What C and this library hand to each other.

use core::ffi::c_char;

/// Who a model is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Its name, in the blob: `name_length` bytes of UTF-8 without a zero at the end.
    pub name: *const c_char,
    /// The length of the name.
    pub name_length: usize,
    /// Its version; 0 where none was given.
    pub version: u32,
    /// The blob's checksum, which tells two trainings of one model apart.
    pub checksum: u32,
    /// The blob's length. What a flash region holds behind it is not the blob's.
    pub bytes: u32,
}

/// The output of a task is a probability.
pub const MMOE_OUTPUT_PROBABILITY: u32 = 0;
/// The outputs of a task are the probabilities of classes, which add up to 1.
pub const MMOE_OUTPUT_CLASSES: u32 = 1;
/// The outputs of a task are numbers of any size.
pub const MMOE_OUTPUT_NUMBERS: u32 = 2;
/// The output of a task is the product of two other tasks' probabilities.
pub const MMOE_OUTPUT_PRODUCT: u32 = 3;

/// One task of a model.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Its name, in the blob: `name_length` bytes of UTF-8 without a zero at the end.
    pub name: *const c_char,
    /// The length of the name.
    pub name_length: usize,
    /// Where its numbers start among all outputs.
    pub start: usize,
    /// How many numbers it has.
    pub width: usize,
    /// What they are: `MMOE_OUTPUT_...`.
    pub output: u32,
}

/// What a prediction did.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// How many experts ran.
    pub experts: u32,
    /// How many features were NaN; they count as 0. Float models do not count.
    pub nan: u32,
    /// How many features were beyond the range of calibration and were cut to it. Float models do not count.
    pub saturated: u32,
}

impl From<mmoe::Run> for Run {
    fn from(run: mmoe::Run) -> Self {
        Self {
            experts: run.experts,
            nan: run.input.nan,
            saturated: run.input.saturated,
        }
    }
}

/// A field is not there.
pub const MMOE_KIND_MISSING: u32 = 0;
/// A number, in `as.number`.
pub const MMOE_KIND_NUMBER: u32 = 1;
/// An integer, in `as.integer`.
pub const MMOE_KIND_INTEGER: u32 = 2;
/// An id, or the number of an enum's value, in `as.id`.
pub const MMOE_KIND_ID: u32 = 3;
/// Text: `count` bytes at `as.text`.
pub const MMOE_KIND_TEXT: u32 = 4;
/// A list of `count` floats at `as.numbers`.
pub const MMOE_KIND_NUMBERS: u32 = 5;
/// A list of `count` integers at `as.integers`.
pub const MMOE_KIND_INTEGERS: u32 = 6;
/// A list of `count` ids at `as.ids`.
pub const MMOE_KIND_IDS: u32 = 7;
/// A list of `count` texts at `as.texts`.
pub const MMOE_KIND_TEXTS: u32 = 8;

/// Text of a list: bytes and their number. No zero is needed at the end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// The first byte.
    pub bytes: *const c_char,
    /// How many there are.
    pub length: usize,
}

/// What a field holds; the value's `kind` says which member.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Content {
    /// Of `MMOE_KIND_NUMBER`.
    pub number: f32,
    /// Of `MMOE_KIND_INTEGER`.
    pub integer: i32,
    /// Of `MMOE_KIND_ID`.
    pub id: u32,
    /// Of `MMOE_KIND_TEXT`.
    pub text: *const c_char,
    /// Of `MMOE_KIND_NUMBERS`.
    pub numbers: *const f32,
    /// Of `MMOE_KIND_INTEGERS`.
    pub integers: *const i32,
    /// Of `MMOE_KIND_IDS`.
    pub ids: *const u32,
    /// Of `MMOE_KIND_TEXTS`.
    pub texts: *const Text,
}

impl core::fmt::Debug for Content {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Content")
    }
}

/// One field of a record. `mmoe_number(0.5f)` and its kin make one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// `MMOE_KIND_...`
    pub kind: u32,
    /// Of texts and lists, how many bytes or items there are.
    pub count: u32,
    /// What it holds.
    pub r#as: Content,
}

/// A candidate among the best, with its score.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Ranked {
    /// The number of the candidate.
    pub index: u32,
    /// Its score.
    pub score: f32,
}

impl From<Ranked> for mmoe::rank::Ranked {
    fn from(Ranked { index, score }: Ranked) -> Self {
        Self { index, score }
    }
}
