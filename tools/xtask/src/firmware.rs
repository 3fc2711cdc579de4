//! Building images and running them.

use crate::blobs;
use crate::board::{Board, chosen};
use crate::shell::{output, workspace};
use anyhow::{Result, bail};
use std::fs;
use std::process::Command;

/// Builds and runs the self-test of every board, at both optimization levels.
pub(crate) fn run(board: Option<&str>) -> Result<()> {
    let boards = chosen(board)?;
    boards.iter().try_for_each(Board::require)?;
    for (name, made) in blobs::committed()? {
        let path = workspace(blobs::FOLDER).join(&name);
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
