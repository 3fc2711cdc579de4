//! What a user adds: a layer, and an input stage in front.

use mmoe::blob::{Check, LayerKind};
use mmoe::layer::{Layer, PRelu};
use mmoe::math::{Libm, Math};
use mmoe::tower::{Tower, Towers};
use mmoe::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use mmoe::*;
use mmoe_tools::blob::read;
use mmoe_tools::convert::Precision;
use mmoe_tools::graph::{Activation, GateKind, Op, Output};
use testkit::Rng;
use testkit::graphs::{self as seeded, assembled, node};

#[path = "../../docs/own/layer.rs"]
#[allow(
    unreachable_pub,
    reason = "the text of an example, public where it is copied to"
)]
mod layer_of_ones_own;
use layer_of_ones_own::Bent;
#[path = "../../docs/own/input.rs"]
#[allow(
    unreachable_pub,
    reason = "the text of an example, public where it is copied to"
)]
mod input_of_ones_own;
use input_of_ones_own::{Embedding, Query};

#[test]
fn a_layer_of_the_users_own_loads_and_runs() {
    type Of<L> = SharedBottom<Seq<Dense<3, 2, F32, Linear>, L>, [MixtureOutput<2, F32>; 1], 1>;
    let mut rng = Rng::new(30);
    let mut layers = seeded::chain(&mut rng, &[3, 2], Activation::Linear, Activation::Linear);
    layers.push(seeded::prelu(&mut rng, 2));
    let nodes = vec![
        node(Op::Expert, 0, 0, 3, 2, layers),
        node(Op::Tower, 1, 0, 2, 2, vec![]),
    ];
    let graph = seeded::graph(3, nodes, &[Output::Linear { value: 2 }]);
    let plain = seeded::blob(&graph, Precision::F32);
    assert!(Of::<PRelu<2, F32>>::load(&plain).is_ok());
    // The converter knows no such layer: its record and weights are a PReLU's but for the kind.
    let (mut header, weights) = read::split(&plain).unwrap();
    header.layers[1].kind = LayerKind::USER;
    let blob = assembled(&header, weights);
    let model = Of::<Bent<2>>::load(&blob).unwrap();
    let x = [0.5, -1.0, 2.0];
    let mut h = [0.0; 2];
    model.trunk.0.0.forward::<Libm>(&x, &mut h);
    let s = model.trunk.0.1.bend;
    assert_eq!(
        model.predict(&x),
        [[h[0] + s[0] * h[0] * h[0], h[1] + s[1] * h[1] * h[1]]]
    );
    assert!(s.iter().all(|s| *s != 0.0));
    // Each is refused by the other's reader, and by the one that knows only the crate's layers.
    assert!(matches!(
        Of::<Bent<2>>::load(&plain),
        Err(LoadError::Layer {
            node,
            layer: 1,
            ..
        }) if node.to_string() == "expert 0"
    ));
    assert!(matches!(
        Of::<PRelu<2, F32>>::load(&blob),
        Err(LoadError::Layer { .. })
    ));
    assert_eq!(
        Dynamic::load(&blob).unwrap_err(),
        LoadError::Record { at: 0, rule: 9 }
    );
}

#[test]
fn an_embedding_in_front_is_an_input_stage() {
    type Experts = [Dense<5, 4, F32>; 2];
    type Gates = [Gate<5, 2, F32>; 2];
    type Towers = [Binary<Head<4, 1, F32>>; 2];
    type Plain = Mmoe<Experts, Gates, Towers>;
    type Embedded = Mmoe<Experts, Gates, Towers, Embedding<7, 3, 2, 5>>;
    let mut rng = Rng::new(31);
    let mut nodes: Vec<_> = (0..2)
        .map(|_| seeded::expert(&mut rng, 0, &[5, 4]))
        .collect();
    nodes.extend((0..2).map(|_| seeded::gate(&mut rng, GateKind::Softmax, 0, 5, vec![1, 2], 4)));
    nodes.extend((0..2).map(|k| seeded::tower(&mut rng, 3 + k, &[4, 1])));
    let graph = seeded::graph(
        5,
        nodes,
        &[Output::Sigmoid { value: 5 }, Output::Sigmoid { value: 6 }],
    );
    let plain = seeded::blob(&graph, Precision::F32);
    // The table lies before the layers.
    let table: Vec<f32> = rng.reals(7 * 3);
    let (header, weights) = read::split(&plain).unwrap();
    let blob = assembled(&header, &[table.as_bytes(), weights].concat());
    let (plain, embedded) = (Plain::load(&plain).unwrap(), Embedded::load(&blob).unwrap());
    for id in 0..8 {
        let mut x = [0.0, 0.0, 0.0, 0.25, -1.5];
        if let Some(row) = table.get(3 * id..3 * id + 3) {
            x[..3].copy_from_slice(row);
        }
        let y: [f32; 2] = embedded.predict(&Query {
            id: id as u32,
            numbers: [0.25, -1.5],
        });
        assert_eq!(y, plain.predict(&x), "id {id}");
    }
    const { assert!(Embedded::SCRATCH == Plain::SCRATCH + 20) };
    assert!(matches!(Plain::load(&blob), Err(LoadError::Weights { .. })));
}

