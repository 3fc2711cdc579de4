//! `feed`, version 0: the type of its blob (checksum 6748bb32).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::features::{Bag, Both, Buckets, Direct, Embed, Exact, Log10, Maybe, Mean, Number, Row};
use mmoe::{Aligned, Binary, Dense, Gate, I16, I8, LoadError, Logits, Mmoe, Seq};

/// A tower.
pub type Tower = Binary<Seq<Dense<8, 6, I8>, Logits<6, 1, I16>>>;
/// An expert.
pub type Expert = Seq<Dense<26, 16, I8>, Dense<16, 8, I8>>;
/// A gate.
pub type TaskGate = Gate<26, 3, I8>;

mmoe::features! {
    /// What many candidates share.
    pub struct Context<'a> => ContextStage<P>[13] {
        /// NaN is a missing number.
        age: f32 = Number<P>,
        /// One of `Beijing`, `Berlin`, `Hangzhou`, `New York`, `杭州`.
        city: Option<&'a str> = Embed<Maybe<Exact<5, 35>>, 6, 4, P>,
        /// Looked up as `city` is.
        birthplace: Option<&'a str> = Row as city,
        /// Ids are 0 to 23.
        hour: Option<u32> = Embed<Maybe<Direct<24>>, 24, 3, P>,
        /// NaN is a missing number.
        spend: f32 = Log10<P>,
    }
}

mmoe::features! {
    /// What each candidate has of its own.
    pub struct Candidate<'a> => CandidateStage<P>[13] {
        /// One of `globex`, `acme`, `initech`.
        brand: Option<&'a str> = Embed<Maybe<Exact<3, 17>>, 5, 4, P>,
        /// A list, of whose items the first 5 count. Pass the items that there are, without padding.
        /// One of `green`, `crimson`, `red`, `blue`.
        tags: &'a [&'a str] = Bag<Exact<4, 19>, 5, Mean, 5, 4, P>,
        /// Falls into one of 5 buckets.
        price: Option<f32> = Embed<Maybe<Buckets<4>>, 5, 4, P>,
        /// NaN is a missing number.
        score: f32 = Number<P>,
    }
}

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `ctr`: task `ctr`, a probability
    /// - `cvr`: task `cvr`, a probability
    pub struct Towers => Outputs { ctr, cvr }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<[Expert; 3], [TaskGate; 2], Towers<Tower, Tower>, Both<ContextStage<I8>, CandidateStage<I8>, [i16; 26]>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("feed.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Elements of the vector that a record makes.
pub const INPUTS: usize = 26;
/// Tasks.
pub const TASKS: usize = 2;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 3980;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 3084;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
