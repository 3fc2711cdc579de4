//! Types of the family, and graphs of the same shapes.

use mmoe::{gate::*, layer::*, level::*, parallel::*, precision::*, trunk::*, *};
use mmoe_tools::graph::{Activation, GateKind, Graph, Layer, Node, Normalization, Op, Output};
use testkit::Rng;
use testkit::graphs::{
    affine, chain, dense, dice, expert, gate, graph, layer_norm, node, norm, prelu, row_dice, tower,
};

const SOFTMAX: GateKind = GateKind::Softmax;

pub(crate) fn sigmoids(values: std::ops::Range<usize>) -> Vec<Output> {
    values.map(|value| Output::Sigmoid { value }).collect()
}

/// `count` of them.
pub(crate) fn times(count: usize, mut f: impl FnMut(usize) -> Node) -> Vec<Node> {
    (0..count).map(&mut f).collect()
}

type Plain<P> = Seq<Dense<6, 7, P>, Dense<7, 4, P>>;
type Tip<P> = Seq<Dense<4, 3, P>, Head<3, 1, P>>;

pub(crate) type IndependentOf<P> = Independent<
    [<P as Precision>::Act; 6],
    List2<Binary<Seq<Dense<6, 9, P>, Head<9, 1, P>>>, Regression<Slice<6, 2, Head<3, 1, P>>>>,
    2,
>;
pub(crate) fn independent(r: &mut Rng) -> Graph {
    let mut second = tower(r, 0, &[3, 1]);
    second.start = 2;
    graph(
        6,
        vec![tower(r, 0, &[6, 9, 1]), second],
        &[Output::Sigmoid { value: 1 }, Output::Linear { value: 2 }],
    )
}

pub(crate) type SharedExpert<P> = SharedBottom<Plain<P>, [Binary<Tip<P>>; 3], 3>;
pub(crate) fn shared_bottom(r: &mut Rng) -> Graph {
    let mut nodes = vec![expert(r, 0, &[6, 7, 4])];
    nodes.extend(times(3, |_| tower(r, 1, &[4, 3, 1])));
    graph(6, nodes, &sigmoids(2..5))
}

pub(crate) type OneGate<P> = Omoe<[Plain<P>; 3], Gate<6, 3, P>, [Binary<Tip<P>>; 2], 2>;
pub(crate) fn one_gate_for_all(r: &mut Rng) -> Graph {
    let mut nodes = times(3, |_| expert(r, 0, &[6, 7, 4]));
    nodes.push(gate(r, SOFTMAX, 0, 6, vec![1, 2, 3], 4));
    nodes.extend(times(2, |_| tower(r, 4, &[4, 3, 1])));
    graph(6, nodes, &sigmoids(5..7))
}

type Deep<P> =
    Seq<Seq<Dense<6, 5, P, Linear>, PRelu<5, P>>, Seq<Affine<5, P>, Dense<5, 4, P, Sigmoid>>>;
pub(crate) type Unlike<P> = Mmoe<
    List4<
        Dense<6, 4, P, Tanh>,
        Slice<6, 2, Seq<Dense<3, 9, P, Sigmoid>, Dense<9, 4, P, LeakyRelu>>>,
        Deep<P>,
        Seq3<Dense<6, 3, P>, Dense<3, 3, P>, Dense<3, 4, P>>,
    >,
    List3<
        Gate<6, 4, P>,
        SoftmaxGate<Seq<Dense<6, 3, P, Tanh>, Logits<3, 4, P>>>,
        SoftmaxGate<Slice<6, 1, Logits<4, 4, P>>>,
    >,
    List3<Binary<Head<4, 1, P>>, Multiclass<Tip3<P>>, Regression<Tip<P>>>,
