//! The tool on bad input: what is wrong is named, and nothing is left behind.

mod tool;

use std::path::Path;
use std::process::Command;

use mmoe_tools::data::Data;
use tool::{Place, SPEC, TENSORS, fails, fixture, npz, ok, run, safetensors};

#[test]
fn other_float_types_are_converted_and_said() {
    let place = Place::new();
    let spec = place.write("s.toml", SPEC);
    for (dtype, name) in [("F16", "f16"), ("BF16", "bf16"), ("F64", "f64")] {
        let weights = place.write("w", safetensors(&TENSORS, dtype, |_, _, v| v));
        let report = ok(&format!(
            "convert {weights} --spec {spec} -o {}",
            place.at("m.mmoe")
        ));
        assert!(
            report.contains(&format!("10 tensors converted from {name}")),
            "{report}"
        );
    }
}

#[test]
fn bad_weights_and_specs_are_named_and_leave_nothing() {
    let place = Place::new();
    let good = place.write("good", safetensors(&TENSORS, "F32", |_, _, v| v));
    let spec = place.write("s.toml", SPEC);
    let out = place.at("out.mmoe");
    let with = |weights: &str, spec: &str, says: &[&str]| {
        fails(
            &format!("convert {weights} --spec {spec} -o {out}"),
            2,
            says,
        );
    };
    let spec_of = |from: &str, to: &str| {
        assert!(SPEC.contains(from));
        place.write("bad.toml", SPEC.replace(from, to))
    };
    // Weights.
    type Named = (&'static str, &'static [usize]);
    let tensors = |change: &dyn Fn(usize, Named) -> Named| -> Vec<_> {
        TENSORS
            .iter()
            .enumerate()
            .map(|(i, t)| change(i, *t))
            .collect()
    };
    let renamed = safetensors(
        &tensors(&|i, t| if i == 2 { ("experts.1.wieght", t.1) } else { t }),
        "F32",
        |_, _, v| v,
    );
    with(
        &place.write("w", renamed),
        &spec,
        &["experts.1.weight", "near it", "experts.1.wieght"],
    );
    let rank = safetensors(
        &tensors(&|i, t| if i == 0 { (t.0, &[4, 2, 2]) } else { t }),
        "F32",
        |_, _, v| v,
    );
    with(
        &place.write("w", rank),
        &spec,
        &["experts.0.weight", "[4, 2, 2]"],
    );
    let shape = safetensors(
        &tensors(&|i, t| if i == 7 { (t.0, &[5]) } else { t }),
        "F32",
        |_, _, v| v,
    );
    with(&place.write("w", shape), &spec, &["towers.0.0.bias", "[5]"]);
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let broken = safetensors(&TENSORS, "F32", |n, i, v| {
            if n == "gates.0.weight" && i == 3 {
                value
            } else {
                v
            }
        });
        with(&place.write("w", broken), &spec, &["gates.0.weight", word]);
    }
    with(&place.write("w", ""), &spec, &["is empty"]);
    with(
        &place.write("w", "hello, world"),
        &spec,
        &["no weights file"],
    );
    with(&place.at("absent"), &spec, &["absent", "cannot be read"]);
    with(place.0.path().to_str().unwrap(), &spec, &["is a directory"]);
    // Specs.
    with(
        &good,
        &spec_of("count = 2", "count = 2\ncuont = 3"),
        &["cuont", "line 5"],
    );
    with(
        &good,
        &spec_of(
            "[[tasks]]\nname = \"y\"",
            "[[tasks]]\nname = \"y\"\nactivation = \"linear\"\n[[tasks]]\nname = \"y\"",
        ),
        &["`y`", "two tasks"],
    );
    with(
        &good,
        &spec_of("activation = \"sigmoid\"", ""),
        &["activation"],
    );
    with(
        &good,
        &spec_of("count = 2", "count = 3"),
        &["experts.2.weight"],
    );
    with(
        &good,
        &place.at("absent.toml"),
        &["absent.toml", "cannot be read"],
    );
    fails(
        &format!("convert {good} -o {out}"),
        2,
        &["[[tasks]]", "--spec"],
    );
    // Nothing but what the test itself wrote.
    assert_eq!(place.files(), ["bad.toml", "good", "s.toml", "w"]);
    ok(&format!("convert {good} --spec {spec} -o {out}"));
}

