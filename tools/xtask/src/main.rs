//! The project's chores. `cargo xtask --help` lists them.

mod activations;
mod bare;
mod blobs;
mod board;
mod c;
mod c_lib;
mod firmware;
mod fuzz;
mod measure;
mod minimal;
mod peers;
mod ranked;
mod ranking;
mod records;
mod seeded;
mod shares;
mod shell;
mod uart;
mod wasm;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make the test firmware's blobs and the host's results on them.
    Blobs,
    /// Build the firmware of every board and run it in QEMU.
    Firmware {
        /// Only this board (a folder of `tests/firmware`).
        #[arg(long)]
        board: Option<String>,
    },
    /// Try the C interface from C, on this host and in emulation, and the examples in C.
    C,
    /// Build the libraries for C, into `target/c-lib`.
    CLib {
        /// Only for this target.
        #[arg(long)]
        target: Option<String>,
        /// Build a library for this model alone, which is far smaller.
        #[arg(long)]
        model: Option<PathBuf>,
        /// What its names begin with; the default is the model's name, or else the file's.
        #[arg(long, requires = "model")]
        prefix: Option<String>,
        /// 2, 3, s or z.
        #[arg(long, default_value = "s")]
        opt_level: String,
    },
    /// Run the minimal firmware example and compare what it prints with `mmoe run`.
    Minimal,
    /// Measure the minimal firmware example in several profiles; writes `examples/README.md`.
    Profiles,
    /// Run the UART example with 1,000 transfers, most of them damaged.
    Uart,
    /// Send records to the firmware examples that take them, and compare their answers with `mmoe run`.
    Records,
    /// Run the firmware example that ranks a catalogue, and compare its scores with `mmoe run`.
    Rank,
    /// Build the package for JavaScript and run it in Node.
    Wasm,
    /// Measure all boards and write `docs/measurements.md` and `tools/src/cost/cores.json`.
    Measure {
        /// Only this board, whose figures are replaced in `tools/src/cost/cores.json`; the document
        /// stays as it is.
        #[arg(long)]
        board: Option<String>,
    },
    /// Measure activation functions and normalizations; writes their section of
    /// `docs/measurements.md`.
    Activations,
    /// Write `docs/self-test.md`: how many changed weights of each fixture the self-test finds.
    SelfTest,
    /// Link a bare image per core and level, which fails where a panic can be reached.
    NoPanic {
        /// Only this board's target.
        #[arg(long)]
        board: Option<String>,
    },
    /// Run the fuzz targets of `tools/fuzz`; needs `cargo-fuzz` and a nightly compiler.
    Fuzz {
        /// For so many minutes each.
        #[arg(long, default_value_t = 1)]
        minutes: u64,
    },
    /// Print what a bare image consists of.
    Size {
        /// This board's target.
        #[arg(long, default_value = "m4f")]
        board: String,
        /// Model and precision, as `edge_i8`.
        #[arg(long, default_value = "edge_i8")]
        image: String,
    },
}

fn main() -> Result<()> {
    match Args::parse().chore {
        Chore::Blobs => blobs::make(),
        Chore::Firmware { board } => firmware::run(board.as_deref()),
        Chore::C => c::run(),
        Chore::CLib {
            target,
            model: None,
            opt_level,
            ..
        } => c_lib::erased(target.as_deref(), &opt_level),
        Chore::CLib {
            target,
            model: Some(model),
            prefix,
            opt_level,
        } => c_lib::typed(&model, target.as_deref(), &opt_level, prefix.as_deref()),
        Chore::Minimal => minimal::run(),
        Chore::Profiles => minimal::profiles(),
        Chore::Uart => uart::run(),
        Chore::Records => records::run(),
        Chore::Rank => ranked::run(),
        Chore::Wasm => wasm::run(),
        Chore::Measure { board } => measure::run(board.as_deref()),
        Chore::Activations => activations::run(),
        Chore::SelfTest => shares::run(),
        Chore::NoPanic { board } => bare::no_panic(board.as_deref()),
        Chore::Fuzz { minutes } => fuzz::run(60 * minutes),
        Chore::Size { board, image } => bare::size(&board, &image),
    }
}
