//! Models of frameworks with raw records, held against the frameworks' own outputs on them.

use mmoe_tools::convert::Precision;
use mmoe_tools::error::ModelError;
use mmoe_tools::features;
use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::plan::spec::Spec;
use testkit::fixtures::{fixture, read};
use testkit::records::Records;

/// The largest difference to a framework's outputs that f32 explains.
const CLOSE: f64 = 1e-5;

/// What makes a model of a fixture, for a precision.
type Make<'m> = &'m dyn Fn(Options) -> Result<Recognised, ModelError>;

/// The rows of a fixture, and what they hold a model to.
struct Rows<'r> {
    file: &'r str,
    count: usize,
    fields: usize,
    /// The mean difference that int8 weights may make.
    w8: f64,
    /// The mean difference that integers may make.
    i8: f64,
}

/// Holds a model against its framework's outputs on every row: as it was read, and as a blob of every
/// precision, which is also read back against its stored weights.
fn matches(make: Make<'_>, rows: &Rows<'_>) {
    let Rows {
        file: rows,
        count,
        fields,
        w8,
        i8,
    } = *rows;
    for precision in [Precision::F32, Precision::W8, Precision::I8] {
        let options = Options {
            fold_standardization: precision != Precision::I8,
        };
        let made = make(options).unwrap_or_else(|e| panic!("{rows}: {e}"));
        let graph = made.graph;
        assert_eq!(graph.front.as_ref().unwrap().fields.len(), fields);
        let records = Records::read(rows, &graph);
        assert_eq!(records.rows.len(), count);
        let off = records.graph(&graph);
        assert!(off.worst <= CLOSE, "{rows}: {off:?}");
        let off = records.blob(&graph, precision);
        println!("{rows}: {precision:?} {off:?}");
        match precision {
            Precision::F32 => assert!(off.worst <= CLOSE, "{rows}: {off:?}"),
            Precision::W8 => assert!(off.mean <= w8, "{rows}: {off:?}"),
            Precision::I8 => assert!(off.mean <= i8, "{rows}: {off:?}"),
        }
    }
}

/// A model that its file and this spec describe.
fn alone(file: &str, spec: &str, options: Options) -> Result<Recognised, ModelError> {
    let spec = Spec::parse(spec)?;
    build(read(file), Some(&spec), options)
}

/// A model whose features another file describes.
fn beside(
    weights: &str,
    features: &str,
    spec: &str,
    options: Options,
) -> Result<Recognised, ModelError> {
    let spec = Spec::parse(spec)?;
    let mut weights = read(weights);
    let record = features::read(&fixture(features), &weights, spec.features())?;
    weights.record = Some(record);
    build(weights, Some(&spec), options)
}

/// A spec of two sigmoid outputs.
fn tasks(names: [&str; 2]) -> String {
    let task = |name| format!("[[tasks]]\nname = \"{name}\"\nactivation = \"sigmoid\"\n");
    names.map(task).concat()
}

#[test]
fn keras_preprocessing_layers_are_read_whole() {
    for spec in [String::new(), tasks(["click", "buy"])] {
        let make = |options| alone("keras-records/model.keras", &spec, options);
        matches(
            &make,
            &Rows {
                file: "keras-records/rows.csv",
                count: 1000,
                fields: 19,
                w8: 2e-3,
                i8: 1e-3,
            },
        );
    }
}

#[test]
fn every_setting_of_keras_layers_codes_as_keras_does() {
    for (name, fields) in [("model", 35), ("nested", 8)] {
        let make = |options| alone(&format!("keras-facts/{name}.keras"), "", options);
        matches(
            &make,
            &Rows {
                file: &format!("keras-facts/{name}.csv"),
                count: 300,
                fields,
                w8: 1e-3,
                i8: 1e-3,
            },
        );
    }
}

#[test]
fn torch_rechub_s_sequences_are_described_by_fields() {
    let spec = fixture("torch-rechub-sequences/spec.toml");
    let spec = std::fs::read_to_string(spec).unwrap();
    for file in ["state_dict.pt", "model.safetensors"] {
        let file = format!("torch-rechub-sequences/{file}");
        let make = |options| alone(&file, &spec, options);
        matches(
            &make,
            &Rows {
                file: "torch-rechub-sequences/rows.csv",
                count: 1000,
                fields: 6,
                w8: 2e-3,
                i8: 2e-3,
            },
        );
    }
}

