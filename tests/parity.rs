//! Models of frameworks, converted, run typed and shape-erased, held against the frameworks' own
//! outputs.

use mmoe::precision::Precision;
use mmoe::{Dynamic, F32, W8};
use mmoe_tools::convert;
use testkit::fixtures::{float, graph, read};
use testkit::models::Edge;

fn same<P: Precision<Act = f32>>(p: convert::Precision, tolerance: f32) {
    let bytes = float(
        &graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml"),
        p,
    );
    let erased = Dynamic::load(&bytes[..]).unwrap();
    let golden = read("pytorch-edge/golden.npz");
    let x = &golden.tensors["x"];
    let mut scratch = vec![0; erased.scratch_words()];
    for (r, row) in x.data.chunks(64).enumerate() {
        let mut y = [0.0; 3];
        erased.predict(row, &mut scratch, &mut y).unwrap();
        let (y0, y1, y2) = Edge::<P>::load(&bytes[..])
            .unwrap()
            .predict(row.try_into().unwrap());
        assert_eq!([y0, y1, y2].map(f32::to_bits), y.map(f32::to_bits));
        for (k, y) in y.iter().enumerate() {
            let want = golden.tensors[&format!("y{k}")].data[r];
            assert!(
                (want - y).abs() <= tolerance * want.abs().max(1.0),
                "row {r} task {k}: {want} {y}"
            );
        }
    }
}

#[test]
fn pytorch_edge_f32() {
    same::<F32>(convert::Precision::F32, 1e-5);
}

#[test]
fn pytorch_edge_w8() {
    same::<W8>(convert::Precision::W8, 0.05);
}
