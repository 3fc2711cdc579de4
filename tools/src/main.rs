//! The `mmoe` tool. Exit codes: 0 done, 1 a check failed, 2 usage or bad input.

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
