//! A blob's self-test rows pass on an intact model and find changed weights.

mod common;

use common::{fixture, graph, narrow, read};
use mmoe::{
    Binary, Dense, F32, Gate, Head, I8, List3, Mmoe, Pairs, Precision, Quad, Regression,
    SelfTestError, Seq, W8,
};
use mmoe_tools::blob::{encode::Packing, file};
use mmoe_tools::convert::Conversion;
use mmoe_tools::engine::BlobBytes;

type Expert<P> = Seq<Dense<64, 64, P>, Dense<64, 32, P>>;
type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
type Edge<P> = Mmoe<
    [Expert<P>; 4],
    [Gate<64, 4, P>; 3],
    List3<Binary<Tower<P>>, Binary<Tower<P>>, Regression<Tower<P>>>,
>;

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
    assert_eq!(Edge::<P>::self_test(&without), Err(SelfTestError::Missing));
    conversion.self_test = Some(4);
    let made = conversion.details(&graph).unwrap();
    let coverage = made.coverage.unwrap();
    assert!(coverage > 0.9, "{coverage}");
    let (mut blob, weights) = (made.blob.bytes(), made.blob.weights);
    assert_eq!(Edge::<P>::self_test(&blob[..]), Ok(4));
    let (first, mut seed) = (blob.len() - weights.len(), 1u64);
    let mut random = |n: usize| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) as usize % n
    };
    (0..1000)
        .filter(|_| {
            let (at, bit) = (first + random(weights.len()), random(8));
            blob[at] ^= 1 << bit;
            file::seal(&mut blob);
            let result = Edge::<P>::self_test(&blob[..]);
            blob[at] ^= 1 << bit;
            matches!(result, Err(SelfTestError::Row { .. }))
        })
        .count()
}

/// The firmware's blobs carry rows that an engine of another day computed: a kernel, a softmax or a
/// mixture that changes is found.
#[test]
fn stored_blobs_pass() {
    let stored = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/firmware/models/blobs");
        BlobBytes::new(&std::fs::read(format!("{path}/edge.{name}.mmoe")).unwrap())
    };
    assert_eq!(Edge::<F32>::self_test(&stored("f32")[..]), Ok(4));
    assert_eq!(Edge::<W8>::self_test(&stored("w8")[..]), Ok(4));
    assert_eq!(Edge::<I8>::self_test(&stored("i8")[..]), Ok(4));
    assert_eq!(Edge::<I8<Quad>>::self_test(&stored("i8-quad")[..]), Ok(4));
    assert_eq!(Edge::<I8<Pairs>>::self_test(&stored("i8-pairs")[..]), Ok(4));
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
