//! The engine for JavaScript: the C interface as a WebAssembly module, with its wrapper in
//! `target/wasm-package`, and run in Node.

use crate::board::require_target;
use crate::c::{ROWS, SHOP, blobs, digests, shop_lines};
use crate::shell::{output, workspace};
use anyhow::{Context, Result, ensure};
use mmoe_tools::engine::{BlobBytes, Runner};
use std::fs;
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
/// What the module may have. It runs any blob: every family, precision and packing, and records.
const LIMIT: u64 = 105_000;

/// Builds the package and compares what it computes in Node with the engine on this host.
pub(crate) fn run() -> Result<()> {
    require_target(TARGET)?;
    ensure!(
        Command::new("node").arg("--version").output().is_ok(),
        "`node` is not installed. On Debian and Ubuntu: apt-get install --no-install-recommends nodejs"
    );
    let package = package()?;
    let blobs = blobs()?;
    let node = |what: &str| {
        let mut node = Command::new("node");
        node.arg(workspace("tools/wasm/test/digests.mjs"));
        node.arg(&package).arg(what);
        node
    };
    let printed = output(
        &package,
        node(&ROWS.to_string()).args(&blobs),
        "the package in Node",
    )?;
    ensure!(
        printed == digests(&blobs)?,
        "Node computes other digests than the engine:\n{printed}"
    );
    let shop = workspace(SHOP).canonicalize()?;
    let bytes = BlobBytes::read(&shop)?;
    let runner = Runner::load(&bytes)?;
    let front = runner.front().context("a blob without fields")?;
    let names: Vec<&str> = front.fields.iter().map(|f| f.name.as_str()).collect();
    let printed = output(
        &package,
        node("records").arg(&shop).args(&names),
        "records in Node",
    )?;
    let lines = shop_lines()?;
    let expected = lines
        .lines()
        .filter_map(|line| line.strip_prefix("MMOE_OK: all is well "));
    ensure!(
        printed.lines().eq(expected),
        "Node answers records with other outputs than the engine:\n{printed}"
    );
    println!(
        "Node: {} blobs of {ROWS} rows, mistakes and records: as the engine",
        blobs.len()
    );
    Ok(())
}

/// Builds what npm would publish.
fn package() -> Result<std::path::PathBuf> {
    let folder = workspace("target/wasm-package");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let target_dir = workspace("target/wasm");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["rustc", "--quiet", "--package", "mmoe-c", "--lib"])
        .args(["--crate-type", "cdylib", "--features", "standalone"])
        .args(["--release", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true");
    output(&workspace("."), &mut cargo, "building the module")?;
    let module = target_dir.join(TARGET).join("release/mmoe_c.wasm");
    let bytes = fs::copy(&module, folder.join("mmoe.wasm"))
        .with_context(|| format!("copying {}", module.display()))?;
    ensure!(
        bytes <= LIMIT,
        "the module has {bytes} bytes, more than the {LIMIT} that are allowed"
    );
    for file in ["index.js", "index.d.ts", "package.json", "README.md"] {
        fs::copy(workspace("tools/wasm").join(file), folder.join(file))
            .with_context(|| format!("copying {file}"))?;
    }
    println!(
        "{}: {bytes} bytes of WebAssembly for any blob",
        folder.display()
    );
    Ok(folder)
}
