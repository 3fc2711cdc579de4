//! The commands.

mod assumed;
mod codegen;
mod convert;
mod device;
mod eval;
mod gates;
mod inspect;
mod output;
mod report;
mod run;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use mmoe_tools::engine::{BlobBytes, Runner};

/// Converts trained multi-gate mixture-of-experts models into blobs for microcontrollers, and
/// inspects, runs, verifies and evaluates them.
#[derive(Debug, Parser)]
#[command(
    name = "mmoe",
    version,
    after_help = "Exit codes: 0 done, 1 a check failed, 2 usage or bad input."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Convert(convert::Args),
    Inspect(inspect::Args),
    Run(run::Args),
    Verify(verify::Args),
    Eval(eval::Args),
    Gates(gates::Args),
    Codegen(codegen::Args),
    Report(report::Args),
}

/// A check that did not hold: exit code 1, where every other error is 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CheckFailed(String);

/// Runs the tool.
pub(crate) fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Convert(args) => convert::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Gates(args) => gates::run(&args),
        Command::Codegen(args) => codegen::run(&args),
        Command::Report(args) => report::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            if error.is::<CheckFailed>() {
                ExitCode::from(1)
            } else {
                ExitCode::from(2)
            }
        }
    }
}

/// An error and its causes, without those that the text before them repeats.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let gap = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{gap}{}", cause.trim_end());
        }
    }
    text
}

/// Reads a blob's bytes.
fn read_blob(path: &Path) -> Result<BlobBytes> {
    let blob =
        BlobBytes::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    if blob.as_slice().is_empty() {
        bail!(
            "{}: is empty (0 bytes); was it fully written?",
            path.display()
        );
    }
    if !blob.is_blob() {
        bail!(
            "{}: is no blob; if it holds trained weights, make one of it: mmoe convert {0} -o \
             model.mmoe",
            path.display()
        );
    }
    Ok(blob)
}

/// Loads a blob.
fn load<'b>(path: &Path, blob: &'b BlobBytes) -> Result<Runner<'b>> {
    Runner::load(blob).with_context(|| path.display().to_string())
}