#[test]
fn a_transposed_square_kernel_is_caught_by_golden_rows() {
    let place = Place::new();
    let weights = place.write(
        "w",
        safetensors(&TENSORS, "F32", |n, _, v| {
            if n.starts_with("towers") { v.abs() } else { v }
        }),
    );
    let (spec, blob) = (place.write("s.toml", SPEC), place.at("m.mmoe"));
    ok(&format!("convert {weights} --spec {spec} -o {blob}"));
    let x: Vec<f32> = (0..40).map(|i| (i as f32 * 0.7).sin()).collect();
    let rows = place.write("x.npz", npz(&[("x", &[10, 4], x.clone())]));
    ok(&format!(
        "run {blob} --input {rows} -o {}",
        place.at("y.npz")
    ));
    let y = Data::read(Path::new(&place.at("y.npz")))
        .unwrap()
        .array("y")
        .unwrap()
        .data
        .clone();
    let golden = place.write("g.npz", npz(&[("x", &[10, 4], x), ("y", &[10, 1], y)]));
    ok(&format!(
        "convert {weights} --spec {spec} --golden {golden} -o {blob}"
    ));
    let turned = SPEC.replace(
        "bias = \"experts.{expert}.bias\"",
        "bias = \"experts.{expert}.bias\", layout = \"in_out\"",
    );
    let turned = place.write("t.toml", turned);
    let never = place.at("never.mmoe");
    let says = [
        "`y` differs",
        "hint: the golden rows fit with",
        "square matrices lie: as [outputs, inputs], in 2 places",
        "layout = \"out_in\"",
        "nothing was written",
    ];
    fails(
        &format!("convert {weights} --spec {turned} --golden {golden} -o {never}"),
        1,
        &says,
    );
    assert!(!place.files().contains(&"never.mmoe".to_owned()));
}

#[test]
fn golden_numbers_that_are_not_finite_never_pass() {
    let place = Place::new();
    let weights = place.write("w", safetensors(&TENSORS, "F32", |_, _, v| v));
    let (spec, blob) = (place.write("s.toml", SPEC), place.at("m.mmoe"));
    ok(&format!("convert {weights} --spec {spec} -o {blob}"));
    let x: Vec<f32> = (0..40).map(|i| (i as f32 * 0.7).sin()).collect();
    let right = place.write("x.npz", npz(&[("x", &[10, 4], x.clone())]));
    let out = place.at("y.npz");
    ok(&format!("run {blob} --input {right} -o {out}"));
    let y = Data::read(Path::new(&out)).unwrap();
    let y = y.array("y").unwrap().data.clone();
    let golden = |name: &str, change: &dyn Fn(usize, f32) -> f32| {
        let y = y.iter().enumerate().map(|(i, v)| change(i, *v)).collect();
        place.write(name, npz(&[("x", &[10, 4], x.clone()), ("y", &[10, 1], y)]))
    };
    let right = golden("right.npz", &|_, v| v);
    ok(&format!("verify {blob} --golden {right}"));
    for at in [0, 9] {
        for odd in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            // The other rows are right in one file and far off in the other.
            for off in [0.0, 5.0] {
                let golden = golden("odd.npz", &|i, v| if i == at { odd } else { v + off });
                fails(
                    &format!("verify {blob} --golden {golden} --tolerance 1e30"),
                    1,
                    &["`y` differs"],
                );
                let never = place.at("never.mmoe");
                fails(
                    &format!("convert {weights} --spec {spec} --golden {golden} -o {never}"),
                    1,
                    &["`y` differs", "nothing was written"],
                );
                assert!(!Path::new(&never).exists());
            }
        }
    }
    for tolerance in ["inf", "nan", "-1"] {
        let line = format!("verify {blob} --golden {right} --tolerance={tolerance}");
        fails(&line, 2, &["a tolerance is a number from 0 on"]);
    }
}

