//! A blob's self-test rows pass on an intact model and find changed weights.

use mmoe::precision::{Pairs, Precision, Quad};
use mmoe::{Blob, Dynamic, F32, I8, SelfTestError, W8};
use mmoe_tools::blob::{encode::Packing, file};
use mmoe_tools::convert::Conversion;
use mmoe_tools::engine::BlobBytes;
use testkit::Rng;
use testkit::fixtures::{fixture, graph, narrow, read};
use testkit::models::Edge;

/// Runs the stored rows typed and erased, which must find the same.
fn self_test<P: Precision>(bytes: &[u8]) -> Result<u32, SelfTestError> {
    let blob = Blob::open(bytes)?;
    let typed = Edge::<P>::from_blob(&blob)?.self_test(&blob);
    let erased = Dynamic::from_blob(&blob)?;
    let mut scratch = vec![0xffff_ffff; erased.self_test_words()];
    assert_eq!(erased.self_test(&mut scratch), typed);
    typed
}

/// A stored NaN passes no test, though the device computes the same bits.
#[test]
fn what_is_no_number_never_passes() {
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let outputs = odd.to_le_bytes();
        let row = |floats| mmoe::blob::SelfTestRow {
            row: 0,
            activations: &[],
            outputs: &outputs,
            floats,
        };
        let found = || [odd.to_bits()];
        assert!(matches!(
            row(true).compare(found()),
            Err(SelfTestError::Row { output: 0, .. })
        ));
        // An integer model's word may have any bits.
        assert_eq!(row(false).compare(found()), Ok(()));
    }
}

#[test]
fn a_short_scratch_is_named() {
    for name in ["f32", "i8"] {
        let bytes = stored(name);
        let model = Dynamic::load(&bytes[..]).unwrap();
        let words = model.self_test_words();
        assert_eq!(model.self_test(&mut vec![0; words]), Ok(4));
        for short in [0, 1, model.scratch_words(), words - 1] {
            assert_eq!(
                model.self_test(&mut vec![0; short]),
                Err(SelfTestError::Scratch {
                    expected: words as u32,
                    found: short as u32
                })
            );
        }
    }
}

/// Intact, without rows, and with single bytes of the weights changed: how many of 1,000 changes
/// are found.
fn found<P: Precision>(integer: bool) -> usize {
    assert!(fixture("pytorch-edge").is_dir());
    let graph = graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml");
    let mut conversion = if integer {
        let rows = &read("pytorch-edge/golden.npz").tensors["x"].data;
        narrow(&graph, rows, Packing::Panels)
    } else {
        Conversion::default()
    };
    let without = conversion.run(&graph).unwrap().bytes();
    assert_eq!(self_test::<P>(&without), Err(SelfTestError::Missing));
    conversion.self_test = Some(4);
    let made = conversion.details(&graph).unwrap();
    let coverage = made.coverage.unwrap();
    assert!(coverage > 0.9, "{coverage}");
    let (mut blob, weights) = (made.blob.bytes(), made.blob.weights);
    assert_eq!(self_test::<P>(&blob[..]), Ok(4));
    let (first, mut rng) = (blob.len() - weights.len(), Rng::new(1));
    (0..1000)
        .filter(|_| {
            let (at, bit) = (first + rng.below(weights.len()), rng.below(8));
            blob[at] ^= 1 << bit;
            file::seal(&mut blob);
            let result = self_test::<P>(&blob[..]);
            blob[at] ^= 1 << bit;
            matches!(result, Err(SelfTestError::Row { .. }))
        })
        .count()
}

fn stored(name: &str) -> BlobBytes {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/firmware/models/blobs");
    BlobBytes::new(&std::fs::read(format!("{path}/edge.{name}.mmoe")).unwrap())
}

/// The firmware's blobs carry rows that an engine of another day computed: a kernel, a softmax or a
/// mixture that changes is found.
#[test]
fn stored_blobs_pass() {
    assert_eq!(self_test::<F32>(&stored("f32")[..]), Ok(4));
    assert_eq!(self_test::<W8>(&stored("w8")[..]), Ok(4));
    assert_eq!(self_test::<I8>(&stored("i8")[..]), Ok(4));
    assert_eq!(self_test::<I8<Quad>>(&stored("i8-quad")[..]), Ok(4));
    assert_eq!(self_test::<I8<Pairs>>(&stored("i8-pairs")[..]), Ok(4));
}

#[test]
fn most_changes_of_f32_weights_are_found() {
    let found = found::<F32>(false);
    println!("{found} of 1,000");
    assert!(found > 600, "{found} of 1,000");
}

#[test]
fn most_changes_of_int8_weights_are_found() {
    let found = found::<I8>(true);
    println!("{found} of 1,000");
    assert!(found > 600, "{found} of 1,000");
}
