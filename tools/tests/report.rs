//! `mmoe report`: pages about blobs of every family, whose numbers are those of the other commands.

mod tool;

use serde_json::Value;
use tool::{Place, fails, fixture, ok};

/// A fixture's blob.
fn blob(place: &Place, folder: &str, more: &str) -> String {
    let path = place.at(&format!("{folder}.mmoe"));
    let weights = fixture(&format!("{folder}/model.safetensors"));
    ok(&format!(
        "convert {weights} --spec {} {more} -o {path}",
        fixture(&format!("{folder}/spec.toml"))
    ));
    path
}

fn page(place: &Place, arguments: &str) -> String {
    let path = place.at("page.html");
    assert_eq!(
        ok(&format!("report {arguments} -o {path}")),
        format!("wrote {path}\n")
    );
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    for fetched in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<script",
    ] {
        assert!(!page.contains(fetched), "the page has {fetched}");
    }
    page
}

/// As the page shows it.
fn grouped(n: &Value) -> String {
    mmoe_tools::text::grouped(n.as_u64().unwrap())
}

#[test]
fn the_page_has_the_numbers_of_the_other_commands() {
    let place = Place::new();
    let calibration = format!(
        "--precision i8 --self-test 4 --calibration {}",
        fixture("pytorch-edge/calibration.npz")
    );
    let model = blob(&place, "pytorch-edge", &calibration);
    let reference = place.at("f32.mmoe");
    let (weights, spec) = (
        fixture("pytorch-edge/model.safetensors"),
        fixture("pytorch-edge/spec.toml"),
    );
    ok(&format!("convert {weights} --spec {spec} -o {reference}"));
    let data = fixture("pytorch-edge/test_set.npz");
    let arguments = format!("{model} --data {data} --reference {reference}");
    let shown = page(&place, &arguments);
    assert_eq!(
        shown,
        page(&place, &arguments),
        "the same input gives the same bytes"
    );

    let json = |line: &str| -> Value { serde_json::from_str(&ok(line)).unwrap() };
    let inspect = json(&format!("inspect {model} --json --layers --core m4f"));
    for number in ["parameters", "macs"] {
        assert!(shown.contains(&grouped(&inspect[number])), "{number}");
    }
    for number in ["instructions", "flash", "stack"] {
        assert!(
            shown.contains(&grouped(&inspect["device"][number])),
            "{number}"
        );
    }
    assert!(shown.contains(inspect["checksum"].as_str().unwrap()));
    for layer in inspect["quantization"].as_array().unwrap() {
        assert!(shown.contains(layer["layer"].as_str().unwrap()));
        assert!(shown.contains(&format!("2^{:.1}", layer["margin_bits"].as_f64().unwrap())));
    }
    let eval = json(&format!(
        "eval {model} --data {data} --reference {reference} --json"
    ));
    for task in ["y0", "y1"] {
        for figures in [&eval[task], &eval[task]["reference"]] {
            assert!(shown.contains(&format!("AUC {:.5}", figures["auc"].as_f64().unwrap())));
        }
        assert!(shown.contains(&format!(
            "{:.2e}",
            eval[task]["worst_difference"].as_f64().unwrap()
        )));
    }
    let gates = json(&format!("gates {model} --input {data} --json"));
    for gate in gates["gates"].as_array().unwrap() {
        for mean in gate["mean"].as_array().unwrap() {
            assert!(
                shown.contains(&format!(">{:.3}<", mean.as_f64().unwrap())),
                "{mean}"
            );
        }
    }
    assert!(shown.contains("4 rows, passed on this host"));
    assert!(
        shown.contains("Calibration of y2"),
        "a regression has its curve too"
    );
}

#[test]
fn what_is_not_given_is_left_out_and_said() {
    let place = Place::new();
    let calibration = format!(
        "--precision i8 --calibration {}",
        fixture("torch-hard/golden.npz")
    );
    let shown = page(&place, &blob(&place, "torch-hard", &calibration));
    for says in [
        "Run on no rows",
        "--data D.npz",
        "--reference F32.mmoe",
        "keeps no float weights",
        "none stored",
    ] {
        assert!(shown.contains(says), "{says}");
    }
    for section in [
        "<h2>Gates</h2>",
        "<h2>Quality</h2>",
        "<h2>Against the reference</h2>",
        "Distributions",
    ] {
        assert!(!shown.contains(section), "{section}");
    }
}

/// Independent models, a stem, slices, two levels, gates that choose, a hidden expert: everything
/// is drawn, named as in `inspect`.
#[test]
fn every_wiring_is_drawn() {
    let place = Place::new();
    for (folder, parts) in [
        ("torch-soft", &["16→12→8→1 linear"][..]),
        (
            "torch-stem",
            &["gate 0: constant", "gate 2: softmax", "expert 3"],
        ),
        (
            "torch-slices",
            &["[6..16]→12→8 leaky relu", "[0..6]→8 relu"],
        ),
        ("torch-stacked", &["gate 3: softmax", "expert 6"]),
        ("torch-topk", &["gate 1: top-k"]),
        ("torch-priors", &["expert 3"]),
    ] {
        let model = blob(&place, folder, "");
        let shown = page(
            &place,
            &format!(
                "{model} --input {}",
                fixture(&format!("{folder}/golden.npz"))
            ),
        );
        for part in parts {
            assert!(shown.contains(part), "{folder}: {part}");
        }
    }
}

#[test]
fn names_cannot_break_out() {
    let place = Place::new();
    let spec = std::fs::read_to_string(fixture("torch-hard/spec.toml")).unwrap();
    let spec = spec
        .replace("name = \"hard\"", "name = \"<b>&\"")
        .replace("name = \"level\"", "name = \"<script>alert(1)</script>\"");
    std::fs::write(place.at("spec.toml"), spec).unwrap();
    let model = place.at("m.mmoe");
    ok(&format!(
        "convert {} --spec {} -o {model}",
        fixture("torch-hard/model.safetensors"),
        place.at("spec.toml")
    ));
    let shown = page(&place, &model);
    assert!(
        shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && shown.contains("&lt;b&gt;&amp;")
    );
}

#[test]
fn bad_input_leaves_no_page() {
    let place = Place::new();
    let (a, b) = (
        blob(&place, "torch-hard", ""),
        blob(&place, "pytorch-edge", ""),
    );
    let page = place.at("page.html");
    fails(
        &format!(
            "report {a} --input {} -o {page}",
            fixture("pytorch-edge/golden.npz")
        ),
        2,
        &["64"],
    );
    fails(
        &format!("report {a} --reference {b} -o {page}"),
        2,
        &["blobs are compared task by task"],
    );
    fails(
        &format!(
            "report {} -o {page}",
            fixture("torch-hard/model.safetensors")
        ),
        2,
        &["is no blob"],
    );
    assert!(!place.files().contains(&"page.html".to_owned()));
}
