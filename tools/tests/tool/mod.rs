//! Running the tool as a person would, and making files for it.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use npyz::WriterBuilder;
use serde_json::Value;
use tempfile::TempDir;
use testkit::Rng;

/// What a run of the tool left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn mmoe<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Done {
    let done = Command::new(env!("CARGO_BIN_EXE_mmoe"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
    Done {
        code: done.status.code().unwrap(),
        out: text(done.stdout),
        err: text(done.stderr),
    }
}

/// Splits a line at blanks.
pub(crate) fn run(line: &str) -> Done {
    mmoe(&line.split_whitespace().collect::<Vec<_>>())
}

#[track_caller]
pub(crate) fn ok(line: &str) -> String {
    let done = run(line);
    assert_eq!(
        (done.code, done.err.as_str()),
        (0, ""),
        "{line}\n{}",
        done.out
    );
    done.out
}

/// Fails with this code, on a screen that says all of these things.
#[track_caller]
pub(crate) fn fails(line: &str, code: i32, says: &[&str]) -> String {
    let done = run(line);
    assert_eq!(done.code, code, "{line}\n{}\n{}", done.out, done.err);
    assert!(
        done.err.starts_with("error: ") && done.err.lines().count() < 25,
        "{}",
        done.err
    );
    for word in says {
        assert!(
            done.err.contains(word),
            "`{word}` is missing from: {}",
            done.err
        );
    }
    done.err
}

pub(crate) fn fixture(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures")
        .join(path);
    path.canonicalize().unwrap().display().to_string()
}

/// A folder for one test's files.
pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
        self.at(name)
    }

    /// The names of all files in it.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// `pytorch-edge` as a blob.
    pub(crate) fn edge(&self, precision: &str) -> String {
        let blob = self.at(&format!("edge_{precision}.mmoe"));
        let (weights, spec) = (
            fixture("pytorch-edge/model.safetensors"),
            fixture("pytorch-edge/spec.toml"),
        );
        ok(&format!(
            "convert {weights} --spec {spec} --precision {precision} -o {blob}"
        ));
        blob
    }
}

pub(crate) fn npz(arrays: &[(&str, &[u64], Vec<f32>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, shape, data) in arrays {
        zip.start_file(
            format!("{name}.npy"),
            zip::write::SimpleFileOptions::default(),
        )
        .unwrap();
        let mut array = npyz::WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .writer(&mut zip)
            .begin_nd()
            .unwrap();
        array.extend(data.iter()).unwrap();
        array.finish().unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A safetensors file of tensors with small numbers, all of one element type.
pub(crate) fn safetensors(
    tensors: &[(&str, &[usize])],
    dtype: &str,
    change: impl Fn(&str, usize, f32) -> f32,
) -> Vec<u8> {
    let (mut header, mut data, mut rng) = (serde_json::Map::new(), Vec::new(), Rng::new(5));
    for (name, shape) in tensors {
        let start = data.len();
        for i in 0..shape.iter().product() {
            let v = change(name, i, rng.real());
            match dtype {
                "F16" => data.extend(half::f16::from_f32(v).to_le_bytes()),
                "BF16" => data.extend(half::bf16::from_f32(v).to_le_bytes()),
                "F64" => data.extend(f64::from(v).to_le_bytes()),
                _ => data.extend(v.to_le_bytes()),
            }
        }
        header.insert((*name).into(), serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

pub(crate) const TENSORS: [(&str, &[usize]); 10] = [
    ("experts.0.weight", &[4, 4]),
    ("experts.0.bias", &[4]),
    ("experts.1.weight", &[4, 4]),
    ("experts.1.bias", &[4]),
    ("gates.0.weight", &[2, 4]),
    ("gates.0.bias", &[2]),
    ("towers.0.0.weight", &[3, 4]),
    ("towers.0.0.bias", &[3]),
    ("towers.0.2.weight", &[1, 3]),
    ("towers.0.2.bias", &[1]),
];

pub(crate) const SPEC: &str = "name = \"small\"
layout = \"out_in\"
[experts]
count = 2
layers = [{ weight = \"experts.{expert}.weight\", bias = \"experts.{expert}.bias\", activation = \
                               \"relu\" }]
[gates]
layers = [{ weight = \"gates.{task}.weight\", bias = \"gates.{task}.bias\", activation = \
                               \"softmax\" }]
[towers]
layers = [
  { weight = \"towers.{task}.0.weight\", bias = \"towers.{task}.0.bias\", activation = \"relu\" },
  { weight = \"towers.{task}.2.weight\", bias = \"towers.{task}.2.bias\" },
]
[[tasks]]
name = \"y\"
activation = \"sigmoid\"
";
