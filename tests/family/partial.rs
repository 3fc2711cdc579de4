//! What is not asked for is not computed, and what is skipped changes nothing.

use crate::shapes;
use crate::spelled::bits;
use mmoe::blob::Check;
use mmoe::gate::{HardGate, MaskedGate, SoftmaxGate, TopKGate};
use mmoe::kernel::Row;
use mmoe::layer::Layer;
use mmoe::math::{Libm, Math};
use mmoe::parallel::List2;
use mmoe::precision::Precision;
use mmoe::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use mmoe::*;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::read;
use mmoe_tools::convert;
use mmoe_tools::graph::{Activation, GateKind, Graph, Op, Output};
use std::cell::Cell;
use testkit::graphs::{self as seeded, assembled};
use testkit::{Rng, integer};

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

/// A layer that is counted when it runs.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Counted<L>(L);

impl<L: Layer> Layer for Counted<L> {
    type Act = L::Act;
    type In = L::In;
    type Out = L::Out;
    const NODE: mmoe::blob::NodeInfo = L::NODE;
    const LAYERS: u8 = L::LAYERS;
    const SCRATCH: usize = L::SCRATCH;
    fn describe(to: &mut Check<'_>) {
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &L::In, y: &mut L::Out) {
        RUNS.set(RUNS.get() + 1);
        self.0.forward::<M>(x, y);
    }
}

/// How many counted layers ran.
fn runs(f: impl FnOnce()) -> u32 {
    RUNS.set(0);
    f();
    RUNS.get()
}

type E<P> = Counted<Dense<6, 4, P>>;
type OneOfTwo<P, const MASK: u128> = MaskedGate<SoftmaxGate<Counted<Logits<6, 2, P>>>, MASK, 4>;
type Parted<P> = Mmoe<
    [E<P>; 4],
    List2<OneOfTwo<P, 0b0011>, OneOfTwo<P, 0b1100>>,
    [Binary<Counted<Head<4, 1, P>>>; 2],
>;

/// Two tasks that share nothing.
fn parted(r: &mut Rng) -> Graph {
    let mut nodes: Vec<_> = (0..4).map(|_| seeded::expert(r, 0, &[6, 4])).collect();
    nodes.extend(
        [vec![1, 2], vec![3, 4]].map(|sees| seeded::gate(r, GateKind::Softmax, 0, 6, sees, 4)),
    );
    nodes.extend((0..2).map(|k| seeded::tower(r, 5 + k, &[4, 1])));
    seeded::graph(
        6,
        nodes,
        &[Output::Sigmoid { value: 7 }, Output::Sigmoid { value: 8 }],
    )
}

fn pays_for_its_tasks<P: Precision>(blob: &[u8]) {
    let model = Parted::<P>::load(blob).unwrap();
    let x = [0.5, -1.0, 0.25, 1.0, 0.0, -0.5];
    let [y0, y1] = model.predict(&x);
    // Per task two experts, a gate and a tower.
    assert_eq!(runs(|| _ = model.predict(&x)), 8);
    let erased = Dynamic::load(blob).unwrap();
    let mut scratch = vec![0; erased.scratch_words()];
    for (bits, runs_wanted, experts) in [(0, 0, 0), (1, 4, 2), (2, 4, 2), (3, 8, 4)] {
        let tasks = TaskMask::from_bits(bits);
        let expected = [0, 1].map(|k| if tasks.contains(k) { [y0, y1][k] } else { 9.0 });
        let mut y = [9.0; 2];
        let mut run = Run::default();
        let ran = runs(|| run = model.predict_tasks(&x, tasks, &mut y));
        assert_eq!(
            (ran, run.experts, y),
            (runs_wanted, experts, expected),
            "{tasks:?}"
        );
        let mut y = [9.0; 2];
        let run = erased
            .predict_tasks(&x, tasks, &mut scratch, &mut y)
            .unwrap();
        assert_eq!((run.experts, y), (experts, expected), "{tasks:?}");
    }
}

#[test]
fn a_subset_of_the_tasks_costs_what_it_needs_and_leaves_the_others() {
    let mut rng = Rng::new(40);
    let graph = parted(&mut rng);
    pays_for_its_tasks::<F32>(&seeded::blob(&graph, convert::Precision::F32));
    pays_for_its_tasks::<W8>(&seeded::blob(&graph, convert::Precision::W8));
    pays_for_its_tasks::<I8>(&integer::blob(
        &graph,
        integer::Wide::Heads,
        Packing::Panels,
        &mut rng,
    ));
}

