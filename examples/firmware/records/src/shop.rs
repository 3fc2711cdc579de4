//! `shop`, version 0: the type of its blob (checksum 40e4b4e3).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::features::{Bag, Buckets, Direct, Embed, Exact, Farm, Log1p, Max, Maybe, Mean, Number, Row, Sip, Sorted, Texts};
use mmoe::{Aligned, Binary, Dense, Gate, I16, I8, LoadError, Logits, Mmoe, Seq};

/// A tower.
pub type Tower = Binary<Seq<Dense<12, 6, I8>, Logits<6, 1, I16>>>;
/// An expert.
pub type Expert = Dense<88, 12, I8>;
/// A gate.
pub type TaskGate = Gate<88, 3, I8>;

mmoe::features! {
    /// What the model takes.
    pub struct Record<'a> => RecordStage<P>[88] {
        age: f32 = Number<P>,
        country: Option<&'a str> = Embed<Maybe<Texts<7>>, 9, 3, P>,
        income: Option<f32> = Embed<Maybe<Buckets<7>>, 8, 8, P>,
        distance: Option<f32> = Embed<Maybe<Buckets<5>>, 6, 2, P>,
        device: Option<&'a str> = Embed<Maybe<Exact<4, 23>>, 5, 5, P>,
        zip: u32 = Embed<Sorted<7>, 8, 3, P>,
        plan: u32 = Embed<Sorted<3>, 4, 4, P>,
        campaign: Option<&'a str> = Embed<Maybe<Farm<32>>, 32, 3, P>,
        site: Option<&'a str> = Embed<Maybe<Sip<10>>, 10, 10, P>,
        user: &'a str = Embed<Sip<64>, 64, 3, P>,
        hour: u32 = Embed<Direct<24>, 24, 24, P>,
        tags: &'a [&'a str] = Bag<Exact<5, 23>, 4, Max, 6, 6, P>,
        history: &'a [u32] = Bag<Direct<40>, 8, Mean, 40, 4, P>,
        item: u32 = Row as history,
        interests: &'a [&'a str] = Bag<Exact<6, 30>, 5, Mean, 7, 4, P>,
        motion_0: f32 = Number<P>,
        motion_1: f32 = Number<P>,
        clicks: f32 = Log1p<P>,
        price: f32 = Number<P>,
    }
}

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `click`: task `click`, a probability
    /// - `buy`: task `buy`, a probability
    pub struct Towers => Outputs { click, buy }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<[Expert; 3], [TaskGate; 2], Towers<Tower, Tower>, RecordStage<I8>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("shop.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Elements of the vector that a record makes.
pub const INPUTS: usize = 88;
/// Tasks.
pub const TASKS: usize = 2;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 8168;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 6184;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
