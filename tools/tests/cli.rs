//! Every command of the tool on real fixtures, as a person would run it.

mod tool;

use std::path::Path;
use std::process::{Command, Stdio};

use mmoe_tools::data::Data;
use mmoe_tools::engine::{BlobBytes, Runner};
use serde_json::Value;
use tool::{Place, SPEC, TENSORS, fails, fixture, npz, ok, run, safetensors};

#[test]
fn convert_run_and_verify_what_frameworks_trained() {
    let place = Place::new();
    for (weights, spec, golden) in [
        (
            "pytorch-edge/model.safetensors",
            "--spec pytorch-edge/spec.toml",
            "pytorch-edge",
        ),
        (
            "pytorch-edge/state_dict.pt",
            "--spec pytorch-edge/spec.toml",
            "pytorch-edge",
        ),
        (
            "keras-hub-recsys/weights_by_name.npz",
            "--spec keras-hub-recsys/spec.toml",
            "keras-hub-recsys",
        ),
        (
            "keras-hub-recsys/model_keras3.keras",
            "",
            "keras-hub-recsys",
        ),
        ("keras-hub-recsys/full_keras2.h5", "", "keras-hub-recsys"),
    ] {
        let spec = spec
            .strip_prefix("--spec ")
            .map_or_else(String::new, |s| format!("--spec {}", fixture(s)));
        let (blob, golden) = (place.at("m.mmoe"), fixture(&format!("{golden}/golden.npz")));
        let report = ok(&format!(
            "convert {} {spec} --golden {golden} -o {blob}",
            fixture(weights)
        ));
        for word in [
            "read ",
            "imported ",
            "checked ",
            "golden ",
            "wrote ",
            "64 rows",
        ] {
            assert!(report.contains(word), "{word}: {report}");
        }
        let verified = ok(&format!("verify {blob} --golden {golden}"));
        assert_eq!(
            verified.matches(" ok\n").count(),
            if weights.starts_with("py") { 7 } else { 5 },
            "{verified}"
        );

        let (csv, out) = (place.at("y.csv"), place.at("y.npz"));
        assert_eq!(
            ok(&format!("run {blob} --input {golden} -o {out} --gates")),
            ""
        );
        let (found, expected) = (
            Data::read(Path::new(&out)).unwrap(),
            Data::read(Path::new(&golden)).unwrap(),
        );
        for name in ["y0", "y1", "gate_y0", "gate_y1"] {
            let (a, b) = (found.array(name).unwrap(), expected.array(name).unwrap());
            assert_eq!(a.data.len(), b.data.len(), "{name}");
            assert!(
                a.data
                    .iter()
                    .zip(&b.data)
                    .all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0)),
                "{name}"
            );
        }
        ok(&format!("run {blob} --input {golden} -o {csv}"));
        let text = std::fs::read_to_string(&csv).unwrap();
        assert!(text.starts_with("y0,y1") && text.lines().count() == 65);
        let first: f32 = text
            .lines()
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(first, found.array("y0").unwrap().data[0]);
        let table = ok(&format!("run {blob} --input {golden}"));
        assert!(table.starts_with("row") && table.lines().count() == 65);
    }
    assert_eq!(place.files(), ["m.mmoe", "y.csv", "y.npz"]);
}

#[test]
fn formats_of_one_model_give_the_same_blob() {
    let place = Place::new();
    let spec = fixture("pytorch-edge/spec.toml");
    for (name, weights) in [("a", "model.safetensors"), ("b", "state_dict.pt")] {
        ok(&format!(
            "convert {} --spec {spec} -o {}",
            fixture(&format!("pytorch-edge/{weights}")),
            place.at(name)
        ));
    }
    assert_eq!(
        std::fs::read(place.at("a")).unwrap(),
        std::fs::read(place.at("b")).unwrap()
    );
}

#[test]
fn convert_explains_what_went_where() {
    let place = Place::new();
    let spec = place.write(
        "s.toml",
        "[[tasks]]\nname = \"a\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \"b\"\nactivation = \
         \"sigmoid\"\n[[tasks]]\nname = \"c\"\nactivation = \"linear\"\n",
    );
    let line = format!(
        "convert {} --accept-assumptions --spec {spec} -o {}",
        fixture("deepctr-torch-mmoe/model.safetensors"),
        place.at("m.mmoe")
    );
    let plain = ok(&line);
    assert!(
        plain.contains("assumed ") && plain.contains("9 tables make 36 of the 42 inputs"),
        "{plain}"
    );
    assert!(!plain.contains("placed "));
    let full = ok(&format!("{line} --explain"));
    assert!(
        full.contains("placed     `out.0.bias` → tower 0, layer 1: bias"),
        "{full}"
    );
}