#[test]
fn bad_blobs_and_rows_are_named() {
    let place = Place::new();
    let blob = place.edge("f32");
    let mut bytes = std::fs::read(&blob).unwrap();
    let golden = fixture("pytorch-edge/golden.npz");
    let on = |bytes: &[u8], says: &[&str]| {
        fails(
            &format!("run {} --input {golden}", place.write("b.mmoe", bytes)),
            2,
            says,
        );
    };
    on(&bytes[..1000], &["the blob is cut", "b.mmoe"]);
    bytes[5000] ^= 1;
    on(&bytes, &["damaged", "checksum"]);
    on(b"", &["is empty"]);
    fails(
        &format!(
            "run {} --input {golden}",
            fixture("pytorch-edge/model.safetensors")
        ),
        2,
        &["is no blob", "mmoe convert"],
    );
    fails(
        &format!("run {} --input {golden}", place.0.path().display()),
        2,
        &["is a directory"],
    );
    let input = |file: String, says: &[&str]| {
        fails(&format!("run {blob} --input {file}"), 2, says);
    };
    input(
        place.write("x.npz", npz(&[("x", &[2, 3], vec![0.0; 6])])),
        &["[2, 3]", "64"],
    );
    input(
        place.write(
            "x.npz",
            npz(&[("a", &[1, 64], vec![0.0; 64]), ("b", &[1], vec![0.0])]),
        ),
        &["no array `x`", "`a`"],
    );
    input(
        place.write("x.npz", &npz(&[("x", &[1, 64], vec![0.0; 64])])[..100]),
        &["x.npz"],
    );
    input(place.write("x.npz", [0u8, 159, 146, 150]), &["no text"]);
    input(
        place.write("x.npz", npz(&[("x", &[0, 64], vec![])])),
        &["no rows"],
    );
    input(place.at("absent.npz"), &["cannot be read"]);
    fails(
        &format!("run {blob} --input {golden} -o {}", place.at("y.txt")),
        2,
        &[".npz or .csv"],
    );
    fails(
        &format!(
            "verify {blob} --golden {}",
            place.write("g.npz", npz(&[("x", &[1, 64], vec![0.0; 64])]))
        ),
        2,
        &["no array `y0`"],
    );
    let (code, err) = (run("convert").code, run("frobnicate").err);
    assert_eq!(code, 2);
    assert!(err.contains("frobnicate"));
    assert_eq!(run("--help").code, 0);
}

#[test]
fn a_place_that_cannot_be_written_stays_as_it_was() {
    let place = Place::new();
    let line = format!(
        "convert {} --spec {}",
        fixture("pytorch-edge/model.safetensors"),
        fixture("pytorch-edge/spec.toml")
    );
    fails(
        &format!("{line} -o {}", place.at("no/such/folder.mmoe")),
        2,
        &["cannot be written"],
    );
    fails(
        &format!("{line} -o {}", place.0.path().display()),
        2,
        &["is a directory"],
    );
    fails(&format!("{line} -o /dev/null"), 2, &["is no regular file"]);
    assert!(place.files().is_empty());
    let own = place.write("w", safetensors(&TENSORS, "F32", |_, _, v| v));
    fails(
        &format!("convert {own} -o {own}"),
        2,
        &["take the place of the weights"],
    );
    std::fs::remove_file(own).unwrap();
    // A limit on the size of files is a disk that is full after so many blocks.
    let old = place.write("old.mmoe", "what was there");
    let script = format!(
        "ulimit -f 16; trap '' XFSZ; exec {} {line} -o {old}",
        env!("CARGO_BIN_EXE_mmoe")
    );
    let done = Command::new("sh").args(["-c", &script]).output().unwrap();
    let err = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{err}");
    assert!(
        err.contains("cannot be written (nothing was left behind)"),
        "{err}"
    );
    assert_eq!(std::fs::read(&old).unwrap(), b"what was there");
    assert_eq!(place.files(), ["old.mmoe"]);
}
