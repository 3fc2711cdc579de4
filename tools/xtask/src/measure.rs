//! `docs/measurements.md` and `tools/src/cost/cores.json`: run every measuring image, link every bare
//! one, write what came out.

use crate::bare::{self, PROFILES, SIZED, compiler};
use crate::blobs;
use crate::board::{Board, chosen};
use crate::firmware::image;
use crate::peers;
use crate::ranking;
use crate::shell::{numbers, output, workspace};
use anyhow::{Context, Result, ensure};
use mmoe::blob::Blob;
use mmoe_tools::cost::Work;
use mmoe_tools::cost::cores::{Code, Inference, Measurements};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::text::grouped;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const INTRODUCTION: &str = "# Measurements

This page is for whoever chooses a core or a precision, and wants to know what a model costs there. `cargo xtask measure`
writes it, and with it `tools/src/cost/cores.json`, from which `mmoe inspect --core` estimates; do not edit either.

Models: *small* 16 inputs, 3 experts 16→8, towers 8→4→1; *recsys* 100 inputs, 8 experts 100→16, \
                            towers 16→8→1; *census* 499 inputs, 8 experts
499→4, towers 4→8→2; *edge* 64 inputs, 4 experts 64→64→32, 3 gates, towers 32→16→1; *deep* 100 \
                            inputs, 8 experts 100→64→32, towers 32→16→1;
*autoencoder* 640→128×4→8→128×4→640; *recsys-wide* as recsys with 16-bit weights in its experts. \
                            Two gates where nothing is said. Edge and recsys are trained, the
others have seeded weights: the work does not depend on them. `I8-quad` and `I8-pairs` \
                            are `I8` in the packings `quad` and `pairs`.

Method: QEMU with `-icount shift=0` executes one instruction a nanosecond, and SysTick counts the \
                            time (`minstret` on RISC-V). Each figure is
the mean of 64 calls (of 4 where one takes over 3 million instructions), less the calls' own; \
                            every run first counts two loops of known length and
fails where that is not exact. These are instructions, not cycles. Peak stack is found by \
                            painting, and counts from the caller of the function on.
`predict` takes f32 features; `predict_q` takes a model's own activations, in I8 integers, and \
                            runs no float instruction.
Over 100 random inputs `predict_q` of census, edge and recsys in I8 takes the same number of \
                            instructions (each run checks that and fails otherwise).
Static RAM of the engine is 0 bytes in every image (the size check fails otherwise).
";

