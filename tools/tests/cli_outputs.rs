//! What the tool writes and prints: never over what it reads, nothing that acts on a terminal, and
//! a remedy for every stumble.

mod tool;

use std::path::Path;

use mmoe_tools::data::Data;
use serde_json::Value;
use tool::{Place, SPEC, TENSORS, fails, fixture, npz, ok, run, safetensors};

/// A small model of one task `y` whose features have these names, or none.
fn small(place: &Place, features: &[&str]) -> String {
    let weights = place.write("w.safetensors", safetensors(&TENSORS, "F32", |_, _, v| v));
    let names: String = features
        .iter()
        .map(|n| format!("[[inputs]]\nname = {n:?}\ncount = 1\n"))
        .collect();
    let (spec, blob) = (
        place.write("s.toml", format!("{SPEC}{names}")),
        place.at("m.mmoe"),
    );
    ok(&format!("convert {weights} --spec {spec} -o {blob}"));
    blob
}

#[test]
fn no_output_takes_the_place_of_an_input() {
    let place = Place::new();
    let blob = small(&place, &[]);
    let (weights, spec) = (place.at("w.safetensors"), place.at("s.toml"));
    let data = place.write("d.npz", npz(&[("x", &[1, 4], vec![0.5; 4])]));
    let html = place.write("m.html", std::fs::read(&blob).unwrap());
    let before = |name: &String| std::fs::read(name).unwrap();
    let files = [&weights, &spec, &data, &blob, &html].map(|f| (f.clone(), before(f)));
    let convert = format!("convert {weights} --spec {spec}");
    for line in [
        format!("{convert} -o {spec}"),
        format!("{convert} -o {weights}"),
        format!("{convert} --precision i8 --calibration {data} -o {data}"),
        format!("{convert} --golden {data} -o {data}"),
        format!("inspect {weights} --write-spec {weights}"),
        format!("run {blob} --data {data} -o {data}"),
        format!("codegen {blob} -o {blob}"),
        format!("report {html} -o {html}"),
        format!("report {blob} --reference {html} -o {html}"),
    ] {
        fails(&line, 2, &["take the place of"]);
    }
    // By another name it is the same file.
    #[cfg(unix)]
    {
        let link = place.at("link");
        std::os::unix::fs::symlink(&spec, &link).unwrap();
        fails(&format!("{convert} -o {link}"), 2, &["take the place of"]);
    }
    for (name, bytes) in files {
        assert!(before(&name) == bytes, "{name} was changed");
    }
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay_as_they_are() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new();
    small(&place, &[]);
    let line = format!(
        "convert {} --spec {}",
        place.at("w.safetensors"),
        place.at("s.toml")
    );
    // A file that is closed to others stays closed when it is replaced.
    let old = place.write("old.mmoe", "old");
    std::fs::set_permissions(&old, PermissionsExt::from_mode(0o600)).unwrap();
    ok(&format!("{line} -o {old}"));
    let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&old), 0o600);
    assert_ne!(std::fs::read(&old).unwrap(), b"old");
    // A link stays a link, also where nothing is at its end yet.
    std::fs::create_dir(place.at("sub")).unwrap();
    for (link, to) in [("one", "old.mmoe"), ("two", "sub/new.mmoe")] {
        symlink(to, place.at(link)).unwrap();
        ok(&format!("{line} -o {}", place.at(link)));
        assert_eq!(
            std::fs::read_link(place.at(link)).unwrap(),
            Path::new(to),
            "{link}"
        );
        assert!(std::fs::read(place.at(to)).unwrap().starts_with(b"MMOE"));
    }
    symlink("round", place.at("round")).unwrap();
    fails(
        &format!("{line} -o {}", place.at("round")),
        2,
        &["links go round"],
    );
}

/// A run that is ended while its file is unfinished takes the file along.
#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing() {
    use std::process::{Command, Stdio};
    let place = Place::new();
    let blob = small(&place, &[]);
    let data = place.write("d.npz", npz(&[("x", &[1, 4], vec![0.5; 4])]));
    let before = place.files();
    // Whenever the signal comes: nothing, or all of the result.
    for wait in [0, 1, 2, 4, 8, 16, 32] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mmoe"))
            .args(["run", &blob, "--data", &data, "-o", &place.at("y.csv")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let killed = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        killed.unwrap();
        child.wait().unwrap();
        let _ = std::fs::remove_file(place.at("y.csv"));
        assert_eq!(place.files(), before, "after {wait} ms");
    }
}

/// Names with terminal escapes and with letters that turn the text around.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}";

fn acts(text: &str) -> bool {
    text.chars()
        .any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c))
}

