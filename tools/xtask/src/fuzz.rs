//! The fuzz targets, run for a while each.

use crate::shell::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The targets of `tools/fuzz`, and how many bytes of an input come before the blob in it.
const TARGETS: [(&str, usize); 2] = [("blob", 1), ("store", 3)];

/// Runs every target for so many seconds, from seeds that are the fixtures' blobs. Needs `cargo-fuzz`
/// and a nightly compiler. A find is left in `tools/fuzz/artifacts` and ends the run.
pub(crate) fn run(seconds: u64) -> Result<()> {
    for (target, before) in TARGETS {
        let corpus = workspace("tools/fuzz/corpus").join(target);
        seed(&corpus, before)?;
        let status = Command::new("cargo")
            .current_dir(workspace("tools"))
            .args([
                "+nightly",
                "fuzz",
                "run",
                target,
                "--fuzz-dir",
                "fuzz",
                "--",
            ])
            .arg(format!("-max_total_time={seconds}"))
            .args([
                "-max_len=40000",
                "-print_final_stats=1",
                "-rss_limit_mb=1024",
            ])
            .status()
            .context("starting cargo fuzz: `cargo install cargo-fuzz` and nightly are needed")?;
        if !status.success() {
            bail!("{target}: the fuzzer found something, or could not be built");
        }
    }
    Ok(())
}

/// Puts the fixtures' small blobs into a corpus, each behind the bytes that say what is done with it.
fn seed(corpus: &Path, before: usize) -> Result<()> {
    fs::create_dir_all(corpus)?;
    for entry in fs::read_dir(workspace("tests/firmware/models/blobs"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_owned();
        if path.extension().is_some_and(|e| e == "mmoe") {
            let bytes = fs::read(&path)?;
            if bytes.len() < 40_000 {
                fs::write(corpus.join(name), [&vec![0; before][..], &bytes].concat())?;
            }
        }
    }
    Ok(())
}
