//! One loaded model, several threads: each predicts a slice of the rows, and nothing else is needed.

use mmoe::{Dynamic, F32, I8, LoadError, W8};
use mmoe_tools::convert::Precision;
use mmoe_tools::engine::BlobBytes;
use testkit::fixtures::{float, graph, integer, read};
use testkit::models::Edge;

const fn shared_between_threads<T: Send + Sync>() {}

const _: () = {
    shared_between_threads::<Edge<F32>>();
    shared_between_threads::<Edge<W8>>();
    shared_between_threads::<Edge<I8>>();
    shared_between_threads::<Dynamic<'static>>();
    shared_between_threads::<LoadError>();
};

/// The blob in each precision, and rows that no thread count divides evenly.
fn made() -> ([BlobBytes; 3], Vec<[f32; 64]>) {
    let edge = graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml");
    let calibration = &read("pytorch-edge/calibration.npz").tensors["x"].data;
    let rows = &read("pytorch-edge/test_set.npz").tensors["x"].data;
    let blobs = [
        float(&edge, Precision::F32),
        float(&edge, Precision::W8),
        integer(&edge, calibration, mmoe::blob::PackingKind::Panels),
    ];
    (blobs, rows.as_chunks::<64>().0[..1003].to_vec())
}

/// Every thread predicts its slice in one call; the outputs have the bits of row after row on one thread.
macro_rules! batches {
    ($P:ty, $blob:expr, $rows:expr) => {
        let model = Edge::<$P>::load($blob.as_slice()).unwrap();
        let alone: Vec<_> = $rows.iter().map(|x| model.predict(x)).collect();
        for threads in [2, 3, 7] {
            let mut y = vec![(0.0, 0.0, 0.0); $rows.len()];
            let part = $rows.len().div_ceil(threads);
            std::thread::scope(|scope| {
                for (x, y) in $rows.chunks(part).zip(y.chunks_mut(part)) {
                    scope.spawn(move || model.predict_batch(x, y));
                }
            });
            for (row, (a, b)) in alone.iter().zip(&y).enumerate() {
                let bits = |y: &(f32, f32, f32)| [y.0, y.1, y.2].map(f32::to_bits);
                assert_eq!(bits(a), bits(b), "row {row} of {threads} threads");
            }
        }
    };
}

#[test]
fn threads_predict_slices_of_a_batch_with_one_model() {
    let (blobs, rows) = made();
    batches!(F32, blobs[0], rows);
    batches!(W8, blobs[1], rows);
    batches!(I8, blobs[2], rows);
}

#[test]
fn threads_share_one_view_without_a_type() {
    let (blobs, rows) = made();
    for blob in &blobs {
        let model = Dynamic::load(blob.as_slice()).unwrap();
        let predict = |x: &[f32; 64]| {
            let (mut scratch, mut y) = (vec![0; model.scratch_words()], [0.0; 3]);
            model.predict(x, &mut scratch, &mut y).unwrap();
            y.map(f32::to_bits)
        };
        let alone: Vec<_> = rows.iter().map(predict).collect();
        let (left, right) = rows.split_at(400);
        let both = std::thread::scope(|scope| {
            let left = scope.spawn(|| left.iter().map(predict).collect::<Vec<_>>());
            let right: Vec<_> = right.iter().map(predict).collect();
            [left.join().unwrap(), right].concat()
        });
        assert_eq!(alone, both);
    }
}
