//! Parquet and Arrow files that pyarrow wrote: the same outputs as for the same rows in other files.

mod tool;

use tool::{Place, fails, fixture, ok, run};

/// What a command prints that succeeds; notes on how columns became features may stand beside it.
fn printed(line: &str) -> String {
    let done = run(line);
    assert_eq!(done.code, 0, "{line}\n{}", done.err);
    done.out
}

fn file(name: &str) -> String {
    format!("{}/tests/columnar/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn run_reads_columns_of_numbers() {
    let place = Place::new();
    let blob = place.edge("f32");
    let golden = fixture("pytorch-edge/golden.npz");
    let wanted = printed(&format!("run {blob} --data {golden} -o -"));
    assert_eq!(wanted.lines().count(), 65);
    for name in ["edge.parquet", "edge.arrow", "edge.arrows"] {
        let made = printed(&format!("run {blob} --data {} -o -", file(name)));
        assert_eq!(made, wanted, "{name}");
    }
}

/// The labels are PyTorch's own outputs here, so the numbers are as close as the engine is.
#[test]
fn eval_finds_features_and_labels() {
    let place = Place::new();
    let spec = std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).unwrap();
    let linear = place.write(
        "linear.toml",
        spec.replace("\"sigmoid\"", "\"linear\"").as_bytes(),
    );
    let blob = place.at("linear.mmoe");
    ok(&format!(
        "convert {} --spec {linear} --precision f32 -o {blob}",
        fixture("pytorch-edge/model.safetensors")
    ));
    let said = printed(&format!(
        "eval {blob} --data {} --json",
        file("edge.parquet")
    ));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(said["y2"]["mse"].as_f64().unwrap() < 1e-9, "{said}");
    let csv = printed(&format!("eval {blob} --data {} --json", file("edge.arrow")));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&csv).unwrap(),
        said
    );
}

#[test]
fn records_have_texts_and_integers() {
    let place = Place::new();
    let blob = place.at("records.mmoe");
    ok(&format!(
        "convert {} --precision f32 -o {blob}",
        fixture("keras-records/model.keras")
    ));
    let csv = fixture("keras-records/rows.csv");
    let wanted = printed(&format!("run {blob} --data {csv} -o -"));
    let made = printed(&format!(
        "run {blob} --data {} -o -",
        file("records.parquet")
    ));
    assert_eq!(made.lines().count(), 101);
    assert!(wanted.starts_with(&made));
}

#[test]
fn what_is_wrong_is_named() {
    let place = Place::new();
    let blob = place.edge("f32");
    let texts = format!("run {blob} --data {}", file("records.parquet"));
    fails(&texts, 2, &["columns of features"]);
    let whole = std::fs::read(file("edge.parquet")).unwrap();
    let cut = place.write("cut.parquet", &whole[..whole.len() / 2]);
    fails(
        &format!("run {blob} --data {cut}"),
        2,
        &["was it fully written?"],
    );
}
