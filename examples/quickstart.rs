//! A model that PyTorch trained, converted, loaded and run: `cargo run --release --example
//! quickstart`.
//!
//! The first half of `main` is what `mmoe convert` does, called as a library. From `load` on it is what
//! firmware does.

use mmoe::parallel::List3;
use mmoe::{Binary, Dense, Dynamic, F32, Gate, Head, Mmoe, Regression, Seq};
use mmoe_tools::convert::{Conversion, convert};
use mmoe_tools::{import, plan::spec::Spec};
use std::error::Error;
use std::path::Path;

// The model's architecture is its type: 64 features, 4 experts, a gate and a tower for each of 3
// tasks.
type Expert<P> = Seq<Dense<64, 64, P>, Dense<64, 32, P>>;
type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
type Edge<P> = Mmoe<
    [Expert<P>; 4],
    [Gate<64, 4, P>; 3],
    List3<Binary<Tower<P>>, Binary<Tower<P>>, Regression<Tower<P>>>,
>;

fn main() -> Result<(), Box<dyn Error>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch-edge");
    let spec = Spec::parse(&std::fs::read_to_string(fixtures.join("spec.toml"))?)?;
    let weights = import::read(&fixtures.join("model.safetensors"))?;
    // On a device: `static BLOB: &Aligned<[u8]> = include_blob!("edge.mmoe");`
    let blob = convert(weights, Some(&spec), &Conversion::default())?.bytes();

    let model = Edge::<F32>::load(&blob)?;
    println!(
        "{} bytes of flash, {} bytes of stack, {} bytes for the loaded model",
        blob.len(),
        Edge::<F32>::SCRATCH,
        size_of::<&Edge<F32>>()
    );

    let golden = import::read(&fixtures.join("golden.npz"))?;
    let tensor = |name: &str| {
        golden
            .tensors
            .get(name)
            .map(|t| t.data.as_slice())
            .ok_or(format!("no `{name}` in golden.npz"))
    };
    let x = tensor("x")?;
    let mut worst = 0.0f32;
    for (row, features) in x.as_chunks::<64>().0.iter().enumerate() {
        let traced = model.predict_traced(features);
        let (click, like, watch) = traced.tasks;
        let ours = [click, like, watch];
        let theirs = [tensor("y0")?[row], tensor("y1")?[row], tensor("y2")?[row]];
        for (a, b) in ours.iter().zip(theirs) {
            worst = worst.max((a - b).abs() / b.abs().max(1.0));
        }
        if row < 3 {
            println!("row {row}: here {ours:.6?}\n       PyTorch {theirs:.6?}");
            for (task, gate) in traced.gates.iter().enumerate() {
                println!("       gate y{task}: {gate:.3?}");
            }
        }
    }
    println!("worst difference over {} rows: {worst:.1e}", x.len() / 64);

    // The same blob without knowing its shape when this program was compiled: the same bits.
    let erased = Dynamic::load(&blob)?;
    let (mut scratch, mut y) = (vec![0; erased.scratch_words()], vec![0.0; erased.outputs()]);
    erased.predict(&x[..64], &mut scratch, &mut y)?;
    let typed = model.predict(x[..64].try_into()?);
    println!(
        "shape-erased, row 0: {y:.6?}, equal: {}",
        [typed.0, typed.1, typed.2] == y[..]
    );
    if worst > 1e-5 {
        Err("this is not the model that PyTorch trained".into())
    } else {
        Ok(())
    }
}