/// Measures all boards and writes both files.
pub(crate) fn run(only: Option<&str>) -> Result<()> {
    let measured = chosen(only)?.into_iter().filter(|b| b.measures);
    let boards: Vec<Board> = measured.collect();
    ensure!(!boards.is_empty(), "this board has no measuring image");
    boards.iter().try_for_each(Board::require)?;
    blobs::make()?;
    let mut all = Measurements::default();
    if only.is_some() {
        // The others' stay.
        all = Measurements::built_in();
        all.inferences
            .retain(|i| boards.iter().all(|b| b.name != i.core));
        all.code.retain(|c| boards.iter().all(|b| b.name != c.core));
    }
    let mut sections = String::new();
    let mut gated = String::new();
    let mut ranked = String::new();
    let mut sparse = String::new();
    let mut codes = String::new();
    let mut plain = String::new();
    for board in &boards {
        for (profile, level) in PROFILES {
            eprintln!("{} at {profile}", board.name);
            let run = |of: &str| {
                let bin = format!("{}-{of}", board.name);
                image(
                    board,
                    &["--profile", profile, "--features", "measure", "--bin", &bin],
                )
            };
            let said = run("measure")?;
            let fields = run("fields")?;
            let from = all.inferences.len();
            section(&mut sections, &mut all, board, level, &said)?;
            gates(&mut gated, board, level, &said, &all.inferences[from..])?;
            for line in said.lines().filter_map(|l| l.strip_prefix("ranking edge ")) {
                ranked += &ranking::row(board.core, level, line)?;
            }
            for line in said
                .lines()
                .filter_map(|l| l.strip_prefix("sparse census "))
            {
                let precision = line.split(' ').next().unwrap_or_default();
                let active = numbers(line);
                let whole = all.inferences[from..]
                    .iter()
                    .find(|i| i.model == "census" && i.precision == precision)
                    .with_context(|| format!("census {precision}"))?
                    .predict_q;
                let n = active.get("predict_q").context("no `predict_q`")?;
                writeln!(
                    sparse,
                    "| {} | {level} | {precision} | {} | {} | {:.2} |",
                    board.core,
                    grouped(*n),
                    grouped(whole),
                    *n as f64 / whole as f64
                )?;
            }
            for line in fields
                .lines()
                .filter_map(|l| l.strip_prefix("codes census "))
            {
                codes += &coded(board, level, line, &all.inferences[from..])?;
            }
            let edge = all.inferences[from..]
                .iter()
                .find(|i| i.model == "edge" && i.precision == "F32")
                .context("edge F32")?
                .predict;
            for line in said
                .lines()
                .filter_map(|l| l.strip_prefix("plain edge F32 "))
            {
                let loops = numbers(line);
                let cell = |key: &str| -> Result<String> {
                    let v = *loops
                        .get(key)
                        .with_context(|| format!("no `{key}` in: {line}"))?;
                    Ok(format!("{} ({:.2})", grouped(v), edge as f64 / v as f64))
                };
                writeln!(
                    plain,
                    "| {} | {level} | {} | {} | {} |",
                    board.core,
                    grouped(edge),
                    cell("known")?,
                    cell("slices")?
                )?;
            }
        }
    }
    let flash = flash(&mut all, &boards)?;

    fs::write(
        workspace("tools/src/cost/cores.json"),
        serde_json::to_string(&all)?.replace("},{", "},\n{") + "\n",
    )
    .context("writing tools/src/cost/cores.json")?;
    if only.is_some() {
        return Ok(());
    }

    let version = output(
        &workspace("."),
        Command::new(boards[0].qemu.0).arg("--version"),
        "QEMU",
    )?;
    let mut text = INTRODUCTION.to_owned();
    writeln!(
        text,
        "\nBuilt with {}; {}.",
        compiler()?,
        version.lines().next().unwrap_or("QEMU")
    )?;
    summary(&mut text, &all, &boards)?;
    text += "\n## Gates that choose\n\n`predict_q` in I8 over 16 rows, a row's mean. *Expected*: \
             the softmax model's instructions per multiply-accumulate times \
             the\nmultiply-accumulates that were run, gates and mixing included.\n\n";
    text += "| core | opt-level | model | experts run | multiply-accumulates run | instructions | \
             expected | ratio |\n|---|---|---|---|---|---|---|---|\n";
    text += &gated;
    text += ranking::INTRODUCTION;
    text += &ranked;
    text += &ranking::host()?;
    text += "\n## One-hot features\n\n`predict_q` of *census* from its 40 active columns \
             (`Model::sparse`) beside that of the whole row of 499. The bits are the same (each run \
             checks that and fails otherwise).\n\n";
    text += "| core | opt-level | precision | from 40 columns | whole row | ratio |\n|---|---|---|---|---|---|\n";
    text += &sparse;
    text += "\n## One-hot columns as codes\n\n*census* from 11 numbers and 29 codes (`Hot`), beside the whole \
             row of 499. In F32 and W8 the bits are the same (each run checks that and fails otherwise); in \
             I8 codes have a step of their own.\n\n";
    text += "| core | opt-level | precision | `predict` | `predict_q` | whole row | ratio | stack of `predict_q` | `SCRATCH` | blob |\n|---|---|---|---|---|---|---|---|---|---|\n";
    text += &codes;
    text += &peers::section(&all)?;
    text += "\n## Beside plain loops\n\nThe edge model in F32 and the same written by hand in the \
             same image, as row loops over fixed-size arrays and as one slice loop that all \
             layers share.\n\n";
    text +=
        "| core | opt-level | mmoe | fixed arrays | shared slice loop |\n|---|---|---|---|---|\n";
    text += &plain;
    text += &crate::activations::section()?;
    text += &flash;
    text += &sections;
    fs::write(workspace("docs/measurements.md"), text).context("writing docs/measurements.md")
}

