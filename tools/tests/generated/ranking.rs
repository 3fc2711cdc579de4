//! `ranking`, version 3: the type of its blob (checksum 0bcae028).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::features::{Bag, Both, Buckets, Clipped, Direct, Embed, Exact, Farm, Int, Log1p, Maybe, Mean, Number, Row, Sorted};
use mmoe::{Aligned, Binary, Dense, Gate, I16, I8, LoadError, Logits, Mmoe, Regression};

/// A tower.
pub type Tower0 = Binary<Logits<4, 1, I16>>;
/// A tower.
pub type Tower1 = Regression<Logits<4, 1, I16>>;
/// An expert.
pub type Expert = Dense<12, 4, I8>;
/// A gate.
pub type TaskGate = Gate<12, 2, I8>;

mmoe::features! {
    /// What many candidates share.
    pub struct Context<'a> => ContextStage<P>[10] {
        /// One of `DE`, `FR`, `A`.
        country: Option<&'a str> = Embed<Maybe<Exact<3, 5>>, 5, 2, P>,
        /// A list, of whose items the first 3 count. Pass the items that there are, without padding.
        /// One of 3 ids from 7 to 1000000.
        history: &'a [u32] = Bag<Sorted<3>, 3, Mean, 3, 2, P>,
        /// Looked up as `history` is.
        item: u32 = Row as history,
        /// Called `Price (k$)`.
        /// NaN is a missing number.
        price_k: f32 = Clipped<Log1p<P>>,
        /// Falls into one of 3 buckets.
        age: f32 = Embed<Buckets<2>, 3, 1, P>,
        age_2(age) = Number<P>,
        count: i32 = Int<P>,
    }
}

/// The values of `device`: a record has `DeviceValue::… as u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DeviceValue {
    /// `phone`.
    Phone = 0,
    /// `big_screen`.
    BigScreen = 1,
    /// None of these.
    Other = 2,
}

mmoe::features! {
    /// What each candidate has of its own.
    pub struct Candidate<'a> => CandidateStage<P>[2] {
        /// Hashed into one of 5 buckets.
        tag: &'a str = Embed<Farm<5>, 5, 1, P>,
        /// [`DeviceValue`]`::… as u32`.
        device: Option<u32> = Embed<Maybe<Direct<2>>, 3, 1, P>,
    }
}

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, a probability
    /// - `b`: task `b`, raw values
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<[Expert; 2], [TaskGate; 2], Towers<Tower0, Tower1>, Both<ContextStage<I8>, CandidateStage<I8>, [i16; 12]>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("ranking.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Elements of the vector that a record makes.
pub const INPUTS: usize = 12;
/// Tasks.
pub const TASKS: usize = 2;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 1152;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 448;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