/// 29 fields of text, and the names of 499 columns that pandas made of them and of 11 numbers.
#[test]
fn census_from_text_is_census_from_columns() {
    let dir = fixture("census-text");
    let spec = std::fs::read_to_string(dir.join("spec.toml")).unwrap();
    let spec = Spec::parse_in(&spec, &dir).unwrap();
    let make = |options| {
        let weights = read("keras-mmoe-census/model_keras3.keras");
        build(weights, Some(&spec), options)
    };
    matches(
        &make,
        &Rows {
            file: "census-text/rows.csv",
            count: 128,
            fields: 40,
            w8: 2e-3,
            i8: 1.5e-3,
        },
    );
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
    let make = |options| beside("fuxictr-mmoe/MMoE.model", "fuxictr-mmoe", &spec, options);
    matches(
        &make,
        &Rows {
            file: "fuxictr-mmoe/rows.csv",
            count: 1000,
            fields: 8,
            w8: 2e-3,
            i8: 1e-3,
        },
    );
}

#[test]
fn sklearn_s_encoders_are_read() {
    let words = r#"
[experts]
activation = "relu"
last_activation = "relu"
[towers]
activation = "relu"
[features.worker]
other = "zero"
"#;
    let spec = format!("{words}{}", tasks(["fault", "wear"]));
    let make = |options| {
        let weights = "sklearn-mmoe/model.safetensors";
        beside(weights, "sklearn-mmoe/encoders.json", &spec, options)
    };
    matches(
        &make,
        &Rows {
            file: "sklearn-mmoe/rows.csv",
            count: 1000,
            fields: 8,
            w8: 2e-3,
            i8: 1e-3,
        },
    );
}

#[test]
fn a_pipeline_config_is_read() {
    let spec = format!("[features.tags]\nmax = 5\n{}", tasks(["ctr", "cvr"]));
    let make = |options| {
        let weights = "torcheasyrec-mmoe/model.safetensors";
        beside(weights, "torcheasyrec-mmoe/pipeline.config", &spec, options)
    };
    matches(
        &make,
        &Rows {
            file: "torcheasyrec-mmoe/rows.csv",
            count: 1000,
            fields: 9,
            w8: 2e-3,
            i8: 2e-3,
        },
    );
}

/// The lines of Python that write scikit-learn's encoders stand on the page as the fixture was made with
/// them.
#[test]
fn the_page_shows_the_python_that_made_the_encoders() {
    let root = fixture("../..");
    let script =
        std::fs::read_to_string(root.join("examples/training/sklearn_records.py")).unwrap();
    let page = std::fs::read_to_string(root.join("docs/features.md")).unwrap();
    let (_, lines) = script
        .split_once("# --- the lines that write encoders.json ---\n")
        .unwrap();
    let (lines, _) = lines.split_once("# --- end ---").unwrap();
    assert!(lines.lines().count() > 10);
    assert!(
        page.contains(lines.trim()),
        "copy the lines to docs/features.md"
    );
}

/// What a spec gets told, or the model.
fn refused(weights: Weights, spec: &str) -> String {
    let spec = Spec::parse(spec).unwrap();
    let made = build(weights, Some(&spec), Options::default());
    made.map(|_| ()).unwrap_err().to_string()
}

/// The configuration of the layer of this name, to change it.
fn layer<'c>(config: &'c mut serde_json::Value, name: &str) -> &'c mut serde_json::Value {
    let layers = config.pointer_mut("/config/layers").unwrap();
    let mut layers = layers.as_array_mut().unwrap().iter_mut();
    layers.find(|l| l["config"]["name"] == name).unwrap()
}

#[test]
fn a_layer_that_is_not_read_is_named_and_the_vector_is_left() {
    let mut weights = read("keras-records/model.keras");
    let config = weights.config.as_mut().unwrap();
    layer(config, "hashing")["class_name"] = "TextVectorization".into();
    let says = refused(weights.clone(), "");
    assert!(
        says.starts_with("layer `hashing`: a TextVectorization") && says.contains("split the text"),
        "{says}"
    );
    assert!(says.contains("record = \"vector\""), "{says}");
    let spec = Spec::parse("record = \"vector\"").unwrap();
    let made = build(weights, Some(&spec), Options::default()).unwrap();
    assert!(made.graph.front.is_none());
    assert_eq!(made.graph.width(0), 88);
}