#[test]
fn nothing_from_a_file_acts_on_the_terminal_or_the_page() {
    let place = Place::new();
    let weights = place.write("w.safetensors", safetensors(&TENSORS, "F32", |_, _, v| v));
    // TOML has these letters as escapes.
    let name: String = HOSTILE
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let spec = SPEC.replace("name = \"y\"", &format!("name = \"{name}\""));
    assert_ne!(spec, SPEC);
    let (spec, blob) = (place.write("s.toml", spec), place.at("m.mmoe"));
    let data = place.write("d.csv", "1,2,3,4\n");
    let bad = place.write("bad.csv", format!("{HOSTILE},b,c,d,e\n1,2,3,4,5\n"));
    let (page, source) = (place.at("p.html"), place.at("m.rs"));
    for line in [
        format!("convert {weights} --spec {spec} -o {blob}"),
        format!("convert {weights} --spec {spec} --explain -o {blob}"),
        format!("inspect {blob} --layers"),
        format!("inspect {blob} --json"),
        format!("run {blob} --data {data}"),
        format!("gates {blob} --data {data}"),
        format!("gates {blob} --data {data} --json"),
        format!("report {blob} --data {data} -o {page}"),
        format!("codegen {blob} -o {source}"),
    ] {
        let said = run(&line);
        assert_eq!(said.code, 0, "{line}\n{}", said.err);
        assert!(
            !acts(&said.out) && !acts(&said.err),
            "{line}: {:?}",
            said.out
        );
    }
    let named: Value = serde_json::from_str(&ok(&format!("inspect {blob} --json"))).unwrap();
    assert_eq!(
        named["tasks"][0]["name"], HOSTILE,
        "JSON has the name itself"
    );
    for made in [page, source] {
        let text = std::fs::read_to_string(made).unwrap();
        assert!(!acts(&text) && text.contains("u{202e}"));
    }
    let said = run(&format!("run {blob} --data {bad}"));
    assert_eq!(said.code, 2);
    assert!(!acts(&said.err), "{:?}", said.err);
}

#[test]
fn names_of_any_length_are_shown() {
    let place = Place::new();
    let long = "n".repeat(70_000);
    let weights = place.write("w.safetensors", safetensors(&TENSORS, "F32", |_, _, v| v));
    let spec = SPEC.replace("name = \"y\"", &format!("name = \"{long}\""));
    let (spec, blob) = (place.write("s.toml", spec), place.at("m.mmoe"));
    let data = place.write("d.csv", "1,2,3,4\n");
    ok(&format!("convert {weights} --spec {spec} -o {blob}"));
    for line in [
        format!("run {blob} --data {data}"),
        format!("gates {blob} --data {data}"),
        format!("inspect {blob} --layers"),
    ] {
        assert!(ok(&line).contains("nnnn"));
    }
    let named = place.write(
        "long.safetensors",
        safetensors(&[(long.as_str(), &[1])], "F32", |_, _, v| v),
    );
    assert!(ok(&format!("inspect {named}")).contains('…'));
}

#[test]
fn one_csv_serves_every_command() {
    let place = Place::new();
    let blob = small(&place, &["a", "b", "c", "d"]);
    let (weights, spec) = (place.at("w.safetensors"), place.at("s.toml"));
    let rows: String = (0..20)
        .map(|i| format!("{i};{};0.{};-1;2;{}\n", i % 2, i, 3 - i % 4))
        .collect();
    let data = place.write("all.csv", format!("\"\";y;b;a;c;d\n{rows}"));
    let note = "note: the first column has no name";
    for line in [
        format!("run {blob} --data {data}"),
        format!("run {blob} --input {data}"),
        format!("gates {blob} --data {data}"),
        format!("eval {blob} --data {data}"),
        format!("report {blob} --data {data} -o {}", place.at("p.html")),
        format!(
            "convert {weights} --spec {spec} --precision i8 --calibration {data} -o {}",
            place.at("i8.mmoe")
        ),
    ] {
        let done = run(&line);
        assert_eq!(done.code, 0, "{line}\n{}", done.err);
        assert!(
            done.err.starts_with(note) && done.err.lines().count() == 1,
            "{line}\n{}",
            done.err
        );
    }
    // Without names in the blob the order of the columns is taken on trust, and that is said.
    let nameless = Place::new();
    let blob = small(&nameless, &[]);
    let done = run(&format!(
        "run {blob} --data {}",
        nameless.write("p.csv", "p,q,r,s\n1,2,3,4\n")
    ));
    assert!(
        done.code == 0
            && done
                .err
                .contains("taken in the order of the file: `p`, `q`, `r`, `s`"),
        "{}",
        done.err
    );
}

#[test]
fn numbers_that_are_none_are_counted() {
    let place = Place::new();
    let blob = small(&place, &[]);
    let data = place.write("nan.csv", "1,NaN,3,4\n1,2,3,4\nnan,inf,3,4\n");
    for command in ["run", "gates"] {
        let done = run(&format!("{command} {blob} --data {data}"));
        assert_eq!(done.code, 0);
        assert!(
            done.err
                .contains("3 of the features, in 2 rows, are NaN or infinite")
                && done.err.contains("2 rows have outputs that are NaN"),
            "{}",
            done.err
        );
    }
    let (weights, spec) = (place.at("w.safetensors"), place.at("s.toml"));
    fails(
        &format!(
            "convert {weights} --spec {spec} --precision i8 --calibration {data} -o {}",
            place.at("i8.mmoe")
        ),
        2,
        &["3 of the features, in 2 rows", "leave these rows out"],
    );
    let labels = place.write("l.csv", "a,b,c,d,y\n1,2,3,4,NaN\n");
    // A missing label drops its row; where all are missing there is nothing to say.
    let done = run(&format!("eval {blob} --data {labels}"));
    assert_eq!(done.code, 2, "{}", done.out);
    assert!(
        done.err.contains("error: labels of `y`: all are NaN"),
        "{}",
        done.err
    );
}

