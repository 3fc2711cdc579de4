//! The commands: arguments and printing. What they compute is the library's.

mod assumed;
mod codegen;
mod convert;
mod eval;
mod gates;
mod input;
mod inspect;
mod keygen;
mod output;
mod report;
mod run;
mod sign;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

/// Converts trained multi-gate mixture-of-experts models into blobs for microcontrollers, and
/// inspects, runs, verifies and evaluates blobs.
#[derive(Debug, Parser)]
#[command(
    name = "mmoe",
    version,
    after_help = "Exit codes: 0 if all is well; 1 if a check failed, because the model differs or is \
                  over budget; 2 if it could not be done, because of the arguments, the input, or a \
                  question that only you can answer."
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
    Keygen(keygen::Args),
    Sign(sign::Args),
}

/// A check that failed. The exit code is 1 then, where every other error exits with 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CheckFailed(String);

/// Runs the tool.
pub(crate) fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error),
    };
    let done = match command {
        Command::Convert(args) => convert::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Gates(args) => gates::run(&args),
        Command::Codegen(args) => codegen::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Sign(args) => sign::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("error: {}", chain(&error)));
            if error.is::<CheckFailed>() {
                ExitCode::from(1)
            } else {
                ExitCode::from(2)
            }
        }
    }
}

/// Prints the help, or what is wrong with the arguments and what was probably meant.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell where printing fails.
    let _ = error.print();
    if let Some(tip) = tip(error) {
        output::complain(&format!("\n  tip: {tip}"));
    }
    ExitCode::from(error.exit_code().try_into().unwrap_or(2))
}

/// What a file among the arguments, where none is taken, was meant for.
fn tip(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let file = text(ContextKind::InvalidSubcommand)?;
            let path = Path::new(file);
            (path.exists() || path.extension().is_some()).then(|| {
                format!(
                    "for trained weights: mmoe convert {file} -o model.mmoe; to see what is in a \
                     file: mmoe inspect {file}"
                )
            })
        }
        ErrorKind::UnknownArgument => {
            let argument = text(ContextKind::InvalidArg)?;
            let command = std::env::args().nth(1)?;
            let takes_data = matches!(command.as_str(), "run" | "gates" | "report" | "eval");
            (takes_data && !argument.starts_with('-'))
                .then(|| format!("rows of data are given with --data: --data {argument}"))
        }
        _ => None,
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
