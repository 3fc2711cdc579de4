//! Ranking with a shared context gives the bits of plain predictions, in every precision.

mod common;

use common::{float, graph, integer, read};
use mmoe::{
    Binary, Dense, F32, Gate, Head, I8, List3, Mmoe, Pairs, Panels, Precision, Quad, Regression,
    Seq, W8,
};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert;

type Expert<P> = Seq<Dense<64, 64, P>, Dense<64, 32, P>>;
type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
type Edge<P> = Mmoe<
    [Expert<P>; 4],
    [Gate<64, 4, P>; 3],
    List3<Binary<Tower<P>>, Binary<Tower<P>>, Regression<Tower<P>>>,
>;

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
