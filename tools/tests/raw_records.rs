//! Models that take records of raw fields: from a framework's own file and raw data to its outputs.

use std::path::PathBuf;

use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::{Data, Samples};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::graph::Graph;
use mmoe_tools::import;
use mmoe_tools::model::{self, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::readback;

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
