//! Ranking with a shared context gives the bits of plain predictions, in every precision.

use mmoe::gate::{DSelectKGate, MaskedGate, SigmoidGate, SoftmaxGate, TopKGate};
use mmoe::parallel::{List3, List5};
use mmoe::precision::{Pairs, Panels, Precision, Quad, Wide};
use mmoe::rank::Best;
use mmoe::zerocopy::TryFromBytes;
use mmoe::{
    Binary, Dense, F32, Head, I8, I16, Logits, Mmoe, Multiclass, Product, Regression, Seq, W8,
};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert;
use mmoe_tools::engine::BlobBytes;
use testkit::Rng;
use testkit::fixtures::{float, graph, integer, read};
use testkit::models::Edge;

fn check<P: Precision>(blob: &[u8]) {
    let model = Edge::<P>::load(blob).unwrap();
    let x = &read("pytorch-edge/golden.npz").tensors["x"].data;
    let rows = x.as_chunks::<64>().0;
    let context: &[f32; 48] = rows[0].first_chunk().unwrap();
    let items: Vec<[f32; 16]> = rows.iter().map(|r| *r.last_chunk().unwrap()).collect();
    let whole = |item: &[f32; 16]| {
        let mut x = rows[0];
        x[48..].copy_from_slice(item);
        model.predict(&x)
    };
    let kept = model.context(context);
    for item in &items {
        let (a, b, c) = model.predict_in(&kept, item);
        let (d, e, f) = whole(item);
        assert_eq!([a, b, c].map(f32::to_bits), [d, e, f].map(f32::to_bits));
    }
    let best = model.rank::<48, 16, 10>(context, &items, |y| y.0 + y.1);
    let mut order: Vec<(usize, f32)> = items
        .iter()
        .map(|i| {
            let y = whole(i);
            y.0 + y.1
        })
        .enumerate()
        .collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    assert_eq!(best.len(), 10);
    for (r, (index, score)) in best.iter().zip(order) {
        assert_eq!((r.index as usize, r.score), (index, score));
    }
}

#[test]
fn context_and_rest_are_the_whole() {
    let edge = graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml");
    let rows = &read("pytorch-edge/golden.npz").tensors["x"].data;
    check::<F32>(&float(&edge, convert::Precision::F32)[..]);
    check::<W8>(&float(&edge, convert::Precision::W8)[..]);
    check::<I8<Panels>>(&integer(&edge, rows, Packing::Panels)[..]);
    check::<I8<Quad>>(&integer(&edge, rows, Packing::Quad)[..]);
    check::<I8<Pairs>>(&integer(&edge, rows, Packing::Pairs)[..]);
}

/// The levels of models whose gates differ in width are lists: of experts, of gates of every kind,
/// and of towers. They rank as arrays do.
#[test]
fn lists_rank_as_arrays_do() {
    type Logit<P> = Logits<6, 3, P>;
    type Unlike<P> = Mmoe<
        List3<Seq<Dense<6, 5, P>, Dense<5, 4, P>>, Dense<6, 4, P>, Dense<6, 4, P>>,
        List5<
            SoftmaxGate<Logits<6, 3, Wide<P>>>,
            SigmoidGate<Logit<P>>,
            TopKGate<Logit<P>, 2, true>,
            DSelectKGate<Logit<P>, 3, 1>,
            MaskedGate<SoftmaxGate<Logits<6, 2, P>>, 0b101, 3>,
        >,
        Product<
            List5<
                Binary<Head<4, 1, P>>,
                Binary<Head<4, 1, P>>,
                Regression<Head<4, 1, P>>,
                Multiclass<Head<4, 3, P>>,
                Binary<Head<4, 1, P>>,
            >,
            0,
            4,
        >,
    >;
    fn ranks<P: Precision>() {
        let mut rng = Rng::new(5);
        // Any bytes are integer weights; small floats are finite ones.
        let mut bytes = BlobBytes::new(&vec![0; size_of::<Unlike<P>>()]);
        for word in bytes.as_chunks_mut::<4>().0 {
            *word = if size_of::<P::Act>() == 4 {
                rng.real().to_le_bytes()
            } else {
                (rng.bits() as u32 & 0x1fff_1fff).to_le_bytes()
            };
        }
        let model = Unlike::<P>::try_ref_from_bytes(&bytes).unwrap_or_else(|_| panic!("no model"));
        let all = [0.5, -1.0, 0.25, 1.0, 2.0, -0.5];
        let (user, item) = (
            all.first_chunk::<2>().unwrap(),
            all.last_chunk::<4>().unwrap(),
        );
        let (whole, parts) = (
            model.predict(&all),
            model.predict_in(&model.context(user), item),
        );
        assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
        let best = model.rank::<2, 4, 3>(user, [item], |y| y.product);
        assert_eq!((best.len(), best[0].score), (1, whole.product));
    }
    ranks::<F32>();
    ranks::<W8>();
    ranks::<I8>();
    ranks::<I16>();
}

/// What a sort would choose, for every length and with ties, infinities and NaN among the scores.
#[test]
fn the_best_are_those_that_a_sort_puts_first() {
    fn check<const TOP: usize>(scores: &[f32]) {
        let mut best = Best::<TOP>::new();
        let mut order: Vec<usize> = (0..scores.len()).filter(|i| !scores[*i].is_nan()).collect();
        for (i, score) in scores.iter().enumerate() {
            let before = best.to_vec();
            assert_eq!(best.offer(i as u32, *score), *best != *before);
        }
        order.sort_by(|a, b| scores[*b].partial_cmp(&scores[*a]).unwrap().then(a.cmp(b)));
        order.truncate(TOP);
        let found: Vec<usize> = best.iter().map(|r| r.index as usize).collect();
        assert_eq!(found, order, "the best {TOP} of {scores:?}");
    }
    let mut rng = Rng::new(6);
    for n in 0..40 {
        let some = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            -0.0,
            1.0,
            1.0,
        ];
        let scores: Vec<f32> = (0..n)
            .map(|_| {
                if rng.one_in(2) {
                    rng.pick(&some)
                } else {
                    rng.real()
                }
            })
            .collect();
        check::<0>(&scores);
        check::<1>(&scores);
        check::<3>(&scores);
        check::<16>(&scores);
        check::<64>(&scores);
    }
}

#[test]
fn the_wrong_packing_is_named() {
    let edge = graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml");
    let blob = integer(
        &edge,
        &read("pytorch-edge/golden.npz").tensors["x"].data,
        Packing::Quad,
    );
    let error = Edge::<I8<Panels>>::load(&blob[..]).unwrap_err();
    assert_eq!(error.code(), 0x34);
    assert!(error.to_string().contains("--packing"), "{error}");
}
