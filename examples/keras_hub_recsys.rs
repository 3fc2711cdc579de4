//! Shows how far int8 weights are from f32, beside what Keras computed:
//! `cargo run --release --example keras_hub_recsys`
//!
//! The model is the article's Keras layer, from its weights by name: 8 experts, a softmax gate per task,
//! and two regressions.

use mmoe::{Dense, F32, Gate, Head, Mmoe, Regression, Seq, W8};
use mmoe_tools::convert::{Precision, convert};
use mmoe_tools::{import, plan::spec::Spec};
use std::error::Error;
use std::path::Path;

type Tower<P> = Regression<Seq<Dense<16, 8, P>, Head<8, 1, P>>>;
type HubRecsys<P> = Mmoe<[Dense<100, 16, P>; 8], [Gate<100, 8, P>; 2], [Tower<P>; 2]>;

fn main() -> Result<(), Box<dyn Error>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras-hub-recsys");
    let spec = Spec::parse(&std::fs::read_to_string(fixtures.join("spec.toml"))?)?;
    let weights = import::read(&fixtures.join("weights_by_name.npz"))?;
    let full = convert(weights.clone(), Some(&spec), &Precision::F32.into())?.bytes();
    let small = convert(weights, Some(&spec), &Precision::W8.into())?.bytes();
    println!("F32: {} bytes, W8: {} bytes", full.len(), small.len());
    let (full, small) = (
        HubRecsys::<F32>::load(&full)?,
        HubRecsys::<W8>::load(&small)?,
    );

    let golden = import::read(&fixtures.join("golden.npz"))?;
    let column = |name: &str| {
        golden
            .tensors
            .get(name)
            .map(|t| t.data.as_slice())
            .ok_or(format!("no `{name}` in golden.npz"))
    };
    for (row, x) in column("x")?.as_chunks::<100>().0.iter().enumerate().take(5) {
        let keras = [column("y0")?[row], column("y1")?[row]];
        println!(
            "Keras {keras:.6?}  F32 {:.6?}  W8 {:.6?}",
            full.predict(x),
            small.predict(x)
        );
    }
    Ok(())
}
