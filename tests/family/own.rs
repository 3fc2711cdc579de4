//! What a user adds: a layer, and an input stage in front.

use crate::seeded::{self, Rng, assembled, node};
use mmoe::blob::{Check, LayerKind, LayerRecord, PrecisionKind};
use mmoe::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use mmoe::*;
use mmoe_tools::blob::read;
use mmoe_tools::convert::Precision;
use mmoe_tools::graph::{Activation, GateKind, Op, Output};

/// `x + shift·x²`, unit by unit.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
struct Bent<const N: usize> {
    shift: [f32; N],
}

impl<const N: usize> Layer for Bent<N> {
    type Act = f32;
    type In = [f32; N];
    type Out = [f32; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::user(LayerKind::USER, PrecisionKind::F32, N, N) });
    }
    fn forward<M: Math>(&self, x: &[f32; N], y: &mut [f32; N]) {
        for ((y, x), s) in y.iter_mut().zip(x).zip(&self.shift) {
            *y = x + s * x * x;
        }
    }
}

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
    let s = model.trunk.0.1.shift;
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

/// An id, looked up in a table of `IDS` rows, in front of `NUMBERS` plain features: `WIDE` = `DIM`
/// + `NUMBERS` in all.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Embedding<const IDS: usize, const DIM: usize, const NUMBERS: usize, const WIDE: usize> {
    table: [[f32; DIM]; IDS],
}

/// What it takes.
struct Query<const NUMBERS: usize> {
    id: u32,
    numbers: [f32; NUMBERS],
}

impl<const IDS: usize, const DIM: usize, const NUMBERS: usize, const WIDE: usize> InputStage
    for Embedding<IDS, DIM, NUMBERS, WIDE>
{
    type From = Query<NUMBERS>;
    type Out = [f32; WIDE];
    const COUNT: usize = WIDE;
    const SCRATCH: usize = size_of::<[f32; WIDE]>();
    fn with<R>(&self, x: &Query<NUMBERS>, f: impl FnOnce(&[f32; WIDE]) -> R) -> R {
        const {
            assert!(
                DIM + NUMBERS == WIDE,
                "the embedding and the numbers fill the trunk's input"
            )
        };
        let mut all = [0.0; WIDE];
        // An id beyond the table is nobody: zeros.
        let row = self.table.get(x.id as usize).unwrap_or(&[0.0; DIM]);
        for (to, from) in all.iter_mut().zip(row.iter().chain(&x.numbers)) {
            *to = *from;
        }
        f(&all)
    }
}

#[test]
fn an_embedding_in_front_is_an_input_stage() {
    type Trunk = MmoeLevel<[Dense<5, 4, F32>; 2], [Gate<5, 2, F32>; 2]>;
    type Towers = [Binary<Head<4, 1, F32>>; 2];
    type Plain = Model<Raw<[f32; 5]>, Trunk, Towers>;
    type Embedded = Model<Embedding<7, 3, 2, 5>, Trunk, Towers>;
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
