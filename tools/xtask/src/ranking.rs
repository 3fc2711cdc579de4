//! What ranking in a shared context saves, on a core and on the host.

use crate::shell::{numbers, output, workspace};
use anyhow::{Context, Result};
use mmoe_tools::text::grouped;
use std::fs;
use std::process::Command;

// One prediction takes 27,312 multiply-accumulates; those of the first layers (4 experts 64→64, 3
// gates 64→4) over the 48 shared features are (4·64 + 3·4)·48 = 12,864: 500·(27,312 − 12,864) +
// 12,864 in a context.

pub(crate) const INTRODUCTION: &str = "
## Ranking in a context

500 candidates of *edge*, 48 of whose 64 features are the context's: `Model::rank` beside 500 \
                                       calls of `predict`, the best ten kept by both. The
results have the same bits in every precision (checked in the image and in the example): the \
                                       context's columns come first in the order of summation.
Multiply-accumulates: 7,236,864 in a context, 13,656,000 one by one (ratio 0.53). The host's \
                                       instructions are callgrind's, of
`examples/rank.rs`.

| core | opt-level | precision | in a context | one by one | ratio |
|---|---|---|---|---|---|
";

/// A row from `F32 shared=… alone=…`.
pub(crate) fn row(core: &str, level: &str, line: &str) -> Result<String> {
    let (precision, _) = line.split_once(' ').context("a line of ranking")?;
    let values = numbers(line);
    let value = |key: &str| {
        values
            .get(key)
            .copied()
            .with_context(|| format!("no `{key}` in: {line}"))
    };
    let (shared, alone) = (value("shared")?, value("alone")?);
    let ratio = shared as f64 / alone as f64;
    Ok(format!(
        "| {core} | {level} | {precision} | {} | {} | {ratio:.2} |\n",
        grouped(shared),
        grouped(alone)
    ))
}

/// The same on this host, under callgrind.
pub(crate) fn host() -> Result<String> {
    let root = workspace(".");
    output(
        &root,
        Command::new("cargo").args(["build", "--quiet", "--release", "--example", "rank"]),
        "building examples/rank.rs",
    )?;
    let mut text = String::new();
    for (precision, name) in [("f32", "F32"), ("w8", "W8"), ("i8", "I8")] {
        let count = |function: &str| -> Result<u64> {
            let file = root.join("target/callgrind.out");
            let mut command = Command::new("valgrind");
            command.args([
                "--quiet",
                "--tool=callgrind",
                &format!("--toggle-collect=*{function}*"),
            ]);
            command
                .arg(format!("--callgrind-out-file={}", file.display()))
                .args(["target/release/examples/rank", precision]);
            output(
                &root,
                &mut command,
                "valgrind (apt-get install --no-install-recommends valgrind)",
            )?;
            let profile = fs::read_to_string(file)?;
            let total = profile
                .lines()
                .find_map(|l| l.strip_prefix("totals: "))
                .and_then(|t| t.trim().parse().ok());
            total.with_context(|| format!("callgrind counted nothing in {function}"))
        };
        let line = format!(
            "{name} shared={} alone={}",
            count("in_context")?,
            count("one_by_one")?
        );
        text += &row("host, x86-64", "3", &line)?;
    }
    Ok(text)
}
