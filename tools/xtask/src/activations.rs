//! The section of `docs/measurements.md` on what activation functions and normalizations cost.

use crate::board::chosen;
use crate::firmware::image;
use crate::shell::{numbers, workspace};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

/// The boards that have the image: one without and one with a floating-point unit.
const BOARDS: [&str; 2] = ["m0", "m4f"];
const TITLE: &str = "\n## Activation functions and normalizations\n";
const INTRODUCTION: &str = "
Instructions for one unit of 64, at opt-level 3, without the layer before it; `cargo xtask activations` writes this section alone. \
F32 is W8 too, whose activations are
the same. A relu behind an I8 layer costs nothing, since the layer's result is bounded as it saturates. In I8 the functions from \
*gelu* to *square* are one table, and
so cost the same. In floats the work depends on the value (shown is the mean of 64 from −2 to 2), in integers it does not.

";

/// Measures, and puts the section before that of flash, in place of the old one.
pub(crate) fn run() -> Result<()> {
    let path = workspace("docs/measurements.md");
    let text = fs::read_to_string(&path)?;
    let section = section()?;
    let (before, rest) = text
        .split_once("\n## Flash\n")
        .context("no section on flash")?;
    let before = before
        .split_once(TITLE)
        .map_or(before, |(before, _)| before);
    fs::write(path, format!("{before}{section}\n## Flash\n{rest}"))
        .context("writing docs/measurements.md")
}

/// Measures, and writes the section.
pub(crate) fn section() -> Result<String> {
    let mut names: Vec<String> = Vec::new();
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut columns: Vec<String> = Vec::new();
    for name in BOARDS {
        let board = *chosen(Some(name))?.first().context("a board")?;
        board.require()?;
        let bin = format!("{name}-activations");
        let said = image(&board, &["--profile", "release", "--bin", &bin])?;
        for line in said.lines().filter_map(|l| l.strip_prefix("activation ")) {
            let (precision, rest) = line.split_once(' ').context("a precision")?;
            let (tenths, function) = rest.split_once(' ').context("a function")?;
            let tenths = *numbers(tenths).get("tenths").context("no `tenths`")?;
            let column = format!("{}, {precision}", board.core);
            let function = function.to_owned();
            if !names.contains(&function) {
                names.push(function.clone());
            }
            if !columns.contains(&column) {
                columns.push(column.clone());
            }
            found.insert((column, function), tenths);
        }
    }
    ensure!(!names.is_empty(), "the images measured nothing");
    let mut text = format!("{TITLE}{INTRODUCTION}| function |");
    for column in &columns {
        write!(text, " {column} |")?;
    }
    text += "\n|---|";
    text += &"---|".repeat(columns.len());
    for name in names {
        write!(text, "\n| {name} |")?;
        for column in &columns {
            let tenths = *found
                .get(&(column.clone(), name.clone()))
                .with_context(|| format!("{column} did not measure {name}"))?;
            write!(text, " {}.{} |", tenths / 10, tenths % 10)?;
        }
    }
    text.push('\n');
    Ok(text)
}
