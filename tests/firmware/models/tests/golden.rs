//! The committed blobs on this machine: the digests of 1,000 rows that every core must give, with the
//! kernels that a host chooses, row by row; and batches, which must give the rows' bits. It needs
//! nothing but the engine, so that it can run for another architecture under an emulator.

use firmware_models::{Curved, Digest, Edge, Golden, Numbers, Recsys, Rng, Small, fill, raw};
use mmoe::math::Libm;
use mmoe::precision::{Pairs, Quad};
use mmoe::zerocopy::FromZeros;
use mmoe::{F32, I8, W8};

/// The blob, aligned, and the golden file.
fn files(name: &str) -> (Vec<u32>, usize, Vec<u8>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/blobs/");
    let blob = std::fs::read(format!("{folder}{name}.mmoe")).unwrap();
    let golden = std::fs::read(format!("{folder}{name}.golden")).unwrap();
    let mut words = vec![0_u32; blob.len().div_ceil(4)];
    mmoe::zerocopy::IntoBytes::as_mut_bytes(&mut words[..])[..blob.len()].copy_from_slice(&blob);
    (words, blob.len(), golden)
}

fn bits(shown: &impl Numbers) -> Vec<u32> {
    let mut bits = vec![];
    shown.each(&mut |b, _| bits.push(b));
    bits
}

macro_rules! golden {
    ($($test:ident: $file:literal $Model:ident<$P:ty>, $inputs:literal;)*) => {$(
        #[test]
        fn $test() {
            type M = $Model<$P>;
            let (words, len, golden) = files($file);
            let model = M::load(&mmoe::zerocopy::IntoBytes::as_bytes(&words[..])[..len]).unwrap();
            let (mut rng, mut digest) = (Rng::new(Golden::SEED), Digest::default());
            let mut rows = vec![<[f32; $inputs]>::new_zeroed(); 1000];
            for row in &mut rows {
                fill(&mut rng, row.as_mut());
                digest.row(model, row);
            }
            assert_eq!(Some(digest), Golden(&golden).digest(1000));
            let alone: Vec<_> = rows.iter().map(|row| model.predict_with::<Libm>(row)).collect();
            // Whole blocks and all rests.
            for batch in (1..=33).chain([64, 77, 1000]) {
                let mut y: Vec<_> = (0..batch).map(|_| model.predict(&rows[0])).collect();
                model.predict_batch(&rows[..batch], &mut y);
                for (n, (y, alone)) in y.iter().zip(&alone).enumerate() {
                    assert_eq!(bits(y), bits(alone), "row {n} of {batch}");
                }
            }
        }
    )*};
}

golden! {
    edge_f32: "edge.f32" Edge<F32>, 64;
    edge_w8: "edge.w8" Edge<W8>, 64;
    edge_i8: "edge.i8" Edge<I8>, 64;
    edge_i8_quad: "edge.i8-quad" Edge<I8<Quad>>, 64;
    edge_i8_pairs: "edge.i8-pairs" Edge<I8<Pairs>>, 64;
    curved_f32: "curved.f32" Curved<F32>, 16;
    curved_w8: "curved.w8" Curved<W8>, 16;
    curved_i8: "curved.i8" Curved<I8>, 16;
    recsys_f32: "recsys.f32" Recsys<F32>, 100;
    recsys_w8: "recsys.w8" Recsys<W8>, 100;
    recsys_i8: "recsys.i8" Recsys<I8>, 100;
    recsys_i8_quad: "recsys.i8-quad" Recsys<I8<Quad>>, 100;
    small_i8: "small.i8" Small<I8>, 16;
}

/// The files that `cargo xtask blobs` wrote hold for records too, typed and shape-erased.
#[test]
fn records() {
    type Model = fn(u32, &mut [u32; raw::SCRATCH]) -> raw::Digests;
    let models: [(&str, Model); 2] = [("shop", raw::shop), ("feed", raw::feed)];
    for (name, model) in models {
        let file = format!("{}/blobs/{name}.golden", env!("CARGO_MANIFEST_DIR"));
        let golden = std::fs::read(file).unwrap();
        for rows in [100, 1000] {
            let digests = model(rows as u32, &mut [0; raw::SCRATCH]).unwrap();
            let wanted = Golden(&golden).digest(rows).unwrap();
            assert_eq!(digests, [wanted; 2], "{name}");
        }
    }
}
