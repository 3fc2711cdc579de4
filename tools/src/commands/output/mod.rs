//! What commands print and write.

pub(super) mod differences;
mod file;
pub(super) mod quality;
mod table;

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mmoe_tools::text::{shown, shown_in_json};
use serde_json::Value;

pub(super) use file::Target;
pub(super) use table::Table;

/// Prints text for people. Names in it come out of files, so nothing in it acts on the terminal.
pub(super) fn print(text: &str) -> Result<()> {
    to_stdout(&shown(text))
}

/// Prints text for programs, byte for byte unless a terminal would act on it.
pub(super) fn print_source(text: &str) -> Result<()> {
    if io::stdout().is_terminal() {
        print(text)
    } else {
        to_stdout(text)
    }
}

/// Prints a part of a text for programs. `false`: the reader has gone away, and there is no need for
/// more.
pub(super) fn print_part(text: &str) -> Result<bool> {
    if io::stdout().is_terminal() {
        written(&shown(text))
    } else {
        written(text)
    }
}

/// Prints JSON.
pub(super) fn print_json(value: &Value) -> Result<()> {
    to_stdout(&(shown_in_json(&serde_json::to_string_pretty(value)?) + "\n"))
}

/// A reader that has gone away, such as `head`, is no error.
fn to_stdout(text: &str) -> Result<()> {
    written(text).map(drop)
}

/// Writes to standard output. `false`: the reader has gone away.
fn written(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        done => done.map(|()| true).context("standard output"),
    }
}

/// Writes a line to standard error. There is nobody to tell if that fails.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// Says on standard error what a person should know of a result that stands.
pub(super) fn note(text: &str) {
    complain(&format!("note: {text}"));
}

/// A bar on standard error, if that is a terminal. It shows itself only when the work takes longer
/// than a moment.
pub(super) fn progress(what: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.with_message(what)
}
