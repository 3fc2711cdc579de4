//! `convert --like`: a model that is trained once more keeps its Rust type, or is refused by name.

mod tool;

use serde_json::Value;
use tool::{Place, SPEC, TENSORS, fails, fixture, ok, safetensors};

/// The trained weights of `pytorch-edge`, each changed: what another training may give.
fn trained_again(change: impl Fn(&str, usize, f32) -> f32) -> Vec<u8> {
    let mut file = std::fs::read(fixture("pytorch-edge/model.safetensors")).unwrap();
    let (length, rest) = file.split_first_chunk_mut::<8>().unwrap();
    let (header, data) = rest.split_at_mut(u64::from_le_bytes(*length) as usize);
    let header: serde_json::Map<String, Value> = serde_json::from_slice(header).unwrap();
    for (name, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        assert_eq!(tensor["dtype"], "F32");
        let at = |i: usize| tensor["data_offsets"][i].as_u64().unwrap() as usize;
        let (numbers, _) = data[at(0)..at(1)].as_chunks_mut::<4>();
        for (i, v) in numbers.iter_mut().enumerate() {
            *v = change(name, i, f32::from_le_bytes(*v)).to_le_bytes();
        }
    }
    file
}

/// Noise of a twentieth of each weight, and one gate weight so large that int8 leaves little of its
/// neighbours.
fn noisy(name: &str, i: usize, v: f32) -> f32 {
    match (name, i) {
        ("gates.0.weight", 0) => 4.0,
        _ => v * (1.0 + 0.05 * (i as f32 * 12.9898).sin()),
    }
}

/// The source of a blob's type, without the line that names its checksum.
fn source(blob: &str) -> Vec<String> {
    let source = ok(&format!("codegen {blob} --no-blob"));
    let (checksum, rest): (Vec<_>, Vec<_>) =
        (source.lines().map(str::to_owned)).partition(|l| l.contains("checksum"));
    assert_eq!(checksum.len(), 1, "{source}");
    rest
}

#[test]
fn a_model_trained_again_keeps_its_type() {
    let place = Place::new();
    let spec = fixture("pytorch-edge/spec.toml");
    let calibration = fixture("pytorch-edge/calibration.npz");
    let (old, new) = (place.at("old.mmoe"), place.at("new.mmoe"));
    let weights = fixture("pytorch-edge/model.safetensors");
    let again = place.write("again.safetensors", trained_again(noisy));
    for options in [
        "",
        "--precision w8",
        "--precision w8 --narrow-heads",
        "--precision i8 --packing pairs",
        "--precision i8 --narrow-heads --packing quad",
        "--precision i8 --keep-wide expert2.1",
    ] {
        let rows = if options.contains("i8") {
            format!("--calibration {calibration}")
        } else {
            String::new()
        };
        ok(&format!(
            "convert {weights} --spec {spec} {options} {rows} -o {old}"
        ));
        let line = format!("convert {again} --spec {spec} {rows} -o {new}");
        let report = ok(&format!("{line} --like {old}"));
        assert!(report.contains("the same Rust type"), "{report}");
        assert_eq!(source(&old), source(&new), "{options}");
        assert_ne!(std::fs::read(&old).unwrap(), std::fs::read(&new).unwrap());
        if rows.is_empty() {
            continue;
        }
        // What int8 costs is said, and without `--like` it would have been avoided.
        assert!(
            report.contains("`gate0.0` keeps its int8 weights"),
            "{report}"
        );
        ok(&format!("{line} {options}"));
        assert_ne!(source(&old), source(&new), "{options}");
    }
    // The blob may take the place of the one that it is like.
    ok(&format!(
        "convert {again} --spec {spec} --calibration {calibration} --like {old} -o {old}"
    ));
}

#[test]
fn a_layer_that_cannot_stay_narrow_is_refused() {
    let place = Place::new();
    let spec = fixture("pytorch-edge/spec.toml");
    let calibration = fixture("pytorch-edge/calibration.npz");
    let (old, new) = (place.at("old.mmoe"), place.at("new.mmoe"));
    let with = format!("--spec {spec} --calibration {calibration}");
    ok(&format!(
        "convert {} {with} --precision i8 -o {old}",
        fixture("pytorch-edge/model.safetensors")
    ));
    let again = place.write(
        "again.safetensors",
        trained_again(|name, _, v| if name == "gates.0.bias" { 40_000.0 } else { v }),
    );
    fails(
        &format!("convert {again} {with} --like {old} -o {new}"),
        2,
        &[
            "`gate0.0` has int8 weights in the earlier blob and cannot have them now",
            "a logit could pass 32768",
        ],
    );
    assert_eq!(place.files(), ["again.safetensors", "old.mmoe"]);
}

