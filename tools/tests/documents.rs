//! What the documents show is what the tool prints: every `console` block is run, every command
//! line of a shell block stands in `.ci/run`.
//!
//! A `console` block is lines `$ mmoe …` (a `\` at the end goes on), each with its output; a line
//! `…` stands for the rest of it. A `toml` block whose first line is `# NAME.toml` is written to
//! that file first. The blocks of one document run in one empty folder that has the repository's
//! `tests`.
//!
//! The README's program is the one of `examples/firmware/minimal`, and the README's commands make
//! the blobs and types that stand there and in `examples/firmware/records`. Those of
//! `examples/firmware/uart` are the tool's too.
//!
//! `BLESS=1 cargo test -p mmoe-tools --test documents` writes the outputs anew, and
//! those blobs and types.

// The folder of a document gets a link to the repository's `tests`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The type of the minimal firmware example.
#[rustfmt::skip]
#[path = "../../examples/firmware/minimal/src/edge.rs"]
mod edge;

const DOCUMENTS: [&str; 8] = [
    "README.md",
    "docs/boards.md",
    "docs/device.md",
    "docs/frameworks.md",
    "docs/family.md",
    "docs/spec.md",
    "docs/features.md",
    "examples/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A part of a document.
struct Block<'t> {
    /// What stands behind the opening fence; `None` for what is between blocks.
    language: Option<&'t str>,
    lines: Vec<&'t str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = vec![Block {
        language: None,
        lines: Vec::new(),
    }];
    for line in text.lines() {
        let open = blocks.last().unwrap().language.is_some();
        match line.strip_prefix("```") {
            Some("") if open => blocks.push(Block {
                language: None,
                lines: Vec::new(),
            }),
            Some(language) if !open => blocks.push(Block {
                language: Some(language),
                lines: Vec::new(),
            }),
            _ => blocks.last_mut().unwrap().lines.push(line),
        }
    }
    blocks
}

/// What a command prints on either stream.
fn output(folder: &Path, command: &str) -> String {
    let words = shlex::split(command).unwrap_or_else(|| panic!("quotes of: {command}"));
    let [tool, arguments @ ..] = words.as_slice() else {
        panic!("an empty command")
    };
    assert_eq!(tool, "mmoe", "a console block runs the tool: {command}");
    let out = Command::new(env!("CARGO_BIN_EXE_mmoe"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    String::from_utf8([out.stdout, out.stderr].concat()).unwrap()
}

/// The block as the tool fills it.
fn run(folder: &Path, lines: &[&str]) -> Vec<String> {
    let mut lines = lines.iter().peekable();
    let mut out = Vec::new();
    while let Some(first) = lines.next() {
        let mut command = first
            .strip_prefix("$ ")
            .unwrap_or_else(|| panic!("no command: {first}"))
            .to_owned();
        out.push((*first).to_owned());
        while command.ends_with('\\') {
            command.pop();
            let more = lines.next().unwrap();
            command += more;
            out.push((*more).to_owned());
        }
        let mut shown = Vec::new();
        while let Some(line) = lines.next_if(|l| !l.starts_with("$ ")) {
            shown.push(*line);
        }
        let printed = output(folder, &command);
        let printed = printed.trim_end().lines().map(|l| l.trim_end().to_owned());
        if shown.last() == Some(&"…") {
            out.extend(printed.take(shown.len() - 1).chain(["…".to_owned()]));
        } else {
            out.extend(printed);
        }
    }
    out
}

#[test]
fn what_the_documents_show_is_what_the_tool_prints() {
    let root = root();
    let bless = std::env::var_os("BLESS").is_some();
    let mut ran = 0;
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root.join("tests"), folder.path().join("tests")).unwrap();
        let mut after = String::new();
        for block in blocks(&text) {
            let mut lines: Vec<String> = block.lines.iter().map(|l| (*l).to_owned()).collect();
            if block.language == Some("toml")
                && let Some(name) = block
                    .lines
                    .first()
                    .and_then(|l| l.strip_prefix("# "))
                    .filter(|n| n.ends_with(".toml"))
            {
                std::fs::write(folder.path().join(name), block.lines.join("\n")).unwrap();
            }
            if block.language == Some("console") {
                lines = run(folder.path(), &block.lines);
                ran += 1;
                let shown = block.lines.join("\n");
                assert!(
                    bless || lines.join("\n") == shown,
                    "{document} shows\n{shown}\n\nbut it is\n{}",
                    lines.join("\n")
                );
            }
            if let Some(language) = block.language {
                after += &format!("```{language}\n");
            }
            lines.iter().for_each(|l| after += &format!("{l}\n"));
            if block.language.is_some() {
                after += "```\n";
            }
        }
        if bless {
            std::fs::write(root.join(document), after).unwrap();
        }
    }
    assert!(ran >= 8, "only {ran} blocks");
}

/// What the README's commands write is what the firmware examples include.
#[test]
fn the_readme_makes_the_examples() {
    let root = root();
    let text = std::fs::read_to_string(root.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root.join("tests"), folder.path().join("tests")).unwrap();
    for block in blocks(&text)
        .iter()
        .filter(|b| b.language == Some("console"))
    {
        run(folder.path(), &block.lines);
    }
    for (example, name) in [
        ("minimal", "edge.mmoe"),
        ("minimal", "edge.rs"),
        ("records", "shop.mmoe"),
        ("records", "shop.rs"),
    ] {
        let made = std::fs::read(folder.path().join(name)).unwrap();
        stands(&format!("examples/firmware/{example}/src/{name}"), &made);
    }
}

