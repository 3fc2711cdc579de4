//! Finds the ten best of 500 items for one user, without a heap: `cargo run --release --example rank`
//! (`-- w8` or `-- i8` for other precisions).
//!
//! The features of a candidate are the user's 48 and then the item's 16. The part of the first layers
//! that depends on the user is computed once. The scores have the same bits as those of each candidate
//! by itself, which this program checks.

use mmoe::parallel::List3;
use mmoe::rank::{Best, Ranked};
use mmoe::{Binary, Dense, F32, Gate, Head, I8, Mmoe, Regression, Seq, W8};
use mmoe_tools::convert::{Conversion, Precision, convert};
use mmoe_tools::data::Rows;
use mmoe_tools::{import, plan::spec::Spec};
use std::error::Error;
use std::path::Path;

type Expert<P> = Seq<Dense<64, 64, P>, Dense<64, 32, P>>;
type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
type Edge<P> = Mmoe<
    [Expert<P>; 4],
    [Gate<64, 4, P>; 3],
    List3<Binary<Tower<P>>, Binary<Tower<P>>, Regression<Tower<P>>>,
>;
type User = [f32; 48];
type Item = [f32; 16];
type Ten = Best<10>;

/// Combines the three tasks into the number to rank by.
fn score((click, like, watch): &(f32, f32, f32)) -> f32 {
    *click + 0.5 * *like + 0.1 * *watch
}

/// Both ways of ranking with a model of one precision.
macro_rules! ranking {
    ($name:ident, $P:ty) => {
        mod $name {
            use super::*;

            #[inline(never)]
            pub(super) fn in_context(model: &Edge<$P>, user: &User, items: &[Item]) -> Ten {
                model.rank(user, items, score)
            }

            #[inline(never)]
            pub(super) fn one_by_one(model: &Edge<$P>, user: &User, items: &[Item]) -> Ten {
                let mut best = Ten::new();
                let mut row = [0.0; 64];
                row[..48].copy_from_slice(user);
                for (i, item) in items.iter().enumerate() {
                    row[48..].copy_from_slice(item);
                    best.offer(i as u32, score(&model.predict(&row)));
                }
                best
            }

            pub(super) fn both(
                blob: &[u8],
                user: &User,
                items: &[Item],
            ) -> Result<[Ten; 2], mmoe::LoadError> {
                let model = Edge::<$P>::load(blob)?;
                Ok([
                    in_context(model, user, items),
                    one_by_one(model, user, items),
                ])
            }
        }
    };
}
ranking!(f32s, F32);
ranking!(w8, W8);
ranking!(i8s, I8);

fn main() -> Result<(), Box<dyn Error>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch-edge");
    let spec = Spec::parse(&std::fs::read_to_string(fixtures.join("spec.toml"))?)?;
    let weights = import::read(&fixtures.join("model.safetensors"))?;
    let test = import::read(&fixtures.join("test_set.npz"))?;
    let x = &test.tensors.get("x").ok_or("no `x` in test_set.npz")?.data;
    let (rows, _) = x.as_chunks::<64>();
    // The first row's user; items from 500 rows.
    let user: User = rows[0][..48].try_into()?;
    let items: Vec<Item> = rows
        .iter()
        .take(500)
        .map(|row| row[48..].try_into())
        .collect::<Result<_, _>>()?;

    let precision = std::env::args().nth(1).unwrap_or_else(|| "f32".into());
    let conversion = match precision.as_str() {
        "f32" => Conversion::new(Precision::F32),
        "w8" => Conversion::new(Precision::W8),
        "i8" => Conversion {
            calibration: Some(
                Rows {
                    data: x.clone(),
                    width: 64,
                }
                .into(),
            ),
            // Refuses where a layer would become wide: the type above says int8.
            max_loss: Some(1.0),
            ..Conversion::new(Precision::I8)
        },
        other => return Err(format!("no precision `{other}`: there are f32, w8 and i8").into()),
    };
    let blob = convert(weights, Some(&spec), &conversion)?.bytes();

    let [ranked, alone] = match precision.as_str() {
        "f32" => f32s::both(&blob, &user, &items)?,
        "w8" => w8::both(&blob, &user, &items)?,
        _ => i8s::both(&blob, &user, &items)?,
    };
    println!(
        "the ten best of {} in {} bytes:",
        items.len(),
        size_of::<Ten>()
    );
    for Ranked { index, score } in ranked.iter() {
        println!("item {index:3}  score {score:.6}");
    }
    let bits = |best: &Ten| {
        best.iter()
            .map(|r| (r.index, r.score.to_bits()))
            .collect::<Vec<_>>()
    };
    if bits(&ranked) != bits(&alone) {
        return Err("ranking in a context differs from scoring each item alone".into());
    }
    println!("scoring each item alone gives the same bits");
    Ok(())
}