#[test]
fn precisions_differ_in_size_and_w8_needs_a_tolerance() {
    let place = Place::new();
    let (full, small) = (place.edge("f32"), place.edge("w8"));
    let size = |p: &str| std::fs::metadata(p).unwrap().len();
    assert!(size(&small) * 3 < size(&full));
    let golden = fixture("pytorch-edge/golden.npz");
    fails(
        &format!("verify {small} --golden {golden}"),
        2,
        &["W8", "--tolerance"],
    );
    ok(&format!(
        "verify {small} --golden {golden} --tolerance 0.05"
    ));
    let done = run(&format!(
        "verify {small} --golden {golden} --tolerance 1e-4"
    ));
    assert_eq!(done.code, 1);
    assert!(
        done.out.contains("FAILED") && done.err.contains("`y0`"),
        "{done:?}"
    );
    // A conversion that is held to a limit leaves nothing behind when it fails.
    let line = format!(
        "convert {} --spec {} --precision w8 --golden {golden}",
        fixture("pytorch-edge/model.safetensors"),
        fixture("pytorch-edge/spec.toml")
    );
    let never = place.at("never.mmoe");
    fails(
        &format!("{line} --tolerance 1e-4 -o {never}"),
        1,
        &["nothing was written"],
    );
    assert!(!place.files().contains(&"never.mmoe".into()));
    fails(
        &format!("{line} --calibration {golden} -o {never}"),
        2,
        &["--calibration", "i8"],
    );
}

#[test]
fn integer_models_convert_from_calibration_rows() {
    let place = Place::new();
    let (weights, spec, golden) = (
        fixture("pytorch-edge/model.safetensors"),
        fixture("pytorch-edge/spec.toml"),
        fixture("pytorch-edge/golden.npz"),
    );
    let blob = place.at("i8.mmoe");
    let line = format!("convert {weights} --spec {spec} --precision i8");
    fails(
        &format!("{line} -o {blob}"),
        2,
        &["--calibration", "[[inputs]]"],
    );
    let report = ok(&format!("{line} --calibration {golden} -o {blob}"));
    assert!(report.contains("no accumulator can overflow"), "{report}");
    ok(&format!("verify {blob} --golden {golden} --tolerance 0.1"));
    let json: Value =
        serde_json::from_str(&ok(&format!("inspect {blob} --json --layers"))).unwrap();
    let layers = json["quantization"].as_array().unwrap();
    assert_eq!(
        (layers.len(), &layers[0]["layer"], &layers[0]["weight_bits"]),
        (17, &"expert0.0".into(), &8.into())
    );
    assert!(
        layers
            .iter()
            .all(|l| l["margin_bits"].as_f64().unwrap() >= 0.0)
    );
    // Another order of the weights changes no output.
    let quad = place.at("quad.mmoe");
    ok(&format!(
        "{line} --calibration {golden} --packing quad -o {quad}"
    ));
    let outputs = |b: &str| ok(&format!("run {b} --input {golden} -o -"));
    assert_eq!(outputs(&blob), outputs(&quad));
    assert_ne!(std::fs::read(&blob).unwrap(), std::fs::read(&quad).unwrap());
    let wrong = place.write("c.npz", npz(&[("x", &[2, 3], vec![0.0; 6])]));
    fails(
        &format!("{line} --calibration {wrong} -o {blob}"),
        2,
        &["[2, 3]", "64"],
    );
}

