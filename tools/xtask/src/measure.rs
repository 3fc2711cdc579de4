//! `docs/measurements.md`: run every measuring image, link every bare one, write what came out.

use crate::bare::{PROFILES, SIZED, compiler, sizes};
use crate::blobs::{self, workspace};
use crate::board::{BOARDS, Board};
use crate::firmware::{image, output};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// Multiply-accumulates of one inference, mixing included.
fn macs(model: &str) -> Result<u64> {
    Ok(match model {
        "census" => 24_112,
        "edge" => 27_312,
        "recsys" => 8 * 1600 + 2 * 800 + 2 * 8 * 16 + 2 * (128 + 8),
        "autoencoder" => 264_192,
        _ => anyhow::bail!("unknown model {model}"),
    })
}

const INTRODUCTION: &str = "# Measurements

Written by `cargo xtask measure`; do not edit.

Models: *census* 499 inputs, 8 experts 499→4, 2 gates, towers 4→8→2 (24,112 multiply-accumulates with the mixing); *edge* 64 inputs, 4 experts
64→64→32, 3 gates, towers 32→16→1 (27,312); *recsys* 100 inputs, 8 experts 100→16, 2 gates, towers 16→8→1; *autoencoder*
640→128×4→8→128×4→640 (264,192). Edge and recsys are trained, census and the autoencoder have seeded weights: the work does not depend on them.
`I8-quad` is `I8` in the packing `quad`.

Method: QEMU with `-icount shift=0` executes one instruction a nanosecond, and SysTick counts the time (`minstret` on RISC-V). Each figure is
the mean of 64 calls (of 4 where one takes over 3 million instructions), less the calls' own; every run first counts two loops of known length and
fails where that is not exact. These are instructions, not cycles. Peak stack is found by painting, and counts from the caller of the function on.
`predict` takes f32 features; `predict_q` takes a model's own activations, in I8 integers, and runs no float instruction.
Static RAM of the engine is 0 bytes in every image (the size check fails otherwise).
";

/// Measures all boards and writes the document.
pub(crate) fn run() -> Result<()> {
    let boards: Vec<Board> = BOARDS.iter().filter(|b| b.measures).copied().collect();
    boards.iter().try_for_each(Board::require)?;
    blobs::make()?;
    let mut text = INTRODUCTION.to_owned();
    let version = output(&workspace("."), Command::new(boards[0].qemu.0).arg("--version"), "QEMU")?;
    writeln!(text, "\nBuilt with {}; {}.", compiler()?, version.lines().next().unwrap_or("QEMU"))?;
    for board in &boards {
        for (profile, level) in PROFILES {
            eprintln!("{} at {profile}", board.name);
            let said = image(board, &["--profile", profile, "--features", "measure", "--bin", &format!("{}-measure", board.name)])?;
            section(&mut text, board, level, &said)?;
        }
    }
    text += "\n## Flash\n\nBytes of a bare image that only loads (checks, checksum, comparison with the type), and what prediction adds; weights not included.\n\n";
    text += "| core | opt-level | image | loading | inference |\n|---|---|---|---|---|\n";
    for board in &boards {
        for (profile, level) in PROFILES {
            for bin in SIZED {
                let (load, infer) = sizes(board, profile, bin)?;
                writeln!(text, "| {} | {level} | {bin} | {load} | {infer} |", board.core)?;
            }
        }
    }
    fs::write(workspace("docs/measurements.md"), text).context("writing docs/measurements.md")
}

/// One board at one level.
fn section(text: &mut String, board: &Board, level: &str, said: &str) -> Result<()> {
    let flags = board.cpu.map(|c| format!(", `-C target-cpu={c}`")).unwrap_or_default();
    writeln!(text, "\n## {}, opt-level {level} (`{}`{flags})\n", board.core, board.target)?;
    text.push_str(
        "| model | precision | `predict` | `predict_q` | per MAC | stack of `predict`, `predict_q`, `load` | `SCRATCH` | `load` |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    let mut remarks = String::new();
    for line in said.lines() {
        let Some(rest) = line.strip_prefix("measured ") else {
            if line.contains("instructions count as") || line.contains(" inferences take ") || line.starts_with("plain ") {
                writeln!(remarks, "- {line}")?;
            }
            continue;
        };
        let mut words = rest.split(' ');
        let (model, precision) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let values: Vec<(&str, u64)> = words.filter_map(|w| w.split_once('=').and_then(|(k, v)| Some((k, v.parse().ok()?)))).collect();
        let value = |key: &str| values.iter().find(|(k, _)| *k == key).map(|(_, v)| *v).with_context(|| format!("no `{key}` in: {line}"));
        let per_mac = value("predict_q")? as f64 / macs(model)? as f64;
        let n = |key: &str| value(key).map(grouped);
        writeln!(
            text,
            "| {model} | {precision} | {} | {} | {per_mac:.2} | {}, {}, {} | {} | {} |",
            n("predict")?,
            n("predict_q")?,
            n("stack")?,
            n("stack_q")?,
            n("stack_load")?,
            n("scratch")?,
            n("load")?
        )?;
    }
    write!(text, "\n{remarks}")?;
    Ok(())
}

/// With commas.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}
