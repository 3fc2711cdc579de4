//! Models that take records of raw fields: from a framework's own file and raw data to its outputs.

use std::path::{Path, PathBuf};

use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::{Data, Samples};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::front::{Tally, Value};
use mmoe_tools::graph::Graph;
use mmoe_tools::import;
use mmoe_tools::model::{self, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::readback;

mod tool;

use tool::{Place, fails, ok, run};

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures")
        .join(path)
}

fn graph(precision: Precision) -> Graph {
    let folder = fixture("deepctr-torch-ctr");
    let text = std::fs::read_to_string(folder.join("spec.toml")).unwrap();
    let spec = Spec::parse_in(&text, &folder).unwrap();
    let weights = import::read(&folder.join("model.safetensors")).unwrap();
    let options = model::Options {
        fold_standardization: precision != Precision::I8,
    };
    build(weights, Some(&spec), options).unwrap().graph
}

fn samples(graph: &Graph, file: &str) -> (Data, Samples) {
    let data = Data::read(&fixture("deepctr-torch-ctr").join(file)).unwrap();
    let front = graph.front.as_ref();
    let rows = data
        .samples(front, graph.width(0), &graph.feature_names, &[])
        .unwrap();
    (data, rows)
}

/// The blob, read back as every conversion is.
fn blob(graph: &Graph, precision: Precision) -> BlobBytes {
    let calibration = samples(graph, "calibration.npz").1;
    let conversion = Conversion {
        calibration: (precision == Precision::I8).then_some(calibration),
        ..Conversion::new(precision)
    };
    let made = conversion.details(graph).unwrap();
    let bytes = made.blob.bytes();
    match &made.quantized {
        None => {
            readback::float(&bytes, &graph.inputs, |_, _| ()).unwrap();
        }
        Some(quantized) => {
            let rows = conversion.calibration.as_ref();
            // It holds every record's outputs against the written rules, bit for bit.
            readback::integer(&bytes, &made.graph, quantized, rows, |_, _| ()).unwrap();
        }
    }
    bytes
}

/// A trained click model of DeepCTR-Torch: ids, a history and numbers in, PyTorch's own outputs out.
#[test]
fn raw_records_give_the_frameworks_outputs() {
    // The largest and the mean difference from PyTorch that each precision may have, as measured
    // on 20,000 records, of which these are the first.
    for (precision, worst_allowed, mean_allowed) in [
        (Precision::F32, 1e-5, 1e-6),
        (Precision::W8, 5e-2, 2e-3),
        (Precision::I8, 5e-2, 1e-3),
    ] {
        let graph = graph(precision);
        let (data, rows) = samples(&graph, "rows.npz");
        assert_eq!(rows.len(), 1000);
        let bytes = blob(&graph, precision);
        let mut runner = Runner::load(&bytes).unwrap();
        let golden = ["p_ctr", "p_cvr"].map(|name| data.labels(name, 1000, 1).unwrap());
        let (mut worst, mut sum) = (0.0f64, 0.0);
        let mut outputs = [Vec::new(), Vec::new()];
        for (at, row) in rows.iter().enumerate() {
            let (y, _) = runner.predict_sample(row, None).unwrap();
            for task in 0..2 {
                let difference = f64::from(y[task] - golden[task][at]).abs();
                worst = worst.max(difference);
                sum += difference / 2000.0;
                outputs[task].push(f64::from(y[task]));
            }
        }
        println!(
            "{precision:?}: worst {worst:.2e}, mean {sum:.2e}, {} bytes",
            bytes.len()
        );
        assert!(worst <= worst_allowed, "{precision:?}: {worst:e}");
        assert!(sum <= mean_allowed, "{precision:?}: {sum:e}");
    }
}

/// Rows of a self-test lie behind the front end, and a blob that takes records passes them.
#[test]
fn self_test_rows_are_those_of_the_model_behind_the_record() {
    for precision in [Precision::F32, Precision::W8, Precision::I8] {
        let graph = graph(precision);
        let calibration = samples(&graph, "calibration.npz").1;
        let conversion = Conversion {
            calibration: (precision == Precision::I8).then_some(calibration),
            self_test: Some(3),
            ..Conversion::new(precision)
        };
        let done = conversion.details(&graph).unwrap();
        assert!(done.coverage.unwrap() > 0.5, "{:?}", done.coverage);
        let bytes = done.blob.bytes();
        let runner = Runner::load(&bytes).unwrap();
        assert_eq!(mmoe_tools::self_test::check(&runner.model).unwrap(), 3);
        // Weights of the last tower changed are a self-test failed.
        let mut wrong = done.blob.clone();
        let last = wrong.weights.len() - 32;
        wrong.weights[last..].iter_mut().for_each(|b| *b ^= 0x15);
        let bytes = wrong.bytes();
        let runner = Runner::load(&bytes).unwrap();
        assert!(mmoe_tools::self_test::check(&runner.model).is_err());
    }
}

/// What people ask first where predictions are wrong: which values the model did not know.
#[test]
fn values_that_the_model_does_not_know_are_counted() {
    let graph = graph(Precision::F32);
    let bytes = blob(&graph, Precision::F32);
    let runner = Runner::load(&bytes).unwrap();
    let (_, rows) = samples(&graph, "rows.npz");
    let Samples::Records(mut records) = rows else {
        panic!("records")
    };
    let stored = runner.front.as_ref().unwrap();
    assert!(
        Tally::of(stored, &records).lines().is_empty(),
        "all of training's own"
    );
    records.truncate(4);
    for (record, hour) in records.iter_mut().zip([24, 99, 99, 3]) {
        record[0] = Value::Id(hour);
        record[6] = Value::Ids((0..25).collect());
    }
    assert_eq!(
        Tally::of(stored, &records).lines(),
        [
            "field `hour`: 3 unknown (most often `99` 2, `24` 1)",
            "field `hist`: 4 lists cut"
        ]
    );
}

