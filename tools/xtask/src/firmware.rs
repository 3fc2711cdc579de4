//! Building images and running them.

use crate::blobs;
use crate::board::{Board, chosen};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No image runs longer than this unless it hangs.
const LIMIT: Duration = Duration::from_secs(900);

/// Builds and runs the self-test of every board, at both optimization levels.
pub(crate) fn run(board: Option<&str>) -> Result<()> {
    let boards = chosen(board)?;
    boards.iter().try_for_each(Board::require)?;
    for (name, made) in blobs::committed()? {
        let path = blobs::workspace("tests/firmware/models/blobs").join(&name);
        if fs::read(&path).ok() != Some(made) {
            bail!(
                "{name} is not what this host computes: if a change meant that, run `cargo xtask \
                 blobs` and commit the files"
            );
        }
    }
    for board in boards {
        for profile in ["release", "size"] {
            println!("== {} at {profile}", board.name);
            print!("{}", image(&board, &["--profile", profile])?);
        }
    }
    Ok(())
}

/// Runs an image of the board, `cargo run` with these arguments; gives what it printed.
pub(crate) fn image(board: &Board, args: &[&str]) -> Result<String> {
    output(
        &board.folder(),
        Command::new("cargo")
            .args(["run", "--quiet", "--locked"])
            .args(args),
        board.name,
    )
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