>;
type Tip3<P> = Seq<Dense<4, 5, P, LeakyRelu>, Head<5, 3, P>>;
pub(crate) fn mmoe_of_unlike_experts_and_towers(r: &mut Rng) -> Graph {
    let leaky = Activation::LeakyRelu { slope: 0.25 };
    let deep = vec![
        dense(r, 6, 5, Activation::Linear),
        prelu(r, 5),
        affine(r, 5),
        dense(r, 5, 4, Activation::Sigmoid),
    ];
    let all = vec![1, 2, 3, 4];
    let gate_of = |start, inputs, layers| {
        node(
            Op::Gate {
                kind: SOFTMAX,
                sees: all.clone(),
                temperature: 1.0,
            },
            0,
            start,
            inputs,
            4,
            layers,
        )
    };
    let nodes = vec![
        node(
            Op::Expert,
            0,
            0,
            6,
            4,
            chain(r, &[6, 4], Activation::Tanh, Activation::Tanh),
        ),
        node(
            Op::Expert,
            0,
            2,
            3,
            4,
            chain(r, &[3, 9, 4], Activation::Sigmoid, leaky),
        ),
        node(Op::Expert, 0, 0, 6, 4, deep),
        expert(r, 0, &[6, 3, 3, 4]),
        gate(r, SOFTMAX, 0, 6, all.clone(), 4),
        gate_of(
            0,
            6,
            chain(r, &[6, 3, 4], Activation::Tanh, Activation::Linear),
        ),
        gate_of(
            1,
            4,
            chain(r, &[4, 4], Activation::Tanh, Activation::Linear),
        ),
        tower(r, 5, &[4, 1]),
        node(
            Op::Tower,
            6,
            0,
            4,
            3,
            chain(r, &[4, 5, 3], leaky, Activation::Linear),
        ),
        tower(r, 7, &[4, 3, 1]),
    ];
    graph(
        6,
        nodes,
        &[
            Output::Sigmoid { value: 8 },
            Output::Softmax { value: 9 },
            Output::Linear { value: 10 },
        ],
    )
}

type Z<const N: usize, P> = Logits<6, N, P>;
pub(crate) type EveryGate<P> = Mmoe<
    [Dense<6, 4, P>; 4],
    List8<
        SoftmaxGate<Z<4, P>>,
        SigmoidGate<Z<4, P>>,
        HardGate<Z<4, P>>,
        TopKGate<Z<4, P>, 2, true>,
        TopKGate<Z<4, P>, 2, false>,
        DSelectKGate<Z<6, P>, 4, 2>,
        ConstantGate<6, 4, P>,
        MaskedGate<LinearGate<Z<2, P>>, 0b1010, 4>,
    >,
    [Binary<Tip<P>>; 8],
>;
pub(crate) fn every_gate(r: &mut Rng) -> Graph {
    let top = |renormalise| GateKind::TopK { k: 2, renormalise };
    let kinds = [
        SOFTMAX,
        GateKind::Sigmoid,
        GateKind::Hard,
        top(true),
        top(false),
        GateKind::DSelectK { k: 2 },
        GateKind::Constant,
        GateKind::Linear,
    ];
    let mut nodes = times(4, |_| expert(r, 0, &[6, 4]));
    nodes.extend(times(8, |k| {
        gate(
            r,
            kinds[k],
            0,
            6,
            if k == 7 { vec![2, 4] } else { vec![1, 2, 3, 4] },
            4,
        )
    }));
    nodes.extend(times(8, |k| tower(r, 5 + k, &[4, 3, 1])));
    graph(6, nodes, &sigmoids(13..21))
}

pub(crate) type CgcOf<P> = Cgc<[Plain<P>; 1], [Plain<P>; 2], Gate<6, 3, P>, [Binary<Tip<P>>; 2], 2>;
pub(crate) fn cgc(r: &mut Rng) -> Graph {
    let mut nodes = times(4, |_| expert(r, 0, &[6, 7, 4]));
    nodes.extend(times(2, |k| gate(r, SOFTMAX, 0, 6, vec![1 + k, 3, 4], 4)));
    nodes.extend(times(2, |k| tower(r, 5 + k, &[4, 3, 1])));
    graph(6, nodes, &sigmoids(7..9))
}