/// Two towers of which the second reads what the first one gave, as the chained towers of AITM do:
/// its logit is its own and then the first one's probability.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Chained<T>([T; 2]);

impl<T: Tower<Act = f32, In = [f32; 4], Out = f32, Shown = f32>> Towers for Chained<T> {
    type Act = f32;
    type In = [f32; 4];
    type Out = [f32; 2];
    type Shown = [f32; 2];
    type Count = [(); 2];
    const COUNT: usize = 2;
    const SCRATCH: usize = T::SCRATCH;
    const PROBABILITIES: u64 = 0b11;
    fn describe(to: &mut Check<'_>, src: u8, stride: u8) {
        <[T; 2]>::describe(to, src, stride);
    }
    fn needs(tasks: TaskMask) -> TaskMask {
        if tasks.contains(1) {
            tasks | TaskMask::only(0)
        } else {
            tasks
        }
    }
    fn run<M: Math>(&self, k: usize, x: &[f32; 4], out: &mut [f32; 2]) {
        if let Some(tower) = self.0.get(k) {
            let first = out[0];
            tower.forward::<M>(x, &mut out[k]);
            if k == 1 {
                out[1] *= first;
            }
        }
    }
    fn show(&self, out: &[f32; 2]) -> [f32; 2] {
        *out
    }
    fn show_tasks(&self, tasks: TaskMask, out: &[f32; 2], to: &mut [f32; 2]) {
        self.0.show_tasks(tasks, out, to);
    }
    fn words(out: &[f32; 2], to: &mut dyn FnMut(u32)) {
        <[T; 2]>::words(out, to);
    }
    fn probability(out: &[f32; 2], k: usize) -> Option<f32> {
        out.get(k).copied()
    }
}

/// The seam for towers that read towers: whoever is asked for runs after those that it needs.
#[test]
fn a_tower_can_read_a_tower() {
    type Experts = [Dense<5, 4, F32>; 2];
    type Gates = [Gate<5, 2, F32>; 2];
    type Plain = Mmoe<Experts, Gates, [Binary<Head<4, 1, F32>>; 2]>;
    type Reads = Mmoe<Experts, Gates, Chained<Binary<Head<4, 1, F32>>>>;
    let mut rng = Rng::new(32);
    let mut nodes: Vec<_> = (0..2)
        .map(|_| seeded::expert(&mut rng, 0, &[5, 4]))
        .collect();
    nodes.extend((0..2).map(|_| seeded::gate(&mut rng, GateKind::Softmax, 0, 5, vec![1, 2], 4)));
    nodes.extend((0..2).map(|k| seeded::tower(&mut rng, 3 + k, &[4, 1])));
    let outputs = [5, 6].map(|value| Output::Sigmoid { value });
    let blob = seeded::blob(&seeded::graph(5, nodes, &outputs), Precision::F32);
    let (plain, reads) = (Plain::load(&blob).unwrap(), Reads::load(&blob).unwrap());
    for _ in 0..20 {
        let x: [f32; 5] = rng.row(5).try_into().unwrap();
        let [first, second] = plain.predict(&x);
        let chained = [first, second * first];
        assert_eq!(reads.predict(&x), chained);
        for tasks in (0..4).map(TaskMask::from_bits) {
            let mut y = [7.0; 2];
            reads.predict_tasks(&x, tasks, &mut y);
            let expected = [0, 1].map(|k| if tasks.contains(k) { chained[k] } else { 7.0 });
            assert_eq!(y, expected, "{tasks:?}");
        }
    }
}
