//! Predictions from the features that are not zero give the bits of whole rows.

use mmoe::input::InputStage;
use mmoe::layer::Active;
use mmoe::precision::{Pairs, Panels, Precision, Quad};
use mmoe::zerocopy::{IntoBytes, TryFromBytes};
use mmoe::{F32, I8, W8};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert;
use testkit::fixtures::{float, graph, integer, read};
use testkit::models::Edge;

/// Five columns of each golden row, here and there, and none at all.
fn check<P: Precision>(blob: &[u8]) {
    let model = Edge::<P>::load(blob).unwrap();
    let sparse = model.sparse().expect("the input of edge has no offset");
    let bits = |(a, b, c): (f32, f32, f32)| [a, b, c].map(f32::to_bits);
    let x = &read("pytorch-edge/golden.npz").tensors["x"].data;
    for (n, row) in x.as_chunks::<64>().0.iter().enumerate() {
        let columns = [n % 7, 7 + n % 11, 20 + n % 13, 40 + n % 17, 63 - n % 5].map(|c| c as u16);
        let features = columns.map(|c| (c, row[usize::from(c)]));
        let mut whole = [0.0; 64];
        for (c, x) in features {
            whole[usize::from(c)] = x;
        }
        let right = bits(model.predict(&whole));
        assert_eq!(sparse.predict(&features).map(bits), Some(right), "row {n}");
        let mut q = vec![];
        model.input.with(&whole, |x, _| {
            q.extend(columns.map(|column| Active {
                column,
                value: x[usize::from(column)],
            }));
        });
        let raw = sparse.predict_q(&q).map(|raw| bits(model.show(&raw)));
        assert_eq!(raw, Some(right), "row {n}");
    }
    let nothing = bits(model.predict(&[0.0; 64]));
    assert_eq!(sparse.predict(&[]).map(bits), Some(nothing));
    // A feature that is named may be zero.
    assert_eq!(sparse.predict(&[(3, 0.0)]).map(bits), Some(nothing));
    for wrong in [[5, 5], [6, 5], [5, 64], [64, 65]] {
        assert!(
            sparse.predict(&wrong.map(|c| (c, 1.0))).is_none(),
            "{wrong:?}"
        );
    }
}

#[test]
fn active_features_are_the_whole_row() {
    let edge = graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml");
    let rows = &read("pytorch-edge/golden.npz").tensors["x"].data;
    check::<F32>(&float(&edge, convert::Precision::F32)[..]);
    check::<W8>(&float(&edge, convert::Precision::W8)[..]);
    check::<I8<Panels>>(&integer(&edge, rows, Packing::Panels)[..]);
    check::<I8<Quad>>(&integer(&edge, rows, Packing::Quad)[..]);
    check::<I8<Pairs>>(&integer(&edge, rows, Packing::Pairs)[..]);
}

/// A model's bytes with one word changed: whether it may leave out zeros.
fn still_exact<P: Precision>(blob: &[u8], at: usize, word: f32) -> bool {
    let size = size_of::<Edge<P>>();
    let mut words = vec![0u32; size / 4];
    words
        .as_mut_bytes()
        .copy_from_slice(&blob[blob.len() - size..]);
    words[at] = word.to_bits();
    let model = Edge::<P>::try_ref_from_bytes(words.as_bytes()).unwrap();
    model.sparse().is_some()
}

#[test]
fn what_would_give_other_bits_is_refused() {
    let edge = graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml");
    let rows = &read("pytorch-edge/golden.npz").tensors["x"].data;
    let blob = integer(&edge, rows, Packing::Pairs);
    // The first feature's offset.
    assert!(still_exact::<I8<Pairs>>(&blob, 0, -0.0));
    assert!(!still_exact::<I8<Pairs>>(&blob, 0, 0.5));
    // The first expert's first bias, and the first weight behind its 64 biases.
    let blob = float(&edge, convert::Precision::F32);
    assert!(still_exact::<F32>(&blob, 0, 0.0));
    assert!(!still_exact::<F32>(&blob, 0, -0.0));
    assert!(still_exact::<F32>(&blob, 64, -0.0));
    assert!(!still_exact::<F32>(&blob, 64, f32::INFINITY));
    assert!(!still_exact::<F32>(&blob, 64, f32::NAN));
}
