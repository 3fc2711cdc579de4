//! Models of frameworks with raw records, held against the frameworks' own outputs on them.

use mmoe_tools::error::ModelError;
use mmoe_tools::features;
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::plan::spec::Spec;
use testkit::fixtures::{fixture, read};
use testkit::records::Records;

/// The largest difference to a framework's outputs that f32 explains.
const CLOSE: f64 = 1e-5;

#[test]
fn keras_preprocessing_layers_are_read_whole() {
    let rows = Records::read("keras-records/rows.csv");
    assert_eq!(rows.count, 1000);
    for spec in [String::new(), tasks(["click", "buy"])] {
        for fold_standardization in [false, true] {
            let spec = Spec::parse(&spec).unwrap();
            let options = Options {
                fold_standardization,
            };
            let made = build(read("keras-records/model.keras"), Some(&spec), options);
            let made = made.unwrap_or_else(|e| panic!("{e}"));
            let worst = rows.worst(&made.graph);
            assert!(worst <= CLOSE, "{worst}");
            let front = made.graph.front.unwrap();
            assert_eq!(front.fields.len(), 19);
        }
    }
}

/// A model whose features another file describes.
fn beside(weights: &str, features: &str, spec: &str) -> Result<Recognised, ModelError> {
    let spec = Spec::parse(spec)?;
    let mut weights = read(weights);
    weights.record = Some(features::read(
        &fixture(features),
        &weights,
        spec.features(),
    )?);
    build(weights, Some(&spec), Options::default())
}

/// Holds it against the framework's outputs.
fn matches(made: &Recognised, rows: &str, fields: usize) {
    let rows = Records::read(rows);
    assert_eq!(rows.count, 1000);
    let worst = rows.worst(&made.graph);
    assert!(worst <= CLOSE, "{worst}");
    assert_eq!(made.graph.front.as_ref().unwrap().fields.len(), fields);
}

/// A spec of two sigmoid outputs.
fn tasks(names: [&str; 2]) -> String {
    let task = |name| format!("[[tasks]]\nname = \"{name}\"\nactivation = \"sigmoid\"\n");
    names.map(task).concat()
}

const FUXICTR: &str = r#"
[features.item]
missing = ""
[features.brand]
missing = 0
[features.city]
missing = ""
[features.age]
mean = 46.815333333333335
std = 19.531540258998746
missing = 0.0
[features.price]
mean = 1.00087166
std = 48.99860974
missing = 20.0
[features.score]
mean = 0.0
std = 1.0
missing = 0.0
[features.history]
separator = "^"
keep = "last"
[features.tags]
separator = "^"
keep = "first"
"#;

#[test]
fn fuxictr_s_data_set_is_read_with_what_it_does_not_hold() {
    let spec = format!("{FUXICTR}{}", tasks(["click", "buy"]));
    let made = beside("fuxictr-mmoe/MMoE.model", "fuxictr-mmoe", &spec);
    matches(&made.unwrap(), "fuxictr-mmoe/rows.csv", 8);
}

#[test]
fn sklearn_s_encoders_are_read() {
    let spec = format!(
        "[experts]\nactivation = \"relu\"\nlast_activation = \"relu\"\n[towers]\nactivation = \
         \"relu\"\n[features.worker]\nother = \"zero\"\n{}",
        tasks(["fault", "wear"])
    );
    let made = beside(
        "sklearn-mmoe/model.safetensors",
        "sklearn-mmoe/encoders.json",
        &spec,
    );
    matches(&made.unwrap(), "sklearn-mmoe/rows.csv", 8);
}

#[test]
fn a_pipeline_config_is_read() {
    let spec = format!("[features.tags]\nmax = 5\n{}", tasks(["ctr", "cvr"]));
    let made = beside(
        "torcheasyrec-mmoe/model.safetensors",
        "torcheasyrec-mmoe/pipeline.config",
        &spec,
    );
    matches(&made.unwrap(), "torcheasyrec-mmoe/rows.csv", 9);
}

#[test]
fn every_setting_of_keras_layers_codes_as_keras_does() {
    let rows = Records::read("keras-facts/rows.csv");
    assert_eq!(rows.count, 300);
    let made = build(read("keras-facts/model.keras"), None, Options::default());
    let made = made.unwrap_or_else(|e| panic!("{e}"));
    let worst = rows.worst(&made.graph);
    assert!(worst <= CLOSE, "{worst}");
}
