//! `docs/self-test.md`: of each fixture, how many changed weights the self-test finds.

use crate::shell::workspace;
use anyhow::{Context, Result, bail};
use firmware_models::Rng;
use mmoe::SelfTestError;
use mmoe_tools::blob::file;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::graph::Graph;
use mmoe_tools::import;
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::self_test::{self, CheckError};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const ROWS: u8 = 4;
const CHANGES: usize = 1000;

const INTRODUCTION: &str = "# What a self-test finds

This page is for whoever decides whether a device should run the self-test at boot. It shows how many
faults the stored rows find, for each model that the tests have. `cargo xtask self-test` writes it; do
not edit it.

Each fixture is converted with `--self-test 4`. *Touched* is the share of weights that `convert`
prints: those that meet an input other than 0 in a unit from which a change goes on, through every
activation behind it, to an output. *Found* is how many of 1,000 seeded single-byte changes of the
weights, each with the checksum computed anew, make `self_test` fail. An intact blob passes.

A change is not found where it does not reach an output on any row: a weight behind a closed relu, a
last bit that rounding swallows, or in I8 a byte of a bias or multiplier too small to matter. The
checksum finds all of them. The self-test is for what a checksum cannot see: a kernel or a core that
computes wrongly.

| fixture | precision | touched | found of 1,000 |
|---|---|---|---|
";

/// Converts every fixture and writes the page.
pub(crate) fn run() -> Result<()> {
    let mut folders: Vec<String> = Vec::new();
    for entry in fs::read_dir(workspace("tests/fixtures"))? {
        let path = entry?.path();
        if path.join("golden.npz").exists() {
            folders.push(
                path.file_name()
                    .context("a name")?
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
    folders.sort();
    let mut text = INTRODUCTION.to_owned();
    for folder in folders {
        let path = workspace("tests/fixtures").join(&folder);
        let graph = graph(&path).with_context(|| folder.clone())?;
        for (name, precision) in [("F32", Precision::F32), ("I8", Precision::I8)] {
            let conversion = Conversion {
                calibration: Some(golden_rows(&graph, &path)?.into()),
                self_test: Some(ROWS),
                ..Conversion::new(precision)
            };
            let (touched, found) =
                found(&graph, &conversion).with_context(|| format!("{folder}, {name}"))?;
            writeln!(
                text,
                "| `{folder}` | {name} | {:.0} % | {found} |",
                100.0 * touched
            )?;
        }
    }
    fs::write(workspace("docs/self-test.md"), text).context("writing docs/self-test.md")
}

/// The fixture's model, by its own file, its spec, or the tasks of the recommenders.
fn graph(path: &Path) -> Result<Graph> {
    if let Some(keras) = ["model.keras", "model_keras3.keras"]
        .map(|f| path.join(f))
        .iter()
        .find(|f| f.exists())
    {
        return Ok(build(import::read(keras)?, None, Options::default())?.graph);
    }
    let spec = match fs::read_to_string(path.join("spec.toml")) {
        Ok(spec) => spec,
        Err(_) => {
            let census = path.ends_with("deepctr-torch-mmoe");
            let names = if census {
                ["income", "marital", "weeks"]
            } else {
                ["click", "like", "dwell"]
            };
            let task = |(name, kind): (&str, &str)| {
                format!("[[tasks]]\nname = \"{name}\"\nactivation = \"{kind}\"\n")
            };
            names
                .into_iter()
                .zip(["sigmoid", "sigmoid", "linear"])
                .map(task)
                .collect()
        }
    };
    Ok(build(
        import::read(&path.join("model.safetensors"))?,
        Some(&Spec::parse(&spec)?),
        Options::default(),
    )?
    .graph)
}

fn golden_rows(graph: &Graph, path: &Path) -> Result<Rows> {
    let golden = import::read(&path.join("golden.npz"))?;
    let x = golden.tensors.get("x").context("no x")?;
    Ok(Rows {
        data: x.data.clone(),
        width: graph.width(0),
    })
}

/// The share of weights touched, and how many of the changes are found.
fn found(graph: &Graph, conversion: &Conversion) -> Result<(f64, usize)> {
    let made = conversion.details(graph)?;
    let touched = made.coverage.context("no self-test")?;
    let (mut blob, weights) = (made.blob.bytes(), made.blob.weights);
    let check = |blob: &BlobBytes| -> Result<Result<u32, CheckError>> {
        Ok(self_test::check(&Runner::load(blob)?.model))
    };
    if check(&blob)? != Ok(u32::from(ROWS)) {
        bail!("an intact blob does not pass its own rows");
    }
    let (first, mut rng, mut found) = (blob.len() - weights.len(), Rng::new(1), 0);
    for _ in 0..CHANGES {
        let at = first + rng.next_u32() as usize % weights.len();
        let change = 1 + (rng.next_u32() % 255) as u8;
        blob[at] ^= change;
        file::seal(&mut blob);
        found += usize::from(matches!(
            check(&blob)?,
            Err(CheckError::Engine(SelfTestError::Row { .. }))
        ));
        blob[at] ^= change;
    }
    Ok((touched, found))
}