/// A row of the table of codes.
fn coded(board: &Board, level: &str, line: &str, measured: &[Inference]) -> Result<String> {
    let precision = line.split(' ').next().unwrap_or_default();
    let values = numbers(line);
    let value = |key: &str| {
        let value = values.get(key).copied();
        value.with_context(|| format!("no `{key}` in: {line}"))
    };
    let whole = measured
        .iter()
        .find(|i| i.model == "census" && i.precision == precision)
        .with_context(|| format!("census {precision}"))?
        .predict_q;
    let n = value("predict_q")?;
    Ok(format!(
        "| {} | {level} | {precision} | {} | {} | {} | {:.2} | {} | {} | {} |\n",
        board.core,
        grouped(value("predict")?),
        grouped(n),
        grouped(whole),
        n as f64 / whole as f64,
        value("stack_q")?,
        value("scratch")?,
        grouped(value("blob")?)
    ))
}

/// The bytes of a measured blob.
fn bytes(model: &str, precision: &str) -> Result<BlobBytes> {
    let name = format!("{model}.{}.mmoe", precision.to_lowercase());
    let bytes = fs::read(workspace(blobs::FOLDER).join(&name))
        .with_context(|| format!("reading {name}"))?;
    Ok(BlobBytes::new(&bytes))
}

/// One board at one level.
fn section(
    text: &mut String,
    all: &mut Measurements,
    board: &Board,
    level: &str,
    said: &str,
) -> Result<()> {
    let flags = board
        .cpu
        .map(|c| format!(", `-C target-cpu={c}`"))
        .unwrap_or_default();
    let features = board
        .features
        .map(|f| format!(", `-C target-feature={f}`"))
        .unwrap_or_default();
    writeln!(
        text,
        "\n## {}, opt-level {level} (`{}`{flags}{features})\n",
        board.core, board.target
    )?;
    text.push_str(
        "| model | precision | `predict` | `predict_q` | per MAC | stack of `predict`, \
         `predict_q`, `load` | `SCRATCH` | `load` |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for line in said.lines().filter_map(|l| l.strip_prefix("measured ")) {
        let mut words = line.split(' ');
        let (model, precision) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let values = numbers(line);
        let value = |key: &str| {
            values
                .get(key)
                .copied()
                .with_context(|| format!("no `{key}` in: {line}"))
        };
        let work = Work::of(&Blob::open(bytes(model, precision)?.as_slice())?);
        let n = |key: &str| value(key).map(grouped);
        writeln!(
            text,
            "| {model} | {precision} | {} | {} | {:.2} | {}, {}, {} | {} | {} |",
            n("predict")?,
            n("predict_q")?,
            value("predict_q")? as f64 / work.macs as f64,
            n("stack")?,
            n("stack_q")?,
            n("stack_load")?,
            n("scratch")?,
            n("load")?
        )?;
        all.inferences.push(Inference {
            core: board.name.into(),
            level: level.into(),
            model: model.into(),
            precision: precision.into(),
            work,
            predict: value("predict")?,
            predict_q: value("predict_q")?,
            stack: value("stack")?,
            scratch: value("scratch")?,
        });
    }
    let equal = said
        .lines()
        .filter(|l| l.contains(" inferences take "))
        .count();
    ensure!(
        equal > 0 && said.lines().filter(|l| l.ends_with(": equal")).count() == equal,
        "{}: unequal counts:\n{said}",
        board.name
    );
    Ok(())
}

/// Rows of the table of gates.
fn gates(
    text: &mut String,
    board: &Board,
    level: &str,
    said: &str,
    measured: &[Inference],
) -> Result<()> {
    for line in said.lines().filter_map(|l| l.strip_prefix("gated ")) {
        let (model, _) = line.split_once(' ').context("a gated line")?;
        let values = numbers(line);
        let value = |key: &str| {
            values
                .get(key)
                .map(|v| *v as f64)
                .with_context(|| format!("no `{key}` in: {line}"))
        };
        let blob = bytes(model, "i8")?;
        let blob = Blob::open(blob.as_slice())?;
        let (mut fixed, mut expert, mut wide) = (0, 0, 0);
        for node in blob.nodes_with_layers() {
            let own = node.macs();
            if node.record.is_expert() {
                (expert, wide) = (own, u64::from(node.record.outputs.get()));
            } else {
                fixed += own;
            }
        }
        let rows = value("rows")?;
        let macs = fixed as f64
            + (value("experts")? * expert as f64 + value("mixed")? * wide as f64) / rows;
        let dense = model.split('-').next().unwrap_or(model);
        let dense = measured
            .iter()
            .find(|i| i.model == dense && i.precision == "I8")
            .with_context(|| format!("no {dense}"))?;
        let expected = macs * dense.predict_q as f64 / dense.work.macs as f64;
        let instructions = value("instructions")? / rows;
        writeln!(
            text,
            "| {} | {level} | {model} | {:.2} | {} | {} | {} | {:.2} |",
            board.core,
            value("experts")? / rows,
            grouped(macs.round() as u64),
            grouped(instructions.round() as u64),
            grouped(expected.round() as u64),
            instructions / expected
        )?;
    }
    Ok(())
}