/// The UART example starts with a blob of the test firmware, and has the type of that.
#[test]
fn the_uart_example_has_its_blob_and_type() {
    let blob = std::fs::read(root().join("tests/firmware/models/blobs/small.i8.mmoe")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.mmoe"), &blob).unwrap();
    output(folder.path(), "mmoe codegen small.mmoe -o small.rs");
    let source = std::fs::read(folder.path().join("small.rs")).unwrap();
    stands("examples/firmware/uart/src/small.mmoe", &blob);
    stands("examples/firmware/uart/src/small.rs", &source);
}

/// The ranking example's blob and type are what its `feed.toml` says how to make.
#[test]
fn the_ranking_example_has_its_blob_and_type() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::os::unix::fs::symlink(root().join("tests"), at.join("tests")).unwrap();
    let spec = std::fs::read(root().join("examples/firmware/rank/feed.toml")).unwrap();
    std::fs::write(at.join("feed.toml"), spec).unwrap();
    let fixture = "tests/fixtures/torcheasyrec-mmoe";
    output(
        at,
        &format!(
            "mmoe convert {fixture}/model.safetensors --features {fixture}/pipeline.config --spec feed.toml \
             --golden {fixture}/rows.csv --calibration {fixture}/rows.csv --precision i8 -o feed.mmoe"
        ),
    );
    output(at, "mmoe codegen feed.mmoe -o feed.rs");
    for name in ["feed.mmoe", "feed.rs"] {
        let made = std::fs::read(at.join(name)).unwrap();
        stands(&format!("examples/firmware/rank/src/{name}"), &made);
    }
}

/// Fails where a file of the repository is not what was made; `BLESS=1` writes it.
fn stands(file: &str, made: &[u8]) {
    let path = root().join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    assert!(
        std::fs::read(&path).is_ok_and(|stored| stored == made),
        "{file} is not what the tool makes: if a change meant that, write it with BLESS=1"
    );
}

/// The README's first Rust block is the firmware example's program, its second one an excerpt of
/// the type that the program uses.
#[test]
fn the_readme_shows_the_examples() {
    let root = root();
    let text = std::fs::read_to_string(root.join("README.md")).unwrap();
    let source =
        |name: &str| std::fs::read_to_string(root.join("examples/firmware").join(name)).unwrap();
    let blocks = blocks(&text);
    let shown: Vec<&Block<'_>> = blocks
        .iter()
        .filter(|b| b.language.is_some_and(|l| l.starts_with("rust")))
        .collect();
    let [program, types, record] = shown.as_slice() else {
        panic!("the README has {} Rust blocks", shown.len())
    };
    let whole = source("minimal/src/main.rs");
    assert_eq!(program.lines, whole.lines().collect::<Vec<_>>());
    for (excerpt, file) in [
        (types, "minimal/src/edge.rs"),
        (record, "records/src/shop.rs"),
    ] {
        let written = source(file);
        let mut written = written.lines();
        for line in &excerpt.lines {
            assert!(
                written.any(|l| l == *line),
                "{file} does not have, or not in this order: {line}"
            );
        }
    }
}

/// The README's type takes the README's blob, and the model is the one that PyTorch trained.
#[test]
fn the_readme_s_type_fits_its_blob() {
    let model = edge::load().unwrap();
    let blob = mmoe::Blob::open(edge::BLOB).unwrap();
    assert_eq!(model.self_test(&blob), Ok(4));
    let golden = mmoe_tools::import::read(&root().join("tests/fixtures/pytorch-edge/golden.npz"));
    let golden = golden.unwrap().tensors;
    for (row, x) in golden["x"]
        .data
        .as_chunks::<{ edge::INPUTS }>()
        .0
        .iter()
        .enumerate()
    {
        let y = model.predict(x);
        for (name, ours) in [("y0", y.y0), ("y1", y.y1), ("y2", y.y2)] {
            let theirs = golden[name].data[row];
            // Integers; an output of another task is several times as far away.
            assert!(
                (ours - theirs).abs() < 0.1,
                "row {row}, {name}: {ours}, PyTorch {theirs}"
            );
        }
    }
}

#[test]
fn the_gate_runs_the_commands_of_shell_blocks() {
    let gate = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let mut found = 0;
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        for block in blocks(&text).iter().filter(|b| b.language == Some("sh")) {
            for line in &block.lines {
                let command = line.split('#').next().unwrap().trim();
                assert!(
                    command.is_empty() || gate.contains(command),
                    "{document}: `.ci/run` does not run: {command}"
                );
                found += 1;
            }
        }
    }
    assert!(found >= 3, "only {found} commands");
}

/// The measured table has every activation function, and in integers what is one table costs alike.
#[test]
fn every_activation_function_has_its_measured_cost() {
    let text = std::fs::read_to_string(root().join("docs/measurements.md")).unwrap();
    let (_, section) = text
        .split_once("\n## Activation functions and normalizations\n")
        .expect("`cargo xtask activations` writes this section");
    let section = section.split("\n## ").next().unwrap();
    let costs = |name: &str| -> Vec<f64> {
        let start = format!("| {name} |");
        let row = section.lines().find_map(|l| l.strip_prefix(&start));
        let row = row.unwrap_or_else(|| panic!("no row of {name}: run `cargo xtask activations`"));
        let cells = row.split('|').map(str::trim).filter(|c| !c.is_empty());
        cells.map(|c| c.parse().unwrap()).collect()
    };
    let gelu = costs("gelu");
    assert_eq!(gelu.len(), 4, "two cores, each in floats and in integers");
    for kind in mmoe::blob::ActivationKind::ALL {
        let found = costs(kind.name());
        assert_eq!(found.len(), 4, "{}", kind.name());
        for integer in [1, 3] {
            let apart = (found[integer] - gelu[integer]).abs();
            assert!(kind.curve().is_none() || apart <= 0.2, "{}", kind.name());
        }
    }
}