#[test]
fn eval_shows_the_reference_in_the_same_shape() {
    let place = Place::new();
    let (full, small) = (place.edge("f32"), place.edge("w8"));
    let data = fixture("pytorch-edge/test_set.npz");
    let json = |line: String| -> Value { serde_json::from_str(&ok(&line)).unwrap() };
    let alone = json(format!("eval {small} --data {data} --json"));
    let theirs = json(format!("eval {full} --data {data} --json"));
    let against = json(format!(
        "eval {small} --reference {full} --data {data} --json"
    ));
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&alone), keys(&against));
    for task in keys(&alone) {
        for (figure, value) in alone[&task].as_object().unwrap() {
            assert_eq!(&against[&task][figure], value, "{task} {figure}");
        }
        assert_eq!(against[&task]["reference"], theirs[&task], "{task}");
        assert!(against[&task]["worst_difference"].as_f64().unwrap() > 0.0);
    }
    let text = ok(&format!("eval {small} --reference {full} --data {data}"));
    let auc = theirs["y0"]["auc"].as_f64().unwrap();
    assert!(text.contains(&format!("{auc:.5}")), "{text}");
    // A reference that is among the blobs is not shown twice.
    let twice = ok(&format!(
        "eval {small} {full} --reference {full} --data {data}"
    ));
    assert_eq!(twice.matches("edge_f32.mmoe").count(), 1 + 3 + 1, "{twice}");
}

#[test]
fn stumbles_are_answered_with_a_remedy() {
    let place = Place::new();
    let blob = small(&place, &[]);
    let (weights, spec) = (place.at("w.safetensors"), place.at("s.toml"));
    let other = place.at("other.mmoe");
    let said = |line: String, says: &[&str]| {
        fails(&line, 2, says);
    };
    said(
        format!("convert {blob} -o {other}"),
        &["is a blob already", "mmoe inspect"],
    );
    said(
        format!("convert {weights} --spec {weights} -o {other}"),
        &["is no text", "--spec wants TOML", "mmoe convert WEIGHTS"],
    );
    said(
        format!("report {blob} -o {}", place.at("x.pdf")),
        &["page of HTML", "x.html"],
    );
    said(
        weights.clone(),
        &["mmoe convert", "mmoe inspect", "w.safetensors"],
    );
    said(
        format!("run {blob} x.csv"),
        &["rows of data are given with --data: --data x.csv"],
    );
    said(
        format!("run {blob} --data {blob}"),
        &["is a blob, where rows of data are wanted"],
    );
    let absent = place.at("no/such/m.mmoe");
    let err = fails(
        &format!("convert {weights} --spec {spec} -o {absent}"),
        2,
        &["there is no folder", "make it first"],
    );
    assert!(!err.contains(".mmoe-"), "{err}");
    for shouted in ["F32", "f32", "I8"] {
        let ranges = place.write("x.npz", npz(&[("x", &[2, 4], vec![0.5; 8])]));
        let more = if shouted == "I8" {
            format!("--calibration {ranges} --packing Quad")
        } else {
            String::new()
        };
        ok(&format!(
            "convert {weights} --spec {spec} --precision {shouted} {more} -o {other}"
        ));
    }
    let on = |core: &str| ok(&format!("inspect {blob} --core {core}"));
    assert_eq!(on("M4F"), on("m4f"));
    // The spec of a file whose layout is known needs no name to be shown.
    let known = fixture("keras-hub-recsys/model_keras3.keras");
    assert!(ok(&format!("inspect {known} --write-spec")).contains("[[tasks]]"));
}

/// A name in an archive is a path that unpacking follows.
#[test]
fn arrays_are_not_called_like_paths() {
    let place = Place::new();
    let weights = place.write("w.safetensors", safetensors(&TENSORS, "F32", |_, _, v| v));
    let spec = SPEC.replace("name = \"y\"", "name = \"../../y\"");
    let (spec, blob) = (place.write("s.toml", spec), place.at("m.mmoe"));
    ok(&format!("convert {weights} --spec {spec} -o {blob}"));
    let data = place.write("d.csv", "1,2,3,4\n");
    fails(
        &format!("run {blob} --data {data} -o {}", place.at("y.npz")),
        2,
        &["cannot be the name of an array", ".csv"],
    );
    let out = place.at("y.csv");
    ok(&format!("run {blob} --data {data} -o {out}"));
    assert!(Data::read(Path::new(&out)).is_ok());
}
