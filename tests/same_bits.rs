//! Float models give the same bits on every target and at every optimization level: the committed
//! hash of 1,000 rows. The firmware makes the same rows and the same hash.

use mmoe::precision::Precision;
use mmoe::{Dynamic, F32, W8};
use mmoe_tools::convert::{self, Conversion};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::import;
use mmoe_tools::plan::spec::Spec;
use std::path::Path;
use testkit::models::{self, Edge};

/// The year of the MMoE article.
const SEED: u32 = 2018;

/// The generator's first numbers.
const FIRST: [u32; 3] = [0x1f74_b41c, 0xb719_6c07, 0xc9a1_e82b];

/// The hash in `F32`.
const EDGE_F32: u64 = 0x7b82_3e41_6dfd_ebb3;

/// The hash in `W8`.
const EDGE_W8: u64 = 0x25ce_177d_8b93_27bc;

/// FNV-1a over words, little end first.
struct Fnv(u64);

impl Fnv {
    fn word(&mut self, word: u32) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn edge(precision: convert::Precision) -> BlobBytes {
    let fixture = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/pytorch-edge")
            .join(name)
    };
    let spec = Spec::parse(&std::fs::read_to_string(fixture("spec.toml")).unwrap()).unwrap();
    let weights = import::read(&fixture("model.safetensors")).unwrap();
    convert::convert(weights, Some(&spec), &Conversion::new(precision))
        .unwrap()
        .bytes()
}

/// Of 1,000 rows: raw outputs, outputs, and all gate weights.
fn typed<P: Precision<Act = f32>>(bytes: &[u8]) -> u64 {
    let (mut rng, mut fnv) = (models::Rng::new(SEED), Fnv(0xcbf2_9ce4_8422_2325));
    let model = Edge::<P>::load(bytes).unwrap();
    let mut x = [0.0; 64];
    for _ in 0..1000 {
        models::fill(&mut rng, &mut x);
        let raw = model.predict_q(&x);
        [raw.0, raw.1, raw.2]
            .iter()
            .for_each(|y| fnv.word(y.to_bits()));
        let traced = model.predict_traced(&x);
        let (a, b, c) = traced.tasks;
        [a, b, c].iter().for_each(|y| fnv.word(y.to_bits()));
        traced
            .gates
            .as_flattened()
            .iter()
            .for_each(|g| fnv.word(g.to_bits()));
    }
    fnv.0
}

/// The same by the records.
fn erased(bytes: &[u8]) -> u64 {
    let (mut rng, mut fnv) = (models::Rng::new(SEED), Fnv(0xcbf2_9ce4_8422_2325));
    let model = Dynamic::load(bytes).unwrap();
    let mut scratch = vec![0; model.scratch_words()];
    let (mut x, mut y, mut g) = ([0.0; 64], [0.0; 3], [0.0; 4]);
    for _ in 0..1000 {
        models::fill(&mut rng, &mut x);
        model.predict(&x, &mut scratch, &mut y).unwrap();
        // Raw outputs of a float model are its outputs.
        y.into_iter().chain(y).for_each(|y| fnv.word(y.to_bits()));
        for gate in 0..3 {
            assert_eq!(model.gate_weights(&scratch, gate, &mut g), 4);
            g.iter().for_each(|g| fnv.word(g.to_bits()));
        }
    }
    fnv.0
}

#[test]
fn f32() {
    let bytes = edge(convert::Precision::F32);
    assert_eq!(
        typed::<F32>(&bytes),
        EDGE_F32,
        "{:#018x}",
        typed::<F32>(&bytes)
    );
    assert_eq!(erased(&bytes), EDGE_F32);
}

#[test]
fn w8() {
    let bytes = edge(convert::Precision::W8);
    assert_eq!(
        typed::<W8>(&bytes),
        EDGE_W8,
        "{:#018x}",
        typed::<W8>(&bytes)
    );
    assert_eq!(erased(&bytes), EDGE_W8);
}

/// The first numbers of the generator, so that a change of it is not taken for one of the
/// arithmetic.
#[test]
fn the_rows_are_the_rows() {
    let mut rng = models::Rng::new(SEED);
    let first: Vec<u32> = (0..3).map(|_| rng.next_u32()).collect();
    assert_eq!(first, FIRST);
}