fn is_its_rows<P: Precision>(blob: &[u8], rng: &mut Rng) {
    let model = Parted::<P>::load(blob).unwrap();
    for (rows, outputs) in [(0, 0), (1, 1), (2, 2), (7, 7), (33, 33), (5, 3), (3, 5)] {
        let x: Vec<[f32; 6]> = (0..rows).map(|_| rng.row(6).try_into().unwrap()).collect();
        let mut y = vec![[9.0; 2]; outputs];
        model.predict_batch(&x, &mut y);
        for (n, y) in y.iter().enumerate() {
            let alone = x.get(n).map_or([9.0; 2], |x| model.predict(x));
            assert_eq!(
                bits(y),
                bits(&alone),
                "row {n} of {rows}, room for {outputs}"
            );
        }
    }
}

#[test]
fn a_batch_is_its_rows_one_by_one() {
    let mut rng = Rng::new(47);
    let graph = parted(&mut rng);
    is_its_rows::<F32>(&seeded::blob(&graph, convert::Precision::F32), &mut rng);
    is_its_rows::<W8>(&seeded::blob(&graph, convert::Precision::W8), &mut rng);
    is_its_rows::<I8>(
        &integer::blob(&graph, integer::Wide::Heads, Packing::Panels, &mut rng),
        &mut rng,
    );
}

#[test]
fn a_task_of_two_levels_needs_its_own_and_the_shared_streams() {
    let blob = seeded::blob(
        &shapes::two_levels_of_ple(&mut Rng::new(41)),
        convert::Precision::F32,
    );
    let model = shapes::PleOf::<F32>::load(&blob).unwrap();
    let erased = Dynamic::load(&blob).unwrap();
    let mut scratch = vec![0; erased.scratch_words()];
    let x = [0.5, -1.0, 0.25, 1.0, 0.0, -0.5];
    let all = model.predict(&x);
    for k in 0..2 {
        let mut y = [7.0; 2];
        let typed = model.predict_tasks(&x, TaskMask::only(k), &mut y);
        let mut expected = [7.0; 2];
        expected[k] = all[k];
        assert_eq!(y, expected);
        let mut y = [7.0; 2];
        // The shared stream's gate sees all three experts; above, the other task's expert is not
        // needed.
        let run = erased
            .predict_tasks(&x, TaskMask::only(k), &mut scratch, &mut y)
            .unwrap();
        assert_eq!((run.experts, typed.experts), (3 + 2, 3 + 2));
        assert_eq!(y, expected);
    }
}

#[test]
fn a_product_that_is_asked_for_alone_makes_its_factors() {
    let blob = seeded::blob(
        &shapes::product_of_two_tasks(&mut Rng::new(42)),
        convert::Precision::F32,
    );
    let erased = Dynamic::load(&blob).unwrap();
    let mut scratch = vec![0; erased.scratch_words()];
    let x = [0.5, -1.0, 0.25, 1.0, 0.0, -0.5];
    let (mut all, mut one) = ([0.0; 4], [7.0; 4]);
    erased.predict(&x, &mut scratch, &mut all).unwrap();
    let product = TaskMask::only(3);
    erased
        .predict_tasks(&x, product, &mut scratch, &mut one)
        .unwrap();
    assert_eq!(one, [7.0, 7.0, 7.0, all[2] * all[0]]);
    // The typed model does the same.
    let model = shapes::WithProduct::<F32>::load(&blob).unwrap();
    let mut y = ProductOutput {
        towers: [7.0; 3],
        product: 7.0,
    };
    model.predict_tasks(&x, product, &mut y);
    assert_eq!((y.towers, y.product), ([7.0; 3], all[2] * all[0]));
    assert_eq!(all[3], all[2] * all[0]);
}

