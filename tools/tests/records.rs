//! Models of frameworks with raw records, held against the frameworks' own outputs on them.

use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use testkit::fixtures::read;
use testkit::records::Records;

/// The largest difference to a framework's outputs that f32 explains.
const CLOSE: f64 = 1e-5;

const TASKS: &str = r#"
[[tasks]]
name = "click"
activation = "sigmoid"
[[tasks]]
name = "buy"
activation = "sigmoid"
"#;

#[test]
fn keras_preprocessing_layers_are_read_whole() {
    let rows = Records::read("keras-records/rows.csv");
    assert_eq!(rows.count, 1000);
    for spec in ["", TASKS] {
        for fold_standardization in [false, true] {
            let spec = Spec::parse(spec).unwrap();
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
