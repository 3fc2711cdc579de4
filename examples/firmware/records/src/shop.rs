//! `shop`, version 0: the type of its blob (checksum 244b68fe).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::features::{Bag, Buckets, Direct, Embed, Exact, Farm, Log1p, Maybe, Mean, Number, Row, Sip, Slot, Slots, Sorted, Texts};
use mmoe::gate::SoftmaxGate;
use mmoe::{Aligned, Binary, Dense, Hot, I16, I8, LoadError, Logits, Mmoe, Seq};

/// A tower.
pub type Tower = Binary<Seq<Dense<12, 6, I8>, Logits<6, 1, I16>>>;
/// An expert.
pub type Expert = Hot<40, 31, Dense<88, 12, I8>>;
/// A gate.
pub type TaskGate = SoftmaxGate<Hot<40, 31, Logits<88, 3, I8>>>;

mmoe::features! {
    /// What the model takes.
    pub struct Record<'a> => RecordStage<P>[40] {
        /// Never NaN: the model knows no missing number.
        age: f32 = Number<P>,
        /// One of `new zealand`, `DE`, `Côte d'Ivoire`, `US`, `São Tomé`, `FR`, `a country with a rather long name`.
        country: Option<&'a str> = Embed<Maybe<Texts<7>>, 9, 3, P>,
        /// Falls into one of 6 buckets.
        distance: Option<f32> = Embed<Maybe<Buckets<5>>, 6, 2, P>,
        /// One of 7 ids from 0 to 999999999.
        zip: u32 = Embed<Sorted<7>, 8, 3, P>,
        /// Hashed into one of 32 buckets.
        campaign: Option<&'a str> = Embed<Maybe<Farm<32>>, 32, 3, P>,
        /// Hashed into one of 64 buckets.
        user: &'a str = Embed<Sip<64>, 64, 3, P>,
        /// A list, of whose items the first 8 count. Pass the items that there are, without the padding `0` of data files.
        /// Ids are 0 to 39.
        history: &'a [u32] = Bag<Direct<40>, 8, Mean, 40, 4, P>,
        /// Looked up as `history` is.
        item: u32 = Row as history,
        /// A list, of whose items the first 5 count. Pass the items that there are, without padding.
        /// One of `bikes`, `trains`, `planes`, `cars`, `feet`, `boats`.
        interests: &'a [&'a str] = Bag<Exact<6, 30>, 5, Mean, 7, 4, P>,
        /// Never NaN: the model knows no missing number.
        motion_0: f32 = Number<P>,
        /// Never NaN: the model knows no missing number.
        motion_1: f32 = Number<P>,
        /// Never NaN: the model knows no missing number.
        clicks: f32 = Log1p<P>,
        /// Never NaN: the model knows no missing number.
        price: f32 = Number<P>,
        /// Falls into one of 8 buckets.
        income: Option<f32> = Slot<Maybe<Buckets<7>>, P>,
        /// One of `tablet`, `watch`, `phone`, `desktop`.
        device: Option<&'a str> = Slot<Maybe<Exact<4, 23>>, P>,
        /// One of 3 ids from 10 to 30.
        plan: u32 = Slot<Sorted<3>, P>,
        /// Hashed into one of 10 buckets.
        site: Option<&'a str> = Slot<Maybe<Sip<10>>, P>,
        /// Ids are 0 to 23.
        hour: u32 = Slot<Direct<24>, P>,
        /// A list, of whose items the first 4 count. Pass the items that there are, without padding.
        /// One of `sport`, `food`, `news`, `films`, `music`.
        tags: &'a [&'a str] = Slots<Exact<5, 23>, 4, P>,
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
pub const INPUTS: usize = 40;
/// Tasks.
pub const TASKS: usize = 2;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 7048;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 5384;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
