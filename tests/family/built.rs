//! Models made without a blob: by value, and from zero bytes. What is asserted is mostly the type
//! of what comes out.

use mmoe::blob::Check;
use mmoe::zerocopy::FromZeros;
use mmoe::{
    bytes::*, gate::*, input::*, layer::*, level::*, math::*, number::*, parallel::*, precision::*,
    *,
};
use mmoe_tools::convert::Precision;
use mmoe_tools::engine::BlobBytes;
use testkit::Rng;
use testkit::graphs::{self as seeded};

/// A model of zero bytes: every layer accepts them.
fn zeros<M: InPlace>(of: fn(&M)) {
    let bytes = BlobBytes::new(&vec![0; size_of::<M>()]);
    of(M::try_ref_from_bytes(&bytes).unwrap_or_else(|_| panic!("zeros are a model")));
}

tasks! {
    /// What a shop asks.
    struct ShopTowers => Shop { click, class, rating }
}

type Expert<P> = Seq<Dense<6, 5, P>, Dense<5, 4, P>>;
type Named<P> = Mmoe<
    [Expert<P>; 3],
    [Gate<6, 3, P>; 3],
    ShopTowers<
        Binary<Head<4, 1, P>>,
        Multiclass<Head<4, 3, P>>,
        Regression<Seq<Dense<4, 2, P>, Head<2, 1, P>>>,
    >,
>;

#[test]
fn named_tasks_have_named_outputs() {
    zeros::<Named<F32>>(|m| {
        let y: Shop<f32, [f32; 3], f32> = m.predict(&[1.0; 6]);
        assert_eq!((y.click, y.class, y.rating), (0.5, [1.0 / 3.0; 3], 0.0));
        let traced: Traced<_, [[f32; 3]; 3]> = m.predict_traced(&[1.0; 6]);
        assert_eq!(traced.gates, [[1.0 / 3.0; 3]; 3]);
        assert_eq!(traced.run.experts, 3);
    });
    zeros::<Named<I8>>(|m| {
        let raw: Shop<Q31, [Q31; 3], Q16> = m.predict_q(&[1; 6]);
        assert_eq!((raw.click.to_f32(), raw.rating), (0.5, Q16(0)));
        let y: Shop<f32, [f32; 3], f32> = m.predict(&[1.0; 6]);
        assert_eq!(y.click, 0.5);
        let gates: [[Q15; 3]; 3] = m.predict_traced(&[1.0; 6]).gates;
        assert!(
            gates
                .iter()
                .all(|g| g.iter().map(|g| u32::from(g.0)).sum::<u32>() == 32768)
        );
    });
}

#[test]
fn a_named_model_is_the_blob_of_an_unnamed_one() {
    let mut r = Rng::new(20);
    let mut nodes: Vec<_> = (0..3)
        .map(|_| seeded::expert(&mut r, 0, &[6, 5, 4]))
        .collect();
    let softmax = mmoe_tools::graph::GateKind::Softmax;
    nodes.extend((0..3).map(|_| seeded::gate(&mut r, softmax, 0, 6, vec![1, 2, 3], 4)));
    nodes.extend([
        seeded::tower(&mut r, 4, &[4, 1]),
        seeded::tower(&mut r, 5, &[4, 3]),
        seeded::tower(&mut r, 6, &[4, 2, 1]),
    ]);
    use mmoe_tools::graph::Output::{Linear, Sigmoid, Softmax};
    let graph = seeded::graph(
        6,
        nodes,
        &[
            Sigmoid { value: 7 },
            Softmax { value: 8 },
            Linear { value: 9 },
        ],
    );
    type List<P> = List3<
        Binary<Head<4, 1, P>>,
        Multiclass<Head<4, 3, P>>,
        Regression<Seq<Dense<4, 2, P>, Head<2, 1, P>>>,
    >;
    for x in [[0.5; 6], [-1.0; 6]] {
        let blob = seeded::blob(&graph, Precision::F32);
        let y = Named::<F32>::load(&blob).unwrap().predict(&x);
        let listed = Mmoe::<[Expert<F32>; 3], [Gate<6, 3, F32>; 3], List<F32>>::load(&blob)
            .unwrap()
            .predict(&x);
        assert_eq!((y.click, y.class, y.rating), listed);
        let blob = seeded::blob(&graph, Precision::W8);
        assert!((Named::<W8>::load(&blob).unwrap().predict(&x).rating - y.rating).abs() < 0.1);
    }
}

/// Weights of a layer that gives its bias.
fn biased<const I: usize, const O: usize>(bias: [f32; O]) -> Logits<I, O, F32> {
    Logits {
        matrix: MatrixF32 {
            bias,
            weights: [[0.0; I]; O],
        },
    }
}

