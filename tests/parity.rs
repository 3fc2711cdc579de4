//! Models of frameworks, converted, run typed and shape-erased, held against the frameworks' own outputs.

use mmoe::{Aligned, Binary, Dense, Dynamic, F32, Gate, Head, List3, Mmoe, Precision, Scalar, Seq, W8};
use mmoe_tools::blob::file;
use mmoe_tools::model::{Options, build};
use mmoe_tools::spec::Spec;
use mmoe_tools::{import, pack};
use std::path::PathBuf;

type Expert<P> = Seq<Dense<64, 64, P>, Dense<64, 32, P>>;
type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
type Edge<P> = Mmoe<[Expert<P>; 4], [Gate<64, 4, P>; 3], List3<Binary<Tower<P>>, Binary<Tower<P>>, Scalar<Tower<P>>>>;

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

fn blob(weights: &str, spec: &str, precision: pack::Float) -> Vec<u8> {
    let spec = Spec::parse(&std::fs::read_to_string(fixture(spec)).unwrap()).unwrap();
    let made = build(import::read(&fixture(weights)).unwrap(), Some(&spec), Options::default()).unwrap();
    let (header, weights) = pack::float(&made.graph, precision);
    file::write(&header, &weights)
}

fn aligned(bytes: &[u8]) -> Box<Aligned<[u8; 1 << 18]>> {
    let mut a = Box::new(Aligned([0u8; 1 << 18]));
    a.0[..bytes.len()].copy_from_slice(bytes);
    a
}

fn same<P: Precision<Act = f32>>(p: pack::Float, tolerance: f32) {
    let bytes = aligned(&blob("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml", p));
    let erased = Dynamic::load(&bytes[..]).unwrap();
    let golden = import::read(&fixture("pytorch-edge/golden.npz")).unwrap();
    let x = &golden.tensors["x"];
    let mut scratch = vec![0; erased.scratch_words()];
    for (r, row) in x.data.chunks(64).enumerate() {
        let mut y = [0.0; 3];
        erased.predict(row, &mut scratch, &mut y).unwrap();
        let (y0, y1, y2) = Edge::<P>::load(&bytes[..]).unwrap().predict(row.try_into().unwrap());
        assert_eq!([y0, y1, y2].map(f32::to_bits), y.map(f32::to_bits));
        for k in 0..3 {
            let want = golden.tensors[&format!("y{k}")].data[r];
            assert!((want - y[k]).abs() <= tolerance * want.abs().max(1.0), "row {r} task {k}: {want} {}", y[k]);
        }
    }
}

#[test]
fn pytorch_edge_f32() {
    same::<F32>(pack::Float::F32, 1e-5);
}

#[test]
fn pytorch_edge_w8() {
    same::<W8>(pack::Float::W8 { narrow_heads: false }, 0.05);
}