/// Instructions of every model on every core at opt-level 3, and how well a model is estimated from
/// the others.
fn summary(text: &mut String, all: &Measurements, boards: &[Board]) -> Result<()> {
    text.push_str(
        "\n## Instructions of an inference, opt-level 3\n\nFrom activations (`predict_q`).\n\n| \
         model | precision |",
    );
    boards
        .iter()
        .try_for_each(|b| write!(text, " {} |", b.core))?;
    text.push_str("\n|---|---|");
    boards.iter().for_each(|_| text.push_str("---|"));
    for first in all
        .inferences
        .iter()
        .filter(|i| i.core == boards[0].name && i.level == "3")
    {
        write!(text, "\n| {} | {} |", first.model, first.precision)?;
        for board in boards {
            let same = |i: &&Inference| {
                i.core == board.name
                    && i.level == "3"
                    && i.model == first.model
                    && i.precision == first.precision
            };
            write!(
                text,
                " {} |",
                grouped(
                    all.inferences
                        .iter()
                        .find(same)
                        .context("a measured model")?
                        .predict_q
                )
            )?;
        }
    }
    text.push_str(
        "\n\nEach model estimated from the others, the largest error (what `mmoe inspect --core` \
         states):\n\n| opt-level | precision |",
    );
    boards
        .iter()
        .try_for_each(|b| write!(text, " {} |", b.core))?;
    text.push_str("\n|---|---|");
    boards.iter().for_each(|_| text.push_str("---|"));
    for (_, level) in PROFILES {
        for precision in ["F32", "W8", "I8", "I8-quad", "I8-pairs"] {
            write!(text, "\n| {level} | {precision} |")?;
            for board in boards {
                write!(
                    text,
                    " {:.0} % |",
                    100.0
                        * all
                            .error(board.name, level, precision)
                            .context("an error")?
                )?;
            }
        }
    }
    text.push('\n');
    Ok(())
}

/// Code sizes of the bare images, and which kernels are in them.
fn flash(all: &mut Measurements, boards: &[Board]) -> Result<String> {
    let mut text = "\n## Flash\n\nBytes of a bare image that only loads (checks, checksum, \
                    comparison with the type), and what prediction adds; weights not included. A \
                    plain MMoE holds no code of gates, layers or wirings that it does not use: \
                    every image is searched for them by symbol.\n\n"
        .to_owned();
    text += "| core | opt-level | image | loading | inference |\n|---|---|---|---|---|\n";
    for board in boards {
        for (profile, level) in PROFILES {
            for bin in SIZED {
                let (load, infer) = bare::sizes(board, profile, bin)?;
                bare::only_what_it_uses(board, profile, bin)?;
                writeln!(
                    text,
                    "| {} | {level} | {bin} | {} | {} |",
                    board.core,
                    grouped(load),
                    grouped(infer)
                )?;
                let precision = precision_of_image(bin);
                all.code.push(Code {
                    core: board.name.into(),
                    level: level.into(),
                    precision,
                    bytes: load + infer,
                });
            }
        }
    }
    Ok(text)
}

/// The precision of a bare image, as measurements name it: `I8-quad` of `edge_i8_quad`.
fn precision_of_image(bin: &str) -> String {
    let mut parts = bin.split('_').skip(1);
    let precision = parts.next().unwrap_or_default().to_uppercase();
    parts.fold(precision, |name, packing| format!("{name}-{packing}"))
}
