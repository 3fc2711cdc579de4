//! The firmware examples of records: rows of raw fields go over their UART, and they must answer what
//! `mmoe run` prints for the same file.

use crate::board::BOARDS;
use crate::shell::{mmoe, output, workspace};
use anyhow::{Context, Result, anyhow, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Folders of examples that answer records, and the targets that each is built for.
const EXAMPLES: &[(&str, &str)] = &[
    ("records", "thumbv7em-none-eabihf"),
    ("records", "thumbv6m-none-eabi"),
    ("embassy", "thumbv7em-none-eabihf"),
    ("rtic", "thumbv7em-none-eabihf"),
];
const BLOB: &str = "examples/firmware/records/src/shop.mmoe";
const ROWS: &str = "tests/fixtures/keras-records/rows.csv";
/// Rows that are sent; the micro:bit's UART is emulated byte by byte.
const SENT: usize = 200;

/// Runs the examples.
pub(crate) fn run() -> Result<()> {
    let (lines, expected) = (lines()?, host()?);
    for (name, target) in EXAMPLES {
        let board = BOARDS.iter().find(|board| board.target == *target);
        board.context("no such board")?.require()?;
        let folder = workspace("examples/firmware").join(name);
        // A build takes longer than any answer may.
        let cargo = |verb| {
            let mut command = Command::new("cargo");
            command.args([verb, "--release", "--quiet", "--locked", "--target", target]);
            command
        };
        output(&folder, &mut cargo("build"), &format!("building `{name}`"))?;
        let printed = talk(&folder, &mut cargo("run"), &lines)
            .with_context(|| format!("the example `{name}` on {target}"))?;
        for (i, (here, there)) in expected.lines().zip(printed.lines()).enumerate() {
            ensure!(
                here == there,
                "row {i}: {name} on {target} answers `{there}`, the host `{here}`"
            );
        }
        ensure!(
            printed.lines().count() == SENT,
            "{name} on {target} answered {} of {SENT} rows",
            printed.lines().count()
        );
        println!("{name} on {target}: {SENT} records answered as by `mmoe run`, to the last digit");
    }
    Ok(())
}

/// Waits until a device is ready, sends it all lines, and returns what it answers.
fn talk(folder: &Path, command: &mut Command, lines: &str) -> Result<String> {
    let mut device = command
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = device.stdin.take().context("no line to the device")?;
    let mut from = BufReader::new(device.stdout.take().context("no line from the device")?);
    let mut ready = String::new();
    from.read_line(&mut ready)?;
    ensure!(ready == "ready\n", "it says `{ready}` where `ready` is due");
    let mut answers = String::new();
    std::thread::scope(|scope| {
        // The device stops reading while nobody takes its answers.
        let sender = scope.spawn(move || to.write_all(lines.as_bytes()));
        from.read_to_string(&mut answers)?;
        sender.join().map_err(|_| anyhow!("sending"))??;
        anyhow::Ok(())
    })?;
    let status = device.wait()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(answers)
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