type Extracted<P> =
    ExtractionLevel<CgcLevel<[Plain<P>; 1], [Plain<P>; 1], Gate<6, 2, P>, 2>, Gate<6, 3, P>>;
pub(crate) type PleOf<P> = Ple<
    Extracted<P>,
    CgcLevel<[Dense<4, 5, P>; 1], [Dense<4, 5, P>; 1], Gate<4, 2, P>, 2>,
    [Binary<Head<5, 1, P>>; 2],
>;
pub(crate) fn two_levels_of_ple(r: &mut Rng) -> Graph {
    let mut nodes = times(3, |_| expert(r, 0, &[6, 7, 4]));
    nodes.extend(times(2, |k| gate(r, SOFTMAX, 0, 6, vec![1 + k, 3], 4)));
    nodes.push(gate(r, SOFTMAX, 0, 6, vec![1, 2, 3], 4));
    nodes.extend(times(3, |k| expert(r, 4 + k, &[4, 5])));
    nodes.extend(times(2, |k| gate(r, SOFTMAX, 4 + k, 4, vec![7 + k, 9], 5)));
    nodes.extend(times(2, |k| tower(r, 10 + k, &[5, 1])));
    graph(6, nodes, &sigmoids(12..14))
}

pub(crate) type StackedOne<P> = Model<
    Raw<[<P as Precision>::Act; 6]>,
    Stacked<
        MmoeLevel<[Plain<P>; 2], [Gate<6, 2, P>; 1]>,
        MmoeLevel<[Dense<4, 4, P>; 3], [Gate<4, 3, P>; 2]>,
    >,
    [Binary<Tip<P>>; 2],
>;
pub(crate) fn stacked_on_one_stream(r: &mut Rng) -> Graph {
    let mut nodes = times(2, |_| expert(r, 0, &[6, 7, 4]));
    nodes.push(gate(r, SOFTMAX, 0, 6, vec![1, 2], 4));
    nodes.extend(times(3, |_| expert(r, 3, &[4, 4])));
    nodes.extend(times(2, |_| gate(r, SOFTMAX, 3, 4, vec![4, 5, 6], 4)));
    nodes.extend(times(2, |k| tower(r, 7 + k, &[4, 3, 1])));
    graph(6, nodes, &sigmoids(9..11))
}

type Streams2<P> = Stacked<
    MmoeLevel<[Plain<P>; 3], [Gate<6, 3, P>; 2]>,
    MmoeLevel<[Dense<4, 5, P>; 2], [Gate<4, 2, P>; 2]>,
>;
pub(crate) type StackedEach<P> =
    Model<Raw<[<P as Precision>::Act; 6]>, Streams2<P>, [Binary<Head<5, 1, P>>; 2]>;
pub(crate) fn stacked_on_a_stream_each(r: &mut Rng) -> Graph {
    let mut nodes = times(3, |_| expert(r, 0, &[6, 7, 4]));
    nodes.extend(times(2, |_| gate(r, SOFTMAX, 0, 6, vec![1, 2, 3], 4)));
    nodes.extend(times(2, |k| expert(r, 4 + k, &[4, 5])));
    nodes.extend(times(2, |k| gate(r, SOFTMAX, 4 + k, 4, vec![6, 7], 5)));
    nodes.extend(times(2, |k| tower(r, 8 + k, &[5, 1])));
    graph(6, nodes, &sigmoids(10..12))
}

pub(crate) type Three<P> = Model<
    Raw<[<P as Precision>::Act; 6]>,
    Stacked<Streams2<P>, MmoeLevel<[Dense<5, 4, P>; 2], [Gate<5, 2, P>; 2]>>,
    [Regression<Tip<P>>; 2],