#[test]
fn a_model_by_value_runs_from_a_static() {
    type Tiny =
        Mmoe<[Dense<2, 1, F32>; 2], [Gate<2, 2, F32>; 1], [Regression<Logits<1, 1, F32>>; 1]>;
    const fn expert(weights: [f32; 2]) -> Dense<2, 1, F32> {
        Dense {
            matrix: MatrixF32 {
                bias: [0.0],
                weights: [weights],
            },
            activation: [],
        }
    }
    static TINY: Tiny = Model {
        input: Raw { scales: [] },
        trunk: MmoeLevel {
            experts: [expert([1.0, 0.0]), expert([0.0, 1.0])],
            gates: [SoftmaxGate(Logits {
                matrix: MatrixF32 {
                    bias: [0.0; 2],
                    weights: [[0.0; 2]; 2],
                },
            })],
        },
        towers: [Regression {
            layers: Logits {
                matrix: MatrixF32 {
                    bias: [1.0],
                    weights: [[2.0]],
                },
            },
            unit: [],
        }],
    };
    assert_eq!(TINY.predict(&[3.0, 5.0]), [2.0 * (1.5 + 2.5) + 1.0]);
    assert_eq!(TINY.predict_with::<Micromath>(&[3.0, 5.0]), [9.0]);
    let [logit] = biased::<1, 1>([4.0]).matrix.bias;
    assert_eq!(logit, 4.0);
    assert_eq!(
        size_of::<&Tiny>(),
        size_of::<usize>(),
        "a loaded model is one pointer"
    );
}

#[test]
fn integer_inputs_are_standardized_by_their_stage() {
    type Scaled = Mmoe<[Dense<2, 1, I8>; 1], [Gate<2, 1, I8>; 1], [MixtureOutput<1, I8>; 1]>;
    let scale = |offset, scale| mmoe::kernel::InputScale { offset, scale };
    let stage = Raw::<[i16; 2]> {
        scales: [scale(10.0, 100.0), scale(-1.0, 1000.0)],
    };
    let mut q = [0; 2];
    assert_eq!(
        stage.quantize(&[11.5, -0.75], &mut q),
        InputCounts {
            nan: 0,
            saturated: 0
        }
    );
    assert_eq!(q, [150, 250]);
    assert_eq!(
        stage.quantize(&[f32::NAN, 1e9], &mut q),
        InputCounts {
            nan: 1,
            saturated: 1
        }
    );
    assert_eq!(q, [0, 32767]);
    zeros::<Scaled>(|m| {
        let y: [[f32; 1]; 1] = m.predict(&[1.0, 2.0]);
        assert_eq!(y, [[0.0]]);
    });
}

/// A wide layer among narrow ones, in either number system.
#[test]
fn any_layer_may_be_wide() {
    type Mixed<P> = Mmoe<
        [Seq<Dense<6, 5, Wide<P>>, Dense<5, 4, P>>; 2],
        [SoftmaxGate<Logits<6, 2, Wide<P>>>; 1],
        [Binary<Head<4, 1, P>>; 1],
    >;
    zeros::<Mixed<I8>>(|m| {
        let [y]: [Q31; 1] = m.predict_q(&[5; 6]);
        assert_eq!(y.to_f32(), 0.5);
    });
    zeros::<Mixed<W8>>(|m| assert_eq!(m.predict(&[5.0; 6]), [0.5]));
    assert_eq!(size_of::<Dense<6, 5, I16>>(), 12 * 5 + 2 * 30);
    assert_eq!(size_of::<Dense<6, 5, I8>>(), 8 * 5 + 32);
    assert_eq!(size_of::<Dense<6, 5, W8>>(), 8 * 5 + 32);
}

/// What each gate gives is one weight per expert, of the number system's type.
#[test]
fn gates_give_a_weight_per_expert() {
    fn gives<L: Layer<In = [A; 6], Out = [A::Gate; 4]> + InPlace, A: Element>(_: fn(&L)) {
        let bytes = BlobBytes::new(&vec![0; size_of::<L>()]);
        let gate = L::try_ref_from_bytes(&bytes).unwrap_or_else(|_| panic!("zeros are a gate"));
        let mut g = <[A::Gate; 4]>::new_zeroed();
        gate.forward::<Libm>(&[A::default(); 6], &mut g);
        let sum: f32 = g.map(Into::into).iter().sum();
        assert!(sum == 0.0 || (0.0..=2.001).contains(&sum), "{sum}");
        let _: fn(&mut Check<'_>) = L::describe;
    }
    gives::<Gate<6, 4, F32>, f32>(|_| {});
    gives::<HardGate<Logits<6, 4, W8>>, f32>(|_| {});
    gives::<TopKGate<Logits<6, 4, I8>, 1, true>, i16>(|_| {});
    gives::<DSelectKGate<Logits<6, 3, I16>, 4, 1>, i16>(|_| {});
    gives::<ConstantGate<6, 4, I8>, i16>(|_| {});
    gives::<MaskedGate<SigmoidGate<Logits<6, 3, I8>>, 0b1011, 4>, i16>(|_| {});
}
