//! The firmware example of records: rows of raw fields go over its UART, and it must answer what
//! `mmoe run` prints for the same file.

use crate::board::{BOARDS, require_target};
use crate::shell::{answers, mmoe, workspace};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::process::Command;

const FOLDER: &str = "examples/firmware/records";
const BLOB: &str = "examples/firmware/records/src/shop.mmoe";
const ROWS: &str = "tests/fixtures/keras-records/rows.csv";
/// Rows that are sent; the micro:bit's UART is emulated byte by byte.
const SENT: usize = 200;

/// Runs the example on both boards.
pub(crate) fn run() -> Result<()> {
    let (lines, expected) = (lines()?, host()?);
    let file = workspace("target").join("records.txt");
    fs::write(&file, lines).with_context(|| format!("writing {}", file.display()))?;
    for name in ["m4f", "microbit"] {
        let board = BOARDS.iter().find(|board| board.name == name);
        let board = board.context("no such board")?;
        board.require()?;
        require_target(board.target)?;
        let printed = answers(
            &workspace(FOLDER),
            Command::new("cargo")
                .args(["run", "--release", "--quiet", "--locked", "--target"])
                .arg(board.target)
                .stdin(File::open(&file)?),
            "the example of records",
        )?;
        for (i, (here, there)) in expected.lines().zip(printed.lines()).enumerate() {
            ensure!(
                here == there,
                "row {i}: {name} answers `{there}`, the host `{here}`"
            );
        }
        ensure!(
            printed.lines().count() == SENT,
            "{name} answered {} of {SENT} rows",
            printed.lines().count()
        );
        println!("{name}: {SENT} records answered as by `mmoe run`, to the last digit");
    }
    Ok(())
}

/// The rows as the example wants them: fields by name, those that are empty left out.
fn lines() -> Result<String> {
    let mut rows = csv::Reader::from_path(workspace(ROWS))?;
    let names = rows.headers()?.clone();
    let mut text = String::new();
    for row in rows.records().take(SENT) {
        let row = row?;
        let cells = names.iter().zip(&row);
        // `p_…` are the framework's outputs.
        let fields: Vec<String> = cells
            .filter(|(name, value)| !value.is_empty() && !name.starts_with("p_"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        text += &fields.join(";");
        text += "\n";
    }
    Ok(text + "quit\n")
}

/// What the example should answer, made of what `mmoe run` prints.
fn host() -> Result<String> {
    let printed = mmoe(&["run", BLOB, "--output", "-", "--input", ROWS])?;
    let mut lines = printed.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let answers = lines.take(SENT).map(|line| {
        let cells = names.iter().zip(line.split(','));
        let cells: Vec<String> = cells
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        cells.join(", ") + "\n"
    });
    Ok(answers.collect())
}