#[test]
fn every_difference_is_a_line() {
    let place = Place::new();
    let (old, new) = (place.at("old.mmoe"), place.at("new.mmoe"));
    let small = place.write("small", safetensors(&TENSORS, "F32", |_, _, v| v));
    let spec = place.write("s.toml", SPEC);
    ok(&format!("convert {small} --spec {spec} -o {old}"));

    // A tower's layer is wider, and so is what reads it.
    let wider = TENSORS.map(|(name, shape)| match name {
        "towers.0.0.weight" => (name, &[5, 4][..]),
        "towers.0.0.bias" => (name, &[5][..]),
        "towers.0.2.weight" => (name, &[1, 5][..]),
        _ => (name, shape),
    });
    let wider = place.write("wider", safetensors(&wider, "F32", |_, _, v| v));
    let refused = |weights: &str, spec: &str| -> Vec<String> {
        let line = format!("convert {weights} --spec {spec} --like {old} -o {new}");
        let text = fails(
            &line,
            2,
            &["old.mmoe: the new model has another Rust type:"],
        );
        assert!(!place.files().contains(&"new.mmoe".into()));
        let lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        let (last, lines) = lines.split_last().unwrap();
        assert_eq!(last, "nothing was written");
        lines.to_vec()
    };
    assert_eq!(
        refused(&wider, &spec),
        [
            "tower 0, layer 0: 4→3 in the earlier blob, 4→5 now",
            "tower 0, layer 1: 3→1 in the earlier blob, 5→1 now",
        ]
    );

    // Another activation, another kind of gate, another name and another output.
    let other = SPEC
        .replacen("\"relu\"", "\"tanh\"", 1)
        .replace("\"softmax\"", "\"sigmoid\"")
        .replace(
            "name = \"y\"\nactivation = \"sigmoid\"",
            "name = \"z\"\nactivation = \"linear\"",
        );
    assert_eq!(
        refused(&small, &place.write("o.toml", other)),
        [
            "expert 0, layer 0: 4→4 F32 dense relu in the earlier blob, 4→4 F32 dense tanh now",
            "expert 1, layer 0: 4→4 F32 dense relu in the earlier blob, 4→4 F32 dense tanh now",
            "gate 0, kind: softmax in the earlier blob, sigmoid now",
            "task 0: `y` in the earlier blob, `z` now",
            "task 0: sigmoid of value 4, width 1 in the earlier blob, linear of value 4, width 1 now",
        ]
    );

    // One expert more.
    let mut tensors = TENSORS.to_vec();
    tensors.retain(|(name, _)| !name.starts_with("gates.0.weight") && *name != "gates.0.bias");
    tensors.extend([
        ("experts.2.weight", &[4, 4][..]),
        ("experts.2.bias", &[4]),
        ("gates.0.weight", &[3, 4]),
        ("gates.0.bias", &[3]),
    ]);
    let more = place.write("more", safetensors(&tensors, "F32", |_, _, v| v));
    let three = place.write("t.toml", SPEC.replace("count = 2", "count = 3"));
    assert_eq!(
        refused(&more, &three),
        [
            "gate 0, layer 0: 4→2 in the earlier blob, 4→3 now",
            "expert 2: only in the new model",
            "task 0: sigmoid of value 4, width 1 in the earlier blob, sigmoid of value 5, width 1 now",
        ]
    );
}

#[test]
fn what_the_earlier_blob_says_is_not_said_twice() {
    let place = Place::new();
    let old = place.edge("w8");
    let line = format!(
        "convert {} --spec {} --like {old} -o {}",
        fixture("pytorch-edge/model.safetensors"),
        fixture("pytorch-edge/spec.toml"),
        place.at("new.mmoe")
    );
    for option in [
        "--precision w8",
        "--narrow-heads",
        "--keep-wide expert0",
        "--max-loss 0.1",
        "--packing quad",
        "--core m4f",
    ] {
        let name = option.split(' ').next().unwrap();
        fails(&format!("{line} {option}"), 2, &["--like", name]);
    }
    let rows = fixture("pytorch-edge/calibration.npz");
    fails(
        &format!("{line} --calibration {rows}"),
        2,
        &["--calibration", "W8"],
    );
}
