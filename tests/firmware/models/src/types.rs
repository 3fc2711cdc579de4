//! The models, spelled as types.

use mmoe::layer::{
    Clip, Dice, Elu, Exp, Gelu, GeluTanh, GroupNorm, HardSwish, Mish, Pointwise, RmsNorm, RowDice,
    Silu, Softplus, Softsign, UnitNorm,
};
use mmoe::precision::Wide;
use mmoe::tower::Activated;
use mmoe::{
    Binary, Dense, Gate, Head, Hot, I8, I16, Linear, Logits, MixtureOutput, Mmoe, Multiclass,
    Regression, Seq, Seq3, SharedBottom,
    gate::{DSelectKGate, HardGate, SoftmaxGate, TopKGate},
    parallel::{List2, List3},
};

type EdgeExpert<P> = Seq<Dense<64, 64, P>, Dense<64, 32, P>>;
type EdgeTower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
type EdgeTowers<P> = List3<Binary<EdgeTower<P>>, Binary<EdgeTower<P>>, Regression<EdgeTower<P>>>;
/// `pytorch-edge`: 64 inputs, 4 experts, 3 gates; two probabilities and a real number.
pub type Edge<P> = Mmoe<[EdgeExpert<P>; 4], [Gate<64, 4, P>; 3], EdgeTowers<P>>;

type RecsysTower<P> = Regression<Seq<Dense<16, 8, P>, Head<8, 1, P>>>;
/// The shape of `keras-hub-recsys` with gates `G`: 100 inputs, 8 experts, 2 gates; two real
/// numbers.
pub type RecsysOf<G, P> = Mmoe<[Dense<100, 16, P>; 8], [G; 2], [RecsysTower<P>; 2]>;
/// `keras-hub-recsys`.
pub type Recsys<P> = RecsysOf<Softmax8<P>, P>;
/// The same with wide experts, which shows what a multiply-accumulate of 16-bit weights takes.
pub type RecsysWide = Mmoe<[Dense<100, 16, I16>; 8], [Softmax8<I8>; 2], [RecsysTower<I8>; 2]>;

type DeepTower<P> = Regression<Seq<Dense<32, 16, P>, Head<16, 1, P>>>;
/// Deeper experts on as many inputs: 8 experts 100→64→32, gates `G`.
pub type DeepOf<G, P> =
    Mmoe<[Seq<Dense<100, 64, P>, Dense<64, 32, P>>; 8], [G; 2], [DeepTower<P>; 2]>;
/// With softmax gates.
pub type Deep<P> = DeepOf<Softmax8<P>, P>;

/// A softmax over 8 experts.
pub type Softmax8<P> = Gate<100, 8, P>;
/// The largest of 8 alone.
pub type Hard8<P> = HardGate<Logits<100, 8, P>>;
/// The two largest of 8, renormalised.
pub type Top8<P> = TopKGate<Logits<100, 8, P>, 2, true>;
/// DSelect-k over 8 experts with 2 selectors of 3 bits.
pub type Select8<P> = DSelectKGate<Logits<100, 8, P>, 8, 2>;

type CensusTower<P> = Multiclass<Seq<Dense<4, 8, P>, Head<8, 2, P>>>;
/// `keras-mmoe-census`: 499 inputs, 8 experts, 2 gates; two pairs of class probabilities.
pub type Census<P> = Mmoe<[Dense<499, 4, P>; 8], [Gate<499, 8, P>; 2], [CensusTower<P>; 2]>;

/// The same on 11 numbers and 29 codes, for 488 one-hot columns.
pub type CensusCodes<P> = Mmoe<
    [Hot<40, 11, Dense<499, 4, P>>; 8],
    [SoftmaxGate<Hot<40, 11, Logits<499, 8, P>>>; 2],
    [CensusTower<P>; 2],
>;

type SmallTower<P> = Regression<Seq<Dense<8, 4, P>, Head<4, 1, P>>>;
/// A model that crosses a serial line quickly: 16 inputs, 3 experts, 2 gates; two real numbers.
pub type Small<P> = Mmoe<[Dense<16, 8, P>; 3], [Gate<16, 3, P>; 2], [SmallTower<P>; 2]>;

type CurvedExpert<P> = Seq<
    Seq<Dense<16, 8, P, Gelu>, Seq<GroupNorm<8, 2, P>, Pointwise<8, P, Silu>>>,
    Seq<Seq3<Dense<8, 6, P, Softsign>, RmsNorm<6, P>, Dice<6, P>>, Dense<6, 4, P, Elu>>,
>;
type CurvedNumbers<P> =
    Seq3<UnitNorm<4, P>, Dense<4, 5, P, HardSwish>, Seq<RowDice<5, P>, Dense<5, 2, Wide<P>, Exp>>>;
type CurvedChance<P> = Seq<
    Seq<Dense<4, 3, P, Clip>, Dense<3, 3, P, Softplus>>,
    Seq<Dense<3, 3, P, GeluTanh>, Head<3, 1, P>>,
>;
/// Every activation, every norm and both kinds of Dice once: 16 inputs, 2 experts, 2 gates; two
/// numbers and a probability.
pub type Curved<P> = Mmoe<
    [CurvedExpert<P>; 2],
    [SoftmaxGate<Seq<Dense<16, 3, P, Mish>, Logits<3, 2, P>>>; 2],
    List2<Activated<CurvedNumbers<P>>, Binary<CurvedChance<P>>>,
>;

type Middle<P> = Dense<128, 128, P>;
type Encoder<P> =
    Seq<Seq3<Dense<640, 128, P>, Middle<P>, Middle<P>>, Seq<Middle<P>, Dense<128, 8, P>>>;
type Decoder<P> =
    Seq<Seq<Dense<8, 128, P>, Middle<P>>, Seq3<Middle<P>, Middle<P>, Dense<128, 640, P, Linear>>>;
/// MLPerf Tiny's anomaly autoencoder, 640→128×4→8→128×4→640: one expert, no gate, no tower.
pub type Autoencoder<P> = SharedBottom<Seq<Encoder<P>, Decoder<P>>, [MixtureOutput<640, P>; 1], 1>;