/// Weights of 0 are skipped; a softmax that weighs the same experts by numbers that only round to 0
/// is not. The sums are the same.
#[test]
fn skipping_structural_zeros_changes_no_bit() {
    type Of<G> = Mmoe<[E<F32>; 4], [G; 1], [Regression<Head<4, 1, F32>>; 1]>;
    type Z = Logits<6, 4, F32>;
    let mut rng = Rng::new(43);
    let mut nodes: Vec<_> = (0..4)
        .map(|_| seeded::expert(&mut rng, 0, &[6, 4]))
        .collect();
    nodes.push(seeded::gate(
        &mut rng,
        GateKind::TopK {
            k: 2,
            renormalise: false,
        },
        0,
        6,
        vec![1, 2, 3, 4],
        4,
    ));
    nodes.push(seeded::tower(&mut rng, 5, &[4, 1]));
    let top = seeded::graph(6, nodes, &[Output::Linear { value: 6 }]);
    let blob = seeded::blob(&top, convert::Precision::F32);
    let model = Of::<TopKGate<Z, 2, false>>::load(&blob).unwrap();
    for _ in 0..50 {
        let x: [f32; 6] = rng.row(6).try_into().unwrap();
        let mut traced = None;
        assert_eq!(runs(|| traced = Some(model.predict_traced(&x))), 2);
        let traced = traced.unwrap();
        assert_eq!(traced.run.experts, 2);
        // Everything run, the weights of 0 included.
        let mut m = [0.0; 4];
        for (g, e) in traced.gates[0].iter().zip(&model.trunk.experts) {
            let mut h = [0.0; 4];
            e.forward::<Libm>(&x, &mut h);
            m.iter_mut().zip(h).for_each(|(m, h)| *m += g * h);
        }
        let mut y = 0.0;
        model.towers[0].forward::<Libm>(&m, &mut y);
        assert_eq!(bits(&[y]), bits(&traced.tasks));
        // Leaving out what weighs less than nothing leaves out nothing.
        assert_eq!(
            model.predict_skipping(&x, SkipBelow::new(0.0).unwrap()),
            traced
        );
        let less = model.predict_skipping(&x, SkipBelow::new(0.999).unwrap());
        assert!(less.run.experts < 2);
    }
}

/// A host runs four narrow experts at a time; one that counts its runs is never grouped. Nine
/// experts of either kind, one of them hidden from all gates, give the same bits and the same
/// number of experts run.
#[test]
fn experts_in_groups_are_as_experts_in_turn() {
    type Of<E> = Mmoe<
        [E; 9],
        [MaskedGate<SoftmaxGate<Logits<6, 8, F32>>, 0b1_1111_1011, 9>; 2],
        [Regression<Head<4, 1, F32>>; 2],
    >;
    type Tanh4 = Dense<6, 4, F32, Tanh>;
    let mut rng = Rng::new(46);
    let r = &mut rng;
    let mut nodes: Vec<_> = (0..9)
        .map(|_| {
            seeded::node(
                Op::Expert,
                0,
                0,
                6,
                4,
                seeded::chain(r, &[6, 4], Activation::Tanh, Activation::Tanh),
            )
        })
        .collect();
    nodes.extend(
        (0..2).map(|_| seeded::gate(r, GateKind::Softmax, 0, 6, vec![1, 2, 4, 5, 6, 7, 8, 9], 4)),
    );
    nodes.extend((0..2).map(|k| seeded::tower(r, 10 + k, &[4, 1])));
    let blob = seeded::blob(
        &seeded::graph(
            6,
            nodes,
            &[Output::Linear { value: 12 }, Output::Linear { value: 13 }],
        ),
        convert::Precision::F32,
    );
    let (grouped, in_turn) = (
        Of::<Tanh4>::load(&blob).unwrap(),
        Of::<Counted<Tanh4>>::load(&blob).unwrap(),
    );
    for _ in 0..50 {
        let x: [f32; 6] = rng.row(6).try_into().unwrap();
        let (a, b) = (grouped.predict_traced(&x), in_turn.predict_traced(&x));
        assert_eq!(
            (bits(&a.tasks), a.gates, a.run.experts),
            (bits(&b.tasks), b.gates, 8)
        );
        let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
        grouped.predict_tasks(&x, TaskMask::only(1), &mut a);
        assert_eq!(
            runs(|| _ = in_turn.predict_tasks(&x, TaskMask::only(1), &mut b)),
            8
        );
        assert_eq!(bits(&a), bits(&b));
    }
}

