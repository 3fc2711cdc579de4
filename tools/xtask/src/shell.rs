//! What every chore needs: where files are, running a command, reading the numbers it printed.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No command runs longer than this unless it hangs.
const LIMIT: Duration = Duration::from_secs(900);

/// Where a file of the workspace is.
pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Runs a command in a folder, and stops it where it hangs.
pub(crate) fn output(folder: &Path, command: &mut Command, what: &str) -> Result<String> {
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {what}"))?;
    let mut stdout = child.stdout.take().context("no output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill()?;
            bail!(
                "{what} still ran after {} seconds and was stopped",
                LIMIT.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = reader
        .join()
        .map_err(|_| anyhow::anyhow!("reading the output of {what}"))??;
    if !status.success() {
        bail!("{what} failed ({status}); it printed\n{text}");
    }
    Ok(text)
}

/// What the tool prints with these arguments, in the workspace's folder.
pub(crate) fn mmoe(args: &[&str]) -> Result<String> {
    let cargo = [
        "run",
        "--quiet",
        "--package",
        "mmoe-tools",
        "--bin",
        "mmoe",
        "--",
    ];
    output(
        &workspace("."),
        Command::new("cargo").args(cargo).args(args),
        "the tool",
    )
}

/// `key=number` pairs.
pub(crate) fn numbers(line: &str) -> BTreeMap<&str, u64> {
    line.split(' ')
        .filter_map(|w| {
            w.split_once('=')
                .and_then(|(k, v)| Some((k, v.parse().ok()?)))
        })
        .collect()
}
