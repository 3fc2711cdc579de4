//! Models that take records: the click model of `tests/fixtures/deepctr-torch-ctr`, and one whose front
//! end has a feature of every kind.

use mmoe::features::{
    Bag, Both, Buckets, Clipped, Direct, Embed, Exact, Farm, Int, Last, Log1p, Log10, Lookup, Max,
    Maybe, MaybeInt, Mean, Murmur, Number, Pooled, Repeated, Row, SideBySide, Sip, Slot, Slots,
    Sorted, Sum, Texts,
};
use mmoe::precision::{Precision, Wide};
use mmoe::{Binary, Dense, Gate, Head, Mmoe, Seq};

mmoe::features! {
    /// A page that is shown to somebody.
    pub struct Click<'a> => ClickStage<P>[60] {
        hour: u32 = Embed<Direct<24>, 24, 8, P>,
        device: u32 = Embed<Direct<10>, 10, 8, P>,
        region: &'a str = Embed<Texts<50>, 50, 8, P>,
        category: u32 = Embed<Direct<200>, 200, 8, P>,
        seller: u32 = Embed<Sorted<1000>, 1000, 8, P>,
        item: u32 = Embed<Sorted<5000>, 5000, 8, P>,
        history: &'a [u32] = Bag<Direct<500>, 20, Mean, 500, 8, P>,
        d0: f32 = Log1p<P>,
        d1: f32 = Number<P>,
        d2: f32 = Number<P>,
        d3: f32 = Number<P>,
    }
}

/// The experts, gates and towers of the click model.
type Expert<P> = Seq<Dense<60, 64, P>, Dense<64, 32, P>>;
type Tower<P> = Binary<Seq<Dense<32, 16, P>, Head<16, 1, P>>>;

/// The click model from its records.
pub type Clicks<P> = Mmoe<[Expert<P>; 4], [Gate<60, 4, Wide<P>>; 2], [Tower<P>; 2], ClickStage<P>>;

/// The same model from the vector that its front end makes.
pub type ClicksFromVector<P> = Mmoe<[Expert<P>; 4], [Gate<60, 4, Wide<P>>; 2], [Tower<P>; 2]>;

mmoe::features! {
    /// Fields of every kind that belong to a context.
    pub struct Context<'a> => ContextStage<P>[38] {
        plain: f32 = Number<P>,
        income: f32 = Log1p<P>,
        price: f32 = Clipped<Log10<P>>,
        reading: i32 = Int<P>,
        maybe: Option<i32> = MaybeInt<P>,
        hour: u32 = Embed<Direct<24>, 25, 3, P>,
        country: Option<&'a str> = Embed<Maybe<Texts<20>>, 22, 4, P>,
        city: &'a str = Embed<Exact<10, 90>, 11, 3, P>,
        age: Option<f32> = Embed<Maybe<Buckets<6>>, 8, 2, P>,
        count: i32 = Embed<Buckets<5, i32>, 6, 1, P>,
        tag: &'a str = Embed<Farm<16>, 16, 3, P>,
        salted: u32 = Embed<Sip<9, u32>, 9, 2, P>,
        hashed: i32 = Embed<Murmur<70_000, i32>, 7, 2, P>,
        seen: &'a [u32] = Bag<Sorted<50>, 5, Mean, 51, 4, P>,
        last: u32 = Row as seen,
        recent: &'a [u32] = Pooled<2, Last<Mean>> as seen,
        device: u32 = Slot<Direct<4>, P>,
    }
}
mmoe::features! {
    /// Fields of every other kind, which belong to a candidate.
    pub struct Candidate<'a> => CandidateStage<P>[16] {
        liked: &'a [&'a str] = Bag<Texts<12>, 4, Last<Sum>, 12, 3, P>,
        best: &'a [f32] = Bag<Buckets<4>, 3, Max, 5, 2, P>,
        side: &'a [u32] = Lookup<Direct<8>, 9, 2, P, SideBySide<3>>,
        topics: &'a [u32] = Slots<Direct<6>, 3, P>,
        words: &'a [&'a str] = Slots<Texts<5>, 2, P, Repeated>,
    }
}

/// The stage of both.
type Stage<P> = Both<ContextStage<P>, CandidateStage<P>, [<P as Precision>::Act; 54]>;

/// A model with every kind of feature, which ranks.
pub type Everything<P> =
    Mmoe<[Dense<54, 8, P>; 4], [Gate<54, 4, P>; 1], [Binary<Head<8, 1, P>>; 1], Stage<P>>;