#[test]
fn settings_that_a_blob_does_not_have_are_named() {
    let file = read("keras-records/model.keras");
    for (name, key, value, says) in [
        (
            "lookup_country",
            "num_oov_indices",
            "3",
            "num_oov_indices=3",
        ),
        ("lookup_country", "invert", "true", "invert"),
        (
            "lookup_country",
            "output_mode",
            "\"tf_idf\"",
            "output_mode tf_idf",
        ),
        ("string_lookup_1", "vocabulary_size", "5", ""),
        ("hashing", "mask_value", "\"x\"", "mask_value"),
        ("hashing", "salt", "-1", "salt"),
        ("hashing", "num_bins", "0", "num_bins"),
        ("norm_age", "mean", "[1, 2, 3]", "whose numbers do not fit"),
        ("rescaling", "scale", "0", "by 0"),
        ("squash", "activation", "\"selu\"", "selu"),
        (
            "category_encoding_2",
            "num_tokens",
            "100000",
            "100000 one-hot columns",
        ),
        (
            "income",
            "batch_shape",
            "[null, null]",
            "an input of any length",
        ),
        ("income", "dtype", "\"complex64\"", "complex64"),
        ("campaign", "dtype", "\"float32\"", "a Hashing of floats"),
    ] {
        let mut weights = file.clone();
        let config = weights.config.as_mut().unwrap();
        layer(config, name)["config"][key] = serde_json::from_str(value).unwrap();
        if says.is_empty() {
            // A key that nothing reads.
            assert!(build(weights, None, Options::default()).is_ok());
            continue;
        }
        let text = refused(weights, "");
        // What is wrong with an input shows where it is used.
        let at = if name == "campaign" { "hashing" } else { name };
        assert!(text.starts_with(&format!("layer `{at}`: ")), "{text}");
        assert!(text.contains(says), "{name}.{key}: {text}");
    }
    let mut weights = file;
    weights.assets.clear();
    let text = refused(weights, "");
    assert!(text.contains("a look-up without a vocabulary"), "{text}");
}

#[test]
fn what_a_file_of_features_does_not_hold_is_asked_for_at_once() {
    let says = |features: &str, weights: &str, spec: &str| {
        let made = beside(weights, features, spec, Options::default());
        made.map(|_| ()).unwrap_err().to_string()
    };
    let text = says("fuxictr-mmoe", "fuxictr-mmoe/MMoE.model", "");
    for line in [
        "\n[features.age]\nmean = …",
        "\n[features.score]\nmean = …",
        "\n[features.history]\nseparator = …",
        "\n[features.tags]\nseparator = …",
        "keep = …",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("features.item"), "{text}");
    let text = says(
        "fuxictr-mmoe",
        "fuxictr-mmoe/MMoE.model",
        "[features.histor]\nkeep = \"last\"",
    );
    assert!(text.contains("did you mean `history`?"), "{text}");
    let text = says("fuxictr-mmoe", "sklearn-mmoe/model.safetensors", "");
    assert!(
        text.contains("no tensor `embedding_layers.item.weight`"),
        "{text}"
    );
    let text = says(
        "sklearn-mmoe/encoders.json",
        "sklearn-mmoe/model.safetensors",
        "",
    );
    assert!(text.contains("[features.worker]\nother = …"), "{text}");
    assert!(!text.contains("features.mode"), "{text}");
    let text = says(
        "sklearn-mmoe/worker.npy",
        "sklearn-mmoe/model.safetensors",
        "",
    );
    assert!(text.contains("no UTF-8 text"), "{text}");
}

#[test]
fn features_that_a_blob_does_not_have_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline.config");
    let config = fixture("torcheasyrec-mmoe/pipeline.config");
    let config = std::fs::read_to_string(config).unwrap();
    let weights = read("torcheasyrec-mmoe/model.safetensors");
    for (from, to, says) in [
        (
            "num_buckets: 24",
            "hash_bucket_size: 24",
            "feature `hour`: the hash of",
        ),
        (
            "num_buckets: 24",
            "zch { zch_size: 24 }",
            "feature `hour`: zch",
        ),
        (
            "value_dim: 0",
            "weighted: true",
            "feature `tags`: a weighted feature",
        ),
        (
            "pooling: \"mean\"",
            "pooling: \"max\"",
            "feature `tags`: pooling: \"max\"",
        ),
        (
            "method=zscore",
            "method=expression",
            "feature `age`: the normalizer expression",
        ),
        (
            "raw_feature {\n        feature_name: \"age\"",
            "expr_feature {\n        feature_name: \"age\"",
            "the kind expr_feature",
        ),
        ("fg_mode: FG_DAG", "fg_mode: FG_NONE", "fg_mode: FG_NONE"),
        (
            "group_type: DEEP",
            "sequence_groups {}",
            "a group of sequences",
        ),
        (
            "model_config {",
            "model_config { feature_groups {}",
            "it has 2 feature groups",
        ),
        (
            "\"age\", \"city\"",
            "\"age\", \"town\"",
            "feature `town`: no feature_configs",
        ),
        (
            "model_config {",
            "model_config {{",
            "line 93: a name was expected",
        ),
    ] {
        assert!(config.contains(from), "{from}");
        std::fs::write(&path, config.replace(from, to)).unwrap();
        let read = features::read(&path, &weights, &features::Spec::new());
        let text = read.map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(says), "{to}: {text}");
    }
    // The same hash as TensorFlow's, where training was told so.
    std::fs::write(
        &path,
        config.replace("num_buckets: 24", "hash_bucket_size: 24"),
    )
    .unwrap();
    let spec = Spec::parse("[features.hour]\nhash = \"farm64\"").unwrap();
    assert!(features::read(&path, &weights, spec.features()).is_ok());
}