#[test]
fn rows_of_vectors_start_the_blob_at_the_vector() {
    let place = Place::new();
    let blob = place.at("m.mmoe");
    let model = tool::fixture("keras-records/model.keras");
    let vectors = tool::fixture("keras-records/vectors.npz");
    let records = tool::fixture("keras-records/rows.csv");
    let said = "are vectors of 88 numbers, so the blob starts at the vector";
    let convert = format!("convert {model} -o {blob}");
    let text = ok(&format!("{convert} --golden {vectors}"));
    assert!(text.contains(said), "{text}");
    // What is said of fields is not true of this blob.
    assert!(!text.contains("`history`"), "{text}");
    ok(&format!(
        "verify {blob} --golden {vectors} --tolerance 1e-5"
    ));
    // Rows to calibrate with decide it as well.
    let text = ok(&format!("{convert} --precision i8 --calibration {vectors}"));
    assert!(text.contains(said), "{text}");
    // Columns beside those of the outputs are as good as an array.
    let data = npz_columns(&vectors);
    let csv = place.write("vectors.csv", data);
    let text = ok(&format!("{convert} --golden {csv}"));
    assert!(text.contains(said), "{text}");
    // Records stay records, and one blob does not take both.
    let both = format!("{convert} --precision i8 --calibration {vectors} --golden {records}");
    fails(&both, 2, &["vectors.npz: holds vectors", "both as vectors"]);
    let text = ok(&format!("{convert} --golden {records}"));
    assert!(!text.contains(said), "{text}");
    let remedy = [
        "none of the model's fields (`age`, `country`",
        "`x` [64, 88]",
        "record = \"vector\"",
    ];
    fails(&format!("verify {blob} --golden {vectors}"), 2, &remedy);
    // Who asks for records gets them.
    let spec = place.write("s.toml", "record = \"file\"");
    let asked = format!("{convert} --spec {spec} --golden {vectors}");
    fails(&asked, 2, &remedy);
}

/// The arrays of golden rows as a table with a header.
fn npz_columns(path: &str) -> String {
    let data = Data::read(Path::new(path)).unwrap();
    let [x, buy, click] = ["x", "buy", "click"].map(|name| data.array(name).unwrap());
    let header: Vec<String> = (0..x.shape[1]).map(|i| format!("x{i}")).collect();
    let mut text = format!("{},p_buy,p_click\n", header.join(","));
    for (row, (buy, click)) in x
        .data
        .chunks(x.shape[1])
        .zip(buy.data.iter().zip(&click.data))
    {
        let row: Vec<String> = row.iter().map(ToString::to_string).collect();
        text += &format!("{},{buy},{click}\n", row.join(","));
    }
    text
}

#[test]
fn what_fields_leave_open_is_asked_for_as_records() {
    let place = Place::new();
    let blob = place.at("m.mmoe");
    let convert = format!(
        "convert {} --spec {} -o {blob}",
        tool::fixture("deepctr-torch-ctr/model.safetensors"),
        tool::fixture("deepctr-torch-ctr/spec.toml")
    );
    let done = run(&convert);
    let text = done.err;
    assert_eq!(done.code, 2, "{text}");
    for part in [
        "for name in [\"hour\", \"device\", \"region\", \"category\", \"seller\", \"item\"]",
        "# ids [rows]\n",
        "for name in [\"hist\"]",
        "# ids [rows, items]",
        "for name in [\"d_0\", \"d_1\", \"d_2\", \"d_3\"]",
        "np.savez(\"golden.npz\", **records, **{f\"p_{name}\": v",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    assert!(!text.contains("normal(size"), "{text}");
    assert!(!text.contains("starts at the vector"), "{text}");
    // The fields use the tables: the blob does not start behind them.
    let golden = tool::fixture("deepctr-torch-ctr/rows.npz");
    let text = ok(&format!("{convert} --golden {golden}"));
    assert!(!text.contains("starts at the vector"), "{text}");
}

/// Its inputs stand in another order than the array that it joins of them: rows of the framework's
/// own vector fit the order of that array.
#[test]
fn a_graphs_own_vector_keeps_its_order() {
    let place = Place::new();
    let out = place.at("model.mmoe");
    let [graph, golden] = ["model.tflite", "golden.npz"]
        .map(|name| fixture("graphs-vector/deepctr-mmoe-tflite").join(name));
    let (graph, golden) = (graph.display(), golden.display());
    let printed = ok(&format!("convert {graph} --golden {golden} -o {out}"));
    assert!(
        printed.contains("the blob starts at the vector"),
        "{printed}"
    );
    ok(&format!("verify {out} --golden {golden}"));
}

/// A blob that takes records is held against rows of the framework's vector behind its front end.
#[test]
fn vectors_are_held_against_the_model_behind_the_front_end() {
    let place = Place::new();
    let [graph, golden] = ["model.tflite", "golden.npz"]
        .map(|name| fixture("graphs-vector/deepctr-mmoe-tflite").join(name));
    let (graph, golden) = (graph.display(), golden.display());
    let out = place.at("model.mmoe");
    ok(&format!("convert {graph} -o {out}"));
    let printed = ok(&format!("verify {out} --golden {golden}"));
    assert!(printed.contains("behind the front end"), "{printed}");
    // Weights of which one is another fail here as they do for records.
    let mut bytes = std::fs::read(&out).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 0x40;
    mmoe_tools::blob::file::seal(&mut bytes);
    let other = place.write("other.mmoe", &bytes);
    fails(
        &format!("verify {other} --golden {golden}"),
        1,
        &["differs from the golden file"],
    );
}