>;
pub(crate) fn three_levels(r: &mut Rng) -> Graph {
    let mut nodes = stacked_on_a_stream_each(r).nodes;
    nodes.truncate(9);
    nodes.extend(times(2, |k| expert(r, 8 + k, &[5, 4])));
    nodes.extend(times(2, |k| gate(r, SOFTMAX, 8 + k, 5, vec![10, 11], 4)));
    nodes.extend(times(2, |k| tower(r, 12 + k, &[4, 3, 1])));
    graph(
        6,
        nodes,
        &[Output::Linear { value: 14 }, Output::Linear { value: 15 }],
    )
}

pub(crate) type Mixtures<P> = Mmoe<
    [Plain<P>; 2],
    [Gate<6, 2, P>; 3],
    List3<
        MixtureOutput<4, P>,
        MultiRegression<Seq<Dense<4, 5, P>, Head<5, 3, P>>>,
        MixtureOutput<4, P>,
    >,
>;
pub(crate) fn mixtures_as_outputs(r: &mut Rng) -> Graph {
    let mut nodes = times(2, |_| expert(r, 0, &[6, 7, 4]));
    nodes.extend(times(3, |_| gate(r, SOFTMAX, 0, 6, vec![1, 2], 4)));
    nodes.extend([
        node(Op::Tower, 3, 0, 4, 4, vec![]),
        tower(r, 4, &[4, 5, 3]),
        node(Op::Tower, 5, 0, 4, 4, vec![]),
    ]);
    graph(6, nodes, &[6, 7, 8].map(|value| Output::Linear { value }))
}

pub(crate) type Autoencoder<P> = SharedBottom<
    Seq<Seq<Dense<6, 5, P>, Dense<5, 2, P>>, Seq<Dense<2, 5, P>, Dense<5, 6, P, Linear>>>,
    [MixtureOutput<6, P>; 1],
    1,
>;
pub(crate) fn autoencoder(r: &mut Rng) -> Graph {
    let layers = chain(r, &[6, 5, 2, 5, 6], Activation::Relu, Activation::Linear);
    graph(
        6,
        vec![
            node(Op::Expert, 0, 0, 6, 6, layers),
            node(Op::Tower, 1, 0, 6, 6, vec![]),
        ],
        &[Output::Linear { value: 2 }],
    )
}

pub(crate) type WithProduct<P> =
    Mmoe<[Plain<P>; 2], [Gate<6, 2, P>; 3], Product<[Binary<Tip<P>>; 3], 2, 0>>;
pub(crate) fn product_of_two_tasks(r: &mut Rng) -> Graph {
    let mut nodes = times(2, |_| expert(r, 0, &[6, 7, 4]));
    nodes.extend(times(3, |_| gate(r, SOFTMAX, 0, 6, vec![1, 2], 4)));
    nodes.extend(times(3, |k| tower(r, 3 + k, &[4, 3, 1])));
    let mut outputs = sigmoids(6..9);
    outputs.push(Output::Product { a: 2, b: 0 });
    graph(6, nodes, &outputs)
}

pub(crate) type Normed<P> = Mmoe<
    [Seq3<Dense<6, 5, P, Linear>, LayerNorm<5>, Dense<5, 4, P>>; 2],
    [Gate<6, 2, P>; 1],
    [Regression<Seq3<LayerNorm<4>, Dense<4, 3, P>, Head<3, 1, P>>>; 1],
>;
pub(crate) fn normed(r: &mut Rng) -> Graph {
    let layers = |r: &mut Rng| -> Vec<Layer> {
        vec![
            dense(r, 6, 5, Activation::Linear),
            layer_norm(r, 5),
            dense(r, 5, 4, Activation::Relu),
        ]
    };
    let mut last = vec![layer_norm(r, 4)];
    last.extend(chain(r, &[4, 3, 1], Activation::Relu, Activation::Linear));
    let nodes = vec![
        node(Op::Expert, 0, 0, 6, 4, layers(r)),
        node(Op::Expert, 0, 0, 6, 4, layers(r)),
        gate(r, SOFTMAX, 0, 6, vec![1, 2], 4),
        node(Op::Tower, 3, 0, 4, 1, last),
    ];
    graph(6, nodes, &[Output::Linear { value: 4 }])
}