#[test]
fn inspect_a_blob() {
    let place = Place::new();
    let blob = place.edge("w8");
    let text = ok(&format!("inspect {blob} --layers"));
    for word in [
        "edge, version 0",
        "W8",
        "task         y2 (linear)",
        "27,375",
        "27,312 multiply-accumulates",
        "dense 64→64 relu",
        "tower 2",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let json: Value =
        serde_json::from_str(&ok(&format!("inspect {blob} --json --layers"))).unwrap();
    let bytes = std::fs::metadata(&blob).unwrap().len();
    assert_eq!(json["flash"]["blob"], bytes);
    assert_eq!(json["macs"], 27_312);
    let layers = json["layers"].as_array().unwrap();
    let sum = |key: &str| layers.iter().map(|l| l[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(json["flash"]["weights"], sum("bytes"));
    assert_eq!(json["parameters"], sum("parameters"));
    // Mixing: 3 gates, 4 experts, 32 wide.
    assert_eq!(sum("macs") + 3 * 4 * 32, 27_312);
    fails(
        &format!("inspect {blob} --write-spec -"),
        2,
        &["is a blob already"],
    );
}

#[test]
fn inspect_weights_and_start_a_spec_that_converts() {
    let place = Place::new();
    let weights = fixture("pytorch-edge/state_dict.pt");
    let text = ok(&format!("inspect {weights}"));
    for word in [
        "34 tensors",
        "`task0`, `task1`, `task2`",
        "--write-spec",
        "4 experts, 3 gates, 3 towers",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let json: Value = serde_json::from_str(&ok(&format!("inspect {weights} --json"))).unwrap();
    assert_eq!(json["tensors"].as_array().unwrap().len(), 34);
    assert_eq!(
        json["missing"],
        serde_json::json!(["task0", "task1", "task2"])
    );
    let spec = place.at("s.toml");
    ok(&format!("inspect {weights} --write-spec {spec}"));
    assert_eq!(
        ok(&format!("inspect {weights} --write-spec -")),
        std::fs::read_to_string(&spec).unwrap()
    );
    // The draft asks; answered, it converts.
    let draft = std::fs::read_to_string(&spec).unwrap();
    let output = place.at("m.mmoe");
    let convert = format!("convert {weights} --spec {spec} -o {output}");
    let done = run(&convert);
    let (code, text) = (done.code, done.err);
    assert!(
        code == 2 && text.contains("nothing says how these outputs are made"),
        "{text}"
    );
    let answered = draft
        .replace("activation = \"?\"", "activation = \"linear\"")
        .replace(", open = [\"activation\"]", "")
        .replace(", open = [\"activation\", \"residual\"]", "")
        .replace("open = [\"kind\"]\n", "");
    assert_ne!(answered, draft);
    std::fs::write(&spec, &answered).unwrap();
    ok(&convert);
    assert!(!ok(&format!("inspect {output}")).contains("assumed"));
    let text = ok(&format!(
        "inspect {}",
        fixture("keras-hub-recsys/model_keras3.keras")
    ));
    assert!(text.contains("missing      nothing"), "{text}");
}

#[test]
fn what_a_file_leaves_open_stops_a_conversion_or_is_written_into_the_blob() {
    let place = Place::new();
    let weights = fixture("pytorch-edge/state_dict.pt");
    let tasks = "[[tasks]]\nname = \"y0\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
                 \"y1\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \"y2\"\nactivation = \
                 \"linear\"\n";
    let spec = place.write("s.toml", tasks);
    let output = place.at("m.mmoe");
    let convert = format!("convert {weights} --spec {spec} -o {output}");
    let done = run(&convert);
    let (code, text) = (done.code, done.err);
    assert_eq!(code, 2, "{text}");
    for part in [
        "hidden layers of the experts: relu, in 4 places (a state dict has no activations)",
        "[experts]\n      last_activation = \"relu\"   # or: linear, tanh",
        "[gates]\n      kind = \"softmax\"   # or: sigmoid, top_k",
        "x = np.random.default_rng(0).normal(size=(64, 64))",
        "names = [\"y0\", \"y1\", \"y2\"]",
        "--accept-assumptions",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    assert!(!Path::new(&output).exists());
    // Accepted: the blob says so, wherever it is looked at.
    ok(&format!("{convert} --accept-assumptions --self-test 2"));
    let said = "the last layer of the experts: relu, in 4 places";
    for line in ["inspect", "verify"] {
        let text = ok(&format!("{line} {output}"));
        assert!(text.contains(said), "{line}: {text}");
    }
    let json: Value = serde_json::from_str(&ok(&format!("inspect {output} --json"))).unwrap();
    assert!(json["assumed"].to_string().contains(said), "{json}");
    // Golden rows settle it, and so does a spec: nothing is left to carry.
    let golden = fixture("pytorch-edge/golden.npz");
    ok(&format!("{convert} --golden {golden}"));
    assert!(!ok(&format!("inspect {output}")).contains("assumed"));
    let words = format!(
        "[experts]\nactivation = \"relu\"\nlast_activation = \"relu\"\nresidual = \
         false\n[towers]\nactivation = \"relu\"\n[gates]\nkind = \"softmax\"\n{tasks}"
    );
    std::fs::write(&spec, words).unwrap();
    ok(&convert);
    assert!(!ok(&format!("inspect {output}")).contains("assumed"));
}

/// Labels that are the model's own answers, and every third one turned.
fn labelled(place: &Place, blob: &str) -> (String, Vec<f32>, Vec<f32>) {
    let golden = Data::read(Path::new(&fixture("pytorch-edge/golden.npz"))).unwrap();
    let x = golden.array("x").unwrap().data.clone();
    let blob = BlobBytes::read(Path::new(blob)).unwrap();
    let mut runner = Runner::load(&blob).unwrap();
    let y: Vec<Vec<f32>> = x
        .chunks(64)
        .map(|r| runner.predict(r).unwrap().0.to_vec())
        .collect();
    let click: Vec<f32> = y
        .iter()
        .enumerate()
        .map(|(i, y)| f32::from(u8::from((y[0] > 0.5) != (i % 3 == 0))))
        .collect();
    let other: Vec<f32> = (0..64).map(|i| f32::from(u8::from(i % 2 == 0))).collect();
    let number: Vec<f32> = y.iter().map(|y| y[2] + 0.5).collect();
    let file = npz(&[
        ("x", &[64, 64], x),
        ("y0", &[64], click.clone()),
        ("y1", &[64], other),
        ("y2", &[64], number),
    ]);
    (
        place.write("d.npz", file),
        y.iter().map(|y| y[0]).collect(),
        click,
    )
}

#[test]
fn eval_one_blob() {
    let place = Place::new();
    let blob = place.edge("f32");
    let (data, scores, labels) = labelled(&place, &blob);
    let json: Value =
        serde_json::from_str(&ok(&format!("eval {blob} --data {data} --json"))).unwrap();
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (keys(&json), keys(&json["y0"]), keys(&json["y2"])),
        (
            vec!["y0".into(), "y1".into(), "y2".into()],
            vec!["auc".into(), "log_loss".into()],
            vec!["mse".into(), "rmse".into()]
        )
    );
    let (mut right, mut all) = (0.0, 0.0);
    for (s, _) in scores.iter().zip(&labels).filter(|(_, l)| **l == 1.0) {
        for (t, _) in scores.iter().zip(&labels).filter(|(_, l)| **l == 0.0) {
            all += 1.0;
            right += if s > t {
                1.0
            } else if s == t {
                0.5
            } else {
                0.0
            };
        }
    }
    assert!((json["y0"]["auc"].as_f64().unwrap() - right / all).abs() < 1e-12);
    assert!((json["y2"]["mse"].as_f64().unwrap() - 0.25).abs() < 1e-5);
    assert!((json["y2"]["rmse"].as_f64().unwrap() - 0.5).abs() < 1e-5);
    let text = ok(&format!("eval {blob} --data {data}"));
    assert!(
        text.contains("64 rows") && text.contains("log loss") && text.contains("cost"),
        "{text}"
    );
}

/// A missing label is missing for its task alone, and a row of weight 0 is as good as none.
#[test]
fn eval_with_missing_labels_and_weights() {
    let place = Place::new();
    let blob = place.edge("f32");
    let (whole, ..) = labelled(&place, &blob);
    let data = Data::read(Path::new(&whole)).unwrap();
    let array = |name: &str| data.array(name).unwrap().data.clone();
    let figures = |options: &str| -> Value {
        serde_json::from_str(&ok(&format!("eval {blob} --json {options}"))).unwrap()
    };
    // The last 24 rows of y0: left out, NaN, of weight 0.
    let mut y0 = array("y0");
    y0[40..].fill(f32::NAN);
    let rest = [("y1", array("y1")), ("y2", array("y2"))];
    let file = |rows: usize, y0: &[f32], weights: &[f32]| {
        let cut = |v: &[f32], width: usize| v[..rows * width].to_vec();
        let n = rows as u64;
        npz(&[
            ("x", &[n, 64], cut(&array("x"), 64)),
            ("y0", &[n], cut(y0, 1)),
            ("y1", &[n], cut(&rest[0].1, 1)),
            ("y2", &[n], cut(&rest[1].1, 1)),
            ("w", &[n], cut(weights, 1)),
        ])
    };
    let mut weights = [2.0f32; 64];
    weights[40..].fill(0.0);
    let few = place.write("few.npz", file(40, &array("y0"), &weights));
    let masked = place.write("masked.npz", file(64, &y0, &weights));
    let (few, all) = (
        figures(&format!("--data {few}")),
        figures(&format!("--data {whole}")),
    );
    let found = figures(&format!("--data {masked}"));
    assert_eq!(found["y0"]["auc"], few["y0"]["auc"]);
    assert_eq!(found["y0"]["labels"], 40);
    assert_eq!((&found["y1"], &found["y2"]), (&all["y1"], &all["y2"]));
    let weighted = figures(&format!("--data {masked} --weights w"));
    let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-9;
    assert!(
        near(&weighted["y1"]["auc"], &few["y1"]["auc"]),
        "{weighted}"
    );
    assert!(
        near(&weighted["y2"]["mse"], &few["y2"]["mse"]),
        "{weighted}"
    );
    let text = ok(&format!("eval {blob} --data {masked}"));
    assert!(text.contains("40 of 64 labels"), "{text}");

    weights[3] = -1.0;
    let bad = place.write("bad.npz", file(64, &y0, &weights));
    let eval = format!("eval {blob} --data {bad}");
    fails(&format!("{eval} --weights w"), 2, &["row 3 has -1"]);
    fails(&format!("{eval} --weights v"), 2, &["`v`"]);
    let none = place.write("none.npz", file(64, &[f32::NAN; 64], &weights));
    fails(
        &format!("eval {blob} --data {none}"),
        2,
        &["`y0`", "all are NaN"],
    );
}

#[test]
fn eval_several_blobs_and_skipping() {
    let place = Place::new();
    let (full, small) = (place.edge("f32"), place.edge("w8"));
    let (data, ..) = labelled(&place, &full);
    let json: Value = serde_json::from_str(&ok(&format!(
        "eval {full} {small} --data {data} --json --skip-below 0,0.2"
    )))
    .unwrap();
    assert_eq!(json["reference"], full.as_str());
    let (a, b) = (&json["models"][0], &json["models"][1]);
    assert_eq!(a["tasks"]["y0"]["worst_difference"], 0.0);
    assert!(b["tasks"]["y0"]["worst_difference"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (&b["precision"], &b["macs"]),
        (&"W8".into(), &27_312.into())
    );
    assert!(b["tasks"]["y0"]["ranking"]["swapped"].as_f64().unwrap() < 0.05);
    // Nothing is skipped below 0; below 0.2 something is, and it shows.
    assert_eq!(
        (
            &a["skip_below"][0]["macs"],
            &a["skip_below"][0]["worst_difference"]
        ),
        (&27_312.0.into(), &0.0.into())
    );
    assert!(a["skip_below"][1]["macs"].as_f64().unwrap() < 27_312.0);
    assert_eq!(
        (&a["macs_run"], &a["experts_run"]),
        (&27_312.0.into(), &4.0.into())
    );
    assert!(a["skip_below"][1]["worst_difference"].as_f64().unwrap() > 0.0);
    let text = ok(&format!("eval {small} --reference {full} --data {data}"));
    assert!(
        text.contains("pairs swapped") && text.contains("compared with"),
        "{text}"
    );
    fails(
        &format!("eval {full} --data {data} --skip-below 1"),
        2,
        &["0 to below 1"],
    );
    let other = place.at("k.mmoe");
    ok(&format!(
        "convert {} -o {other}",
        fixture("keras-hub-recsys/model_keras3.keras")
    ));
    fails(
        &format!("eval {full} {other} --data {data}"),
        2,
        &["100 inputs", "64 inputs"],
    );
    let labels = place.write(
        "l.npz",
        npz(&[("x", &[1, 64], vec![0.0; 64]), ("y0", &[1], vec![0.5])]),
    );
    fails(&format!("eval {full} --data {labels}"), 2, &["y1"]);
}

#[test]
fn gates_on_rows() {
    let place = Place::new();
    let blob = place.edge("f32");
    let golden = fixture("pytorch-edge/golden.npz");
    let text = ok(&format!("gates {blob} --input {golden}"));
    assert!(
        text.contains("gate_y2 (softmax)")
            && text.contains("expert 3")
            && text.contains("correlation"),
        "{text}"
    );
    let json: Value =
        serde_json::from_str(&ok(&format!("gates {blob} --input {golden} --json"))).unwrap();
    let expected = Data::read(Path::new(&golden)).unwrap();
    let gate = expected.array("gate_y1").unwrap();
    for expert in 0..4 {
        let weights = gate.data.chunks(4).map(|r| f64::from(r[expert]));
        let mean = weights.clone().sum::<f64>() / 64.0;
        assert!((json["gates"][1]["mean"][expert].as_f64().unwrap() - mean).abs() < 1e-6);
        assert!(
            (json["gates"][1]["max"][expert].as_f64().unwrap() - weights.fold(0.0, f64::max)).abs()
                < 1e-6
        );
    }
    assert_eq!(
        (&json["rows"], &json["experts_run"]),
        (&64.into(), &4.0.into())
    );
}

#[test]
fn csv_is_matched_with_feature_names() {
    let place = Place::new();
    let weights = place.write("w.safetensors", safetensors(&TENSORS, "F32", |_, _, v| v));
    let names = ["a", "b", "c", "d"]
        .map(|n| format!("[[inputs]]\nname = \"{n}\"\ncount = 1\n"))
        .concat();
    let (spec, blob) = (
        place.write("s.toml", format!("{SPEC}{names}")),
        place.at("m.mmoe"),
    );
    ok(&format!("convert {weights} --spec {spec} -o {blob}"));
    let (straight, mixed) = (
        place.write("1.csv", "1,2,3,4\n0,0,0,1\n"),
        place.write("2.csv", "d,a,c,b\n4,1,3,2\n1,0,0,0\n"),
    );
    assert_eq!(
        ok(&format!("run {blob} --input {straight} -o -")),
        ok(&format!("run {blob} --input {mixed} -o -"))
    );
    let bad = |text: &str, says: &[&str]| {
        fails(
            &format!("run {blob} --input {}", place.write("bad.csv", text)),
            2,
            says,
        );
    };
    bad("a,b,c,dd\n1,2,3,4\n", &["`dd`", "did you mean"]);
    bad("a,b,c\n1,2,3\n", &["`d` is missing"]);
    bad("a,a,c,d\n1,2,3,4\n", &["`a` stands twice"]);
    bad("a,b,c,d\n1,2,x,4\n", &["line 2", "column `c`", "`x`"]);
    bad("1,2,3\n", &["3 columns", "4"]);
    let labelled = place.write("l.csv", "y,a,b,c,d\n1,1,2,3,4\n0,4,3,2,1\n");
    assert!(ok(&format!("eval {blob} --data {labelled}")).contains("2 rows"));
    let mut piped = Command::new(env!("CARGO_BIN_EXE_mmoe"))
        .args(["run", &blob, "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut piped.stdin.take().unwrap(), b"1,2,3,4\n").unwrap();
    let out = piped.wait_with_output().unwrap();
    assert!(out.status.success() && String::from_utf8(out.stdout).unwrap().lines().count() == 2);
}

/// Where it cannot write, the tool leaves nothing, and what was there before stays.
#[cfg(unix)]
#[test]
fn codegen_writes_a_source_that_names_the_blob() {
    let place = Place::new();
    let blob = place.edge("w8");
    let printed = ok(&format!("codegen {blob} --blob-path edge.mmoe"));
    for line in [
        "pub type Expert = Seq<Dense<64, 64, W8>, Dense<64, 32, W8>>;",
        "pub type Model = Mmoe<[Expert; 4], [TaskGate; 3], Towers<Tower0, Tower0, Tower2>>;",
        "pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!(\"edge.mmoe\");",
        "pub const INPUTS: usize = 64;",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    std::fs::create_dir(place.at("src")).unwrap();
    let source = place.at("src/model.rs");
    ok(&format!("codegen {blob} -o {source}"));
    let text = std::fs::read_to_string(&source).unwrap();
    assert!(
        text.contains("include_blob!(\"../edge_w8.mmoe\")"),
        "{text}"
    );
    assert!(ok(&format!("codegen {blob} --no-blob")).contains("pub fn load(blob: &[u8])"));
}

#[test]
fn answers_before_flashing() {
    let place = Place::new();
    let model = place.at("edge.mmoe");
    let (weights, spec) = (
        fixture("pytorch-edge/model.safetensors"),
        fixture("pytorch-edge/spec.toml"),
    );
    let calibration = fixture("pytorch-edge/calibration.npz");
    ok(&format!(
        "convert {weights} --spec {spec} --precision i8 --calibration {calibration} --self-test 4 \
         -o {model}"
    ));

    let text = ok(&format!("inspect {model} --core m4f --mhz 64"));
    for says in [
        "Cortex-M4F, opt-level 3",
        "instructions ",
        "within ",
        "ms at 64 MHz",
        "of flash in all",
        "no static RAM",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let json = |line: &str| -> Value { serde_json::from_str(&ok(line)).unwrap() };
    let device =
        |core: &str| json(&format!("inspect {model} --json --core {core}"))["device"].clone();
    let (m0, m4f) = (device("m0"), device("m4f"));
    assert!(m0["instructions"].as_f64() > m4f["instructions"].as_f64());
    assert!(m4f["error"].as_f64().unwrap() <= 0.25 && m4f["time"].is_null());
    assert_eq!(
        m4f["flash"].as_u64(),
        Some(m4f["code"].as_u64().unwrap() + std::fs::metadata(&model).unwrap().len())
    );
    // What QEMU counted of this very shape.
    let off = m4f["instructions_from_activations"].as_f64().unwrap() / 101_126.0 - 1.0;
    assert!(off.abs() <= 0.25, "{off}");
    assert!(json(&format!("inspect {model} --json"))["device"].is_null());

    // The look-ups of a model that takes records are in no estimate, and the output says so.
    let shop = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/firmware/records/src/shop.mmoe"
    );
    let text = ok(&format!("inspect {shop} --core m4f"));
    assert!(text.contains("a row behind its front end"), "{text}");
    assert!(text.contains("front end    not in these figures"), "{text}");
    let counted = |blob: &str| {
        json(&format!("inspect {blob} --json --core m4f"))["device"]["front_end_counted"].clone()
    };
    assert_eq!(
        (counted(shop), counted(&model)),
        (false.into(), true.into())
    );

    let fits = ok(&format!(
        "inspect {model} --core m4f --budget flash=64k,ram=8k"
    ));
    assert!(
        fits.contains("budget       flash: ") && fits.contains("budget       ram: "),
        "{fits}"
    );
    ok(&format!("inspect {model} --budget flash=1M"));
    let done = run(&format!(
        "inspect {model} --core m4f --budget flash=32k,ram=512"
    ));
    assert_eq!(done.code, 1);
    for says in [
        "over budget: flash takes ",
        "more than the 32,768 there are; ram takes ",
        "more than the 512 there are",
    ] {
        assert!(done.err.contains(says), "{says}: {}", done.err);
    }
    assert!(
        done.out.contains("Cortex-M4F"),
        "what it takes is said before it fails"
    );
    for (bad, says) in [
        (
            "--core m7",
            "possible values: m0, m3, m4f, m33, m33dsp, m55, riscv",
        ),
        ("--mhz 64", "--core <CORE>"),
        ("--core m0 --mhz -3", "clock"),
        ("--core m0 --opt-level 2", "possible values: 3, s"),
        ("--budget rom=5k", "a budget has flash and ram"),
    ] {
        let done = run(&format!("inspect {model} {bad}"));
        assert_eq!(done.code, 2, "{bad}");
        assert!(
            done.err.contains(says) || bad.contains("-3"),
            "{bad}: {}",
            done.err
        );
    }
    fails(
        &format!("inspect {weights} --core m0"),
        2,
        &["about a blob", "mmoe convert"],
    );
}

#[test]
fn a_blob_verifies_itself() {
    let place = Place::new();
    let (model, bare) = (place.at("tested.mmoe"), place.at("bare.mmoe"));
    let (weights, spec) = (
        fixture("pytorch-edge/model.safetensors"),
        fixture("pytorch-edge/spec.toml"),
    );
    ok(&format!(
        "convert {weights} --spec {spec} --self-test 3 -o {model}"
    ));
    ok(&format!("convert {weights} --spec {spec} -o {bare}"));
    assert_eq!(
        ok(&format!("verify {model}")),
        format!("{model}: self-test passed, 3 rows\n")
    );
    fails(
        &format!("verify {bare}"),
        2,
        &["has no self-test rows", "--self-test 4", "--golden"],
    );

    // A weight that changed before the checksum was made.
    let mut bytes = std::fs::read(&model).unwrap();
    let at = bytes.len() - 200;
    bytes[at + 3 - at % 4] ^= 0x40;
    mmoe_tools::blob::file::seal(&mut bytes);
    std::fs::write(&model, &bytes).unwrap();
    fails(
        &format!("verify {model}"),
        1,
        &["self-test row ", "must be 0x"],
    );
}

/// Experts that a gate does not choose cost nothing: 16→12→8 each, 4 of them, one to two of which
/// run for two hard gates.
#[test]
fn eval_counts_what_runs() {
    let place = Place::new();
    let (model, data) = (place.at("hard.mmoe"), place.at("rows.npz"));
    ok(&format!(
        "convert {} --spec {} -o {model}",
        fixture("torch-hard/model.safetensors"),
        fixture("torch-hard/spec.toml")
    ));
    let golden = Data::read(Path::new(&fixture("torch-hard/golden.npz"))).unwrap();
    let x = golden.array("x").unwrap();
    let zeros = || vec![0.0; 64];
    std::fs::write(
        &data,
        npz(&[
            ("x", &[64, 16], x.data.clone()),
            ("level", &[64], zeros()),
            ("alarm", &[64], zeros()),
        ]),
    )
    .unwrap();
    let json: Value =
        serde_json::from_str(&ok(&format!("eval {model} {model} --data {data} --json"))).unwrap();
    let one = &json["models"][0];
    let (experts, macs, all) = (
        one["experts_run"].as_f64().unwrap(),
        one["macs_run"].as_f64().unwrap(),
        one["macs"].as_f64().unwrap(),
    );
    assert!((1.0..=2.0).contains(&experts), "{experts}");
    let (expert, mixing) = (16.0 * 12.0 + 12.0 * 8.0, 8.0);
    // All of it has four experts and eight mixtures of one.
    assert!(
        (macs - (all - (4.0 - experts) * expert - 6.0 * mixing)).abs() < 1e-6,
        "{macs} of {all} with {experts} experts"
    );
}

/// The relu behind the layer norm is shut on every row, so no weight reaches the output, and
/// self-test rows would find no changed one.
#[test]
fn self_test_rows_do_not_claim_weights_that_reach_no_output() {
    let place = Place::new();
    let tensors: [(&str, &[usize]); 8] = [
        ("a.weight", &[2, 1]),
        ("a.bias", &[2]),
        ("n.weight", &[2]),
        ("n.bias", &[2]),
        ("b.weight", &[2, 2]),
        ("b.bias", &[2]),
        ("t.weight", &[1, 2]),
        ("t.bias", &[1]),
    ];
    let weights = |shut: bool| {
        safetensors(&tensors, "F32", |name, i, _| match name {
            "a.weight" => 1e-3,
            "a.bias" => 100.0 + i as f32,
            "b.bias" if shut => -50.0,
            "n.bias" | "b.bias" | "t.bias" => 0.0,
            "b.weight" => [-1.0, 1.0][i % 2],
            _ => [1.0, 0.5][i % 2],
        })
    };
    let spec = place.write(
        "ln.toml",
        r#"name = "ln"
layout = "out_in"
[experts]
count = 1
layers = [
  { weight = "a.weight", bias = "a.bias", layer_norm = { gamma = "n.weight", beta = "n.bias", epsilon = 1e-5 } },
  { weight = "b.weight", bias = "b.bias", activation = "relu" },
]
[towers]
layers = [ { weight = "t.weight", bias = "t.bias" } ]
[[tasks]]
name = "y"
activation = "linear"
"#,
    );
    let out = place.at("ln.mmoe");
    for (shut, says) in [
        (true, "4 rows, which touch 0 % of the weights"),
        (false, "4 rows, which touch 100 % of the weights"),
    ] {
        let file = place.write("ln.safetensors", weights(shut));
        let text = ok(&format!(
            "convert {file} --spec {spec} --self-test 4 -o {out}"
        ));
        assert!(text.contains(says), "{text}");
    }
}
