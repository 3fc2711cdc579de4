//! The whole family, spelled with today's types: each model is packed from a random graph, and its
//! type, its records and (float models) an f64 evaluation agree. What no blob can say yet is built
//! from zero bytes or by value, and its output type asserted.

mod built;
mod own;
mod partial;
mod shapes;
mod spelled;
mod wide;

use mmoe::{
    F32, I8, I16, W8,
    precision::{Pairs, Quad},
};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert::{Conversion, Precision};
use testkit::Rng;
use testkit::integer::Wide;

/// A test for each shape: in F32 and W8 against the oracle, in I8 of every packing and in I16 typed
/// against erased.
macro_rules! family {
    ($($test:ident: $Model:ident;)*) => {$(
        #[test]
        fn $test() {
            let mut rng = Rng::new(12);
            let graph = shapes::$test(&mut rng);
            spelled::float::<shapes::$Model<F32>>(&graph, Precision::F32, &mut rng);
            spelled::float::<shapes::$Model<W8>>(&graph, Precision::W8, &mut rng);
            spelled::integer::<shapes::$Model<I8>>(&graph, Wide::Heads, Packing::Panels, &mut rng);
            spelled::integer::<shapes::$Model<I8<Quad>>>(&graph, Wide::Heads, Packing::Quad, &mut rng);
            spelled::integer::<shapes::$Model<I8<Pairs>>>(&graph, Wide::Heads, Packing::Pairs, &mut rng);
            spelled::integer::<shapes::$Model<I16>>(&graph, Wide::All, Packing::Panels, &mut rng);
        }
    )*};
}

family! {
    independent: IndependentOf;
    shared_bottom: SharedExpert;
    one_gate_for_all: OneGate;
    mmoe_of_unlike_experts_and_towers: Unlike;
    every_gate: EveryGate;
    cgc: CgcOf;
    two_levels_of_ple: PleOf;
    stacked_on_one_stream: StackedOne;
    stacked_on_a_stream_each: StackedEach;
    three_levels: Three;
    mixtures_as_outputs: Mixtures;
    autoencoder: Autoencoder;
    product_of_two_tasks: WithProduct;
    curved: CurvedOf;
}

/// A test for each shape of many experts or tasks. What differs from small ones is the wiring, so one
/// packing is enough.
macro_rules! many {
    ($($test:ident: $Model:ident, $spelled:expr;)*) => {$(
        #[test]
        fn $test() {
            let mut rng = Rng::new(13);
            let graph = wide::$test(&mut rng);
            spelled::float::<wide::$Model<F32>>(&graph, Precision::F32, &mut rng);
            spelled::float::<wide::$Model<W8>>(&graph, Precision::W8, &mut rng);
            spelled::integer::<wide::$Model<I8>>(&graph, Wide::Heads, Packing::Panels, &mut rng);
            spelled::integer::<wide::$Model<I16>>(&graph, Wide::All, Packing::Panels, &mut rng);
            wide::is_spelled(&graph, &$spelled);
        }
    )*};
}

many! {
    sixty_four_of_all: SixtyFour, ["Mmoe<[Expert; 64], [TaskGate; 64], "];
    the_most_experts: MostExperts, ["[Expert; 128]", "DSelectKGate<Logits<5, 16, F32>, 128, 2>"];
    two_runs_of_experts: TwoRuns, ["MaskedGate<Gate<5, 1, F32>, 0b1000", "0b10101, 64>"];
    cgc_of_most_tasks: CgcOfMost, ["Cgc<[Expert; 1], [Expert; 4], TaskGate, ", ", 63>;"];
}

#[test]
fn layer_norm_in_float_models() {
    let mut rng = Rng::new(11);
    let graph = shapes::normed(&mut rng);
    spelled::float::<shapes::Normed<F32>>(&graph, Precision::F32, &mut rng);
    spelled::float::<shapes::Normed<W8>>(&graph, Precision::W8, &mut rng);
}

#[test]
fn narrow_heads() {
    let mut rng = Rng::new(12);
    let graph = shapes::narrow(&mut rng);
    let narrow = Conversion {
        narrow_heads: true,
        ..Conversion::new(Precision::W8)
    };
    spelled::float::<shapes::Narrow<W8>>(&graph, narrow, &mut rng);
    spelled::integer::<shapes::Narrow<I8>>(&graph, Wide::Nothing, Packing::Panels, &mut rng);
}