/// A softmax gate runs every expert, also where a weight is so small that it is 0: the work is the
/// same for every input.
#[test]
fn a_softmax_that_rounds_to_zero_is_no_structural_zero() {
    type Of<P> = Mmoe<[E<P>; 2], [Gate<6, 2, P>; 1], [Binary<Head<4, 1, P>>; 1]>;
    fn runs_all<P: Precision>(blob: &[u8]) {
        let (model, erased) = (Of::<P>::load(blob).unwrap(), Dynamic::load(blob).unwrap());
        let (mut scratch, mut weights) = (vec![0; erased.scratch_words()], [0.0; 2]);
        let x = [900.0, -900.0, 900.0, 900.0, 900.0, -900.0];
        assert_eq!(runs(|| _ = model.predict(&x)), 2);
        assert_eq!(
            erased
                .predict(&x, &mut scratch, &mut [0.0])
                .unwrap()
                .experts,
            2
        );
        erased.gate_weights(&scratch, 0, &mut weights);
        assert!(
            weights == [0.0, 1.0] || weights == [1.0, 0.0],
            "{weights:?}"
        );
        // Who asks for it leaves it out.
        assert_eq!(
            model
                .predict_skipping(&x, SkipBelow::new(0.01).unwrap())
                .run
                .experts,
            1
        );
    }
    let mut rng = Rng::new(45);
    let mut nodes: Vec<_> = (0..2)
        .map(|_| seeded::expert(&mut rng, 0, &[6, 4]))
        .collect();
    nodes.push(seeded::gate(
        &mut rng,
        GateKind::Softmax,
        0,
        6,
        vec![1, 2],
        4,
    ));
    nodes.push(seeded::tower(&mut rng, 3, &[4, 1]));
    let graph = seeded::graph(6, nodes, &[Output::Sigmoid { value: 4 }]);
    runs_all::<F32>(&seeded::blob(&graph, convert::Precision::F32));
    runs_all::<W8>(&seeded::blob(&graph, convert::Precision::W8));
    let (header, mut weights) = {
        let blob = integer::blob(&graph, integer::Wide::Heads, Packing::Panels, &mut rng);
        read::split(&blob).map(|(h, w)| (h, w.to_vec())).unwrap()
    };
    // Behind the scales of 6 features and two experts of 4 rows and 24 weights: the bias of the
    // gate's first row, 64 as a logit.
    let (at, row) = (
        6 * 8 + 2 * (4 * 8 + 24),
        Row {
            bias: 1 << 24,
            mult: 1 << 14,
            shift: 0,
            zero: 0,
        },
    );
    weights[at..at + 8].copy_from_slice(row.as_bytes());
    runs_all::<I8>(&assembled(&header, &weights));
}

/// Half of the experts chosen by hard gates: only those run, in the erased view as in the typed
/// one.
#[test]
fn hard_gates_run_one_expert_each() {
    let mut rng = Rng::new(44);
    let layers = seeded::chain(&mut rng, &[6, 4], Activation::Relu, Activation::Relu);
    let mut nodes: Vec<_> = (0..4)
        .map(|_| seeded::node(Op::Expert, 0, 0, 6, 4, layers.clone()))
        .collect();
    nodes.extend((0..2).map(|_| seeded::gate(&mut rng, GateKind::Hard, 0, 6, vec![1, 2, 3, 4], 4)));
    nodes.extend((0..2).map(|k| seeded::tower(&mut rng, 5 + k, &[4, 1])));
    let graph = seeded::graph(
        6,
        nodes,
        &[Output::Sigmoid { value: 7 }, Output::Sigmoid { value: 8 }],
    );
    let blob = seeded::blob(&graph, convert::Precision::F32);
    type Of = Mmoe<[E<F32>; 4], [HardGate<Logits<6, 4, F32>>; 2], [Binary<Head<4, 1, F32>>; 2]>;
    let (model, erased) = (Of::load(&blob).unwrap(), Dynamic::load(&blob).unwrap());
    let mut scratch = vec![0; erased.scratch_words()];
    let mut both = [0; 3];
    for _ in 0..50 {
        let x: [f32; 6] = rng.row(6).try_into().unwrap();
        let ran = runs(|| _ = model.predict(&x));
        assert_eq!(
            erased
                .predict(&x, &mut scratch, &mut [0.0; 2])
                .unwrap()
                .experts,
            ran
        );
        both[ran as usize] += 1;
    }
    assert!(both[0] == 0 && both[1] > 0 && both[2] > 0, "{both:?}");
}
