//! The project's chores. `cargo xtask --help` lists them.

mod blobs;
mod board;
mod firmware;
mod seeded;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make the firmware examples' blobs and the host's results on them.
    Blobs,
    /// Build the firmware of every board and run it in QEMU.
    Firmware {
        /// Only this board (a folder of `examples/firmware`).
        #[arg(long)]
        board: Option<String>,
    },
}

fn main() -> Result<()> {
    match Args::parse().chore {
        Chore::Blobs => blobs::make(),
        Chore::Firmware { board } => firmware::run(board.as_deref()),
    }
}