type Curved<P> = Seq<
    Seq<Dense<6, 8, P, Gelu>, Seq<GroupNorm<8, 2, P>, Pointwise<8, P, Silu>>>,
    Seq<Seq3<Dense<8, 6, P, Softsign>, RmsNorm<6, P>, Dice<6, P>>, Dense<6, 4, P, Elu>>,
>;
type CurvedTip<P> =
    Seq3<UnitNorm<4, P>, Dense<4, 5, P, HardSwish>, Seq<RowDice<5, P>, Dense<5, 2, Wide<P>, Exp>>>;
/// Curves fused and on their own, every norm, both kinds of Dice, a tower that ends in activations.
pub(crate) type CurvedOf<P> = Mmoe<
    [Curved<P>; 2],
    [SoftmaxGate<Seq<Dense<6, 3, P, Mish>, Logits<3, 2, P>>>; 2],
    List2<
        Activated<CurvedTip<P>>,
        Binary<Seq3<Dense<4, 3, P, Clip>, Dense<3, 3, P, Softplus>, Head<3, 1, P>>>,
    >,
>;
pub(crate) fn curved(r: &mut Rng) -> Graph {
    let group = Normalization::Layer { groups: 2 };
    let silu = Activation::Silu { rate: 1.2 };
    let elu = Activation::Elu {
        depth: 1.7,
        rate: 1.0,
        slope: 1.05,
    };
    let clip = Activation::Clip {
        low: -0.5,
        high: 1.0,
    };
    let pointwise = |activation| Layer::Pointwise {
        activation,
        width: 8,
    };
    let experts = times(2, |_| {
        let layers = vec![
            dense(r, 6, 8, Activation::Gelu),
            norm(r, group, 8),
            pointwise(silu),
            dense(r, 8, 6, Activation::Softsign),
            norm(r, Normalization::Rms, 6),
            dice(r, 6),
            dense(r, 6, 4, elu),
        ];
        node(Op::Expert, 0, 0, 6, 4, layers)
    });
    let mut nodes = experts;
    nodes.extend(times(2, |_| {
        let mut gate = gate(r, SOFTMAX, 0, 6, vec![1, 2], 4);
        gate.layers = chain(r, &[6, 3, 2], Activation::Mish, Activation::Linear);
        gate
    }));
    let first = vec![
        norm(r, Normalization::Unit, 4),
        dense(r, 4, 5, Activation::HardSwish),
        row_dice(r, 5),
        dense(r, 5, 2, Activation::Exp),
    ];
    let second = vec![
        dense(r, 4, 3, clip),
        dense(r, 3, 3, Activation::Softplus { rate: 2.0 }),
        dense(r, 3, 1, Activation::Linear),
    ];
    nodes.push(node(Op::Tower, 3, 0, 4, 2, first));
    nodes.push(node(Op::Tower, 4, 0, 4, 1, second));
    let outputs = [Output::Linear { value: 5 }, Output::Sigmoid { value: 6 }];
    graph(6, nodes, &outputs)
}

pub(crate) type Narrow<P> =
    Mmoe<[Plain<P>; 2], [Gate<6, 2, P>; 1], [Binary<Seq<Dense<4, 9, P>, Logits<9, 1, P>>>; 1]>;
pub(crate) fn narrow(r: &mut Rng) -> Graph {
    let mut nodes = times(2, |_| expert(r, 0, &[6, 7, 4]));
    nodes.push(gate(r, SOFTMAX, 0, 6, vec![1, 2], 4));
    nodes.push(tower(r, 3, &[4, 9, 1]));
    graph(6, nodes, &sigmoids(4..5))
}
