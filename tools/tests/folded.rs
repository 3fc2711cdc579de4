//! W8 models whose inputs are far from standardized: the first layers that int8 rows would spoil stay in
//! f32, all of a kind alike.

use mmoe::blob::PrecisionKind;
use mmoe_tools::convert::{Conversion, Converted, Precision};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::graph::Graph;
use mmoe_tools::model::build;
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::{like, readback, rust_type};
use testkit::fixtures::{fixture, read};

/// Means and deviations of the two halves of PyTorch's 64 features.
type Halves = [(f32, f32); 2];

/// As it was trained, in units of like ranges, and with a half that counts thousands.
const TRAINED: Halves = [(0.0, 1.0), (0.0, 1.0)];
const LIKE: Halves = [(5.0, 20.0), (-4.0, 25.0)];
const UNLIKE: Halves = [(0.0, 1.0), (5000.0, 800.0)];

/// The trained model, whose features are given in these units.
fn edge(halves: Halves) -> Graph {
    let mut spec = std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).unwrap();
    for (name, (mean, std)) in ["a", "b"].iter().zip(halves) {
        spec +=
            &format!("[[inputs]]\nname = \"{name}\"\ncount = 32\nmean = {mean:?}\nstd = {std:?}\n");
    }
    let spec = Spec::parse(&spec).unwrap();
    let weights = read("pytorch-edge/model.safetensors");
    let options = Conversion::new(Precision::W8).model_options();
    build(weights, Some(&spec), options).unwrap().graph
}

/// The mean difference of a blob's outputs from PyTorch's.
fn off(bytes: &BlobBytes, halves: Halves) -> f64 {
    let golden = read("pytorch-edge/golden.npz");
    let mut runner = Runner::load(bytes).unwrap();
    let (mut sum, mut count) = (0.0, 0.0);
    for (row, x) in golden.tensors["x"].data.chunks(64).enumerate() {
        let raw = x.iter().enumerate().map(|(i, v)| {
            let (mean, std) = halves[i / 32];
            mean + std * v
        });
        let (y, _) = runner.predict(&raw.collect::<Vec<_>>()).unwrap();
        for (task, y) in y.iter().enumerate() {
            let wanted = golden.tensors[&format!("y{task}")].data[row];
            sum += f64::from((y - wanted).abs());
            count += 1.0;
        }
    }
    sum / count
}

/// Of each dense layer whether it is int8.
fn narrow(bytes: &BlobBytes) -> Vec<bool> {
    let runner = Runner::load(bytes).unwrap();
    let layers = runner.model.blob().layers.iter();
    layers
        .map(|l| l.precision() == Some(PrecisionKind::W8))
        .collect()
}

fn made<'g>(graph: &'g Graph, conversion: &Conversion) -> (Converted<'g>, BlobBytes) {
    let made = conversion.details(graph).unwrap();
    let bytes = made.blob.bytes();
    readback::float(&bytes, &graph.inputs, |_, _| ()).unwrap();
    (made, bytes)
}

#[test]
fn inputs_of_unlike_ranges_keep_their_accuracy() {
    let w8 = Conversion::new(Precision::W8);
    let mut trained = 0.0;
    for halves in [TRAINED, LIKE, UNLIKE] {
        let graph = edge(halves);
        let (made, bytes) = made(&graph, &w8);
        // Four experts of two layers, three gates, three towers whose heads are f32 in any case.
        let int8 = halves != UNLIKE;
        let wanted = [
            [int8, true].repeat(4),
            vec![int8; 3],
            [true, false].repeat(3),
        ];
        assert_eq!(narrow(&bytes), wanted.concat(), "{halves:?}");
        assert_eq!(made.weights.len(), if int8 { 0 } else { 2 });
        let off = off(&bytes, halves);
        println!("{halves:?}: {off:.1e}");
        if halves == TRAINED {
            trained = off;
        }
        assert!(off <= trained * 1.5, "{halves:?}: {off:e}, {trained:e}");
    }
}

#[test]
fn what_stays_in_f32_is_said_and_stays_an_array() {
    let graph = edge(UNLIKE);
    let (made, bytes) = made(&graph, &Conversion::new(Precision::W8));
    for (line, name) in made.weights.iter().zip(["`expert*.0`", "`gate*.0`"]) {
        assert!(line.starts_with(&format!("{name} stay in f32: ")), "{line}");
    }
    let runner = Runner::load(&bytes).unwrap();
    let typed = rust_type::typed(runner.model.blob()).unwrap();
    let aliases = typed.aliases.iter().map(|(.., ty)| ty.as_str());
    let types = aliases.chain([typed.model.as_str()]).collect::<String>();
    for part in ["Dense<64, 64, F32>", "Gate<64, 4, F32>", "4]"] {
        assert!(types.contains(part), "{part}: {types}");
    }
}

/// A conversion that follows an earlier blob keeps its type, whatever the weights say, and says what
/// that costs.
#[test]
fn an_earlier_blob_decides() {
    let (fine, coarse) = (edge(LIKE), edge(UNLIKE));
    let w8 = Conversion::new(Precision::W8);
    let ((_, int8), (_, kept)) = (made(&fine, &w8), made(&coarse, &w8));
    let follow = |bytes: &BlobBytes| like::conversion(Runner::load(bytes).unwrap().model.blob());
    assert_eq!(made(&coarse, &follow(&kept)).1.as_slice(), kept.as_slice());
    assert_eq!(narrow(&made(&fine, &follow(&kept)).1), narrow(&kept));
    let (against, bytes) = made(&coarse, &follow(&int8));
    assert_eq!(narrow(&bytes), narrow(&int8));
    assert!(off(&bytes, UNLIKE) > 10.0 * off(&kept, UNLIKE));
    let [experts, _] = &against.weights[..] else {
        panic!("{:?}", against.weights)
    };
    assert!(experts.contains("by themselves these layers would stay in f32"));
}
