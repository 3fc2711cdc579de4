//! `mmoe inspect`.

mod blob;
mod device;
mod weights;

use std::path::PathBuf;

use anyhow::{Result, bail};
use mmoe_tools::engine::BlobBytes;

use device::DeviceArgs;

/// Shows what is in a blob and what it costs, or what a weights file holds and what a spec must add.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob or the weights file to look at.
    #[arg(value_name = "M.mmoe|WEIGHTS")]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show every layer of a blob.
    #[arg(long)]
    layers: bool,
    /// Write a spec that describes the weights file, to correct it and convert with it. `-`, or no
    /// name, prints it.
    #[arg(long, value_name = "OUT.toml", num_args = 0..=1, default_missing_value = "-")]
    write_spec: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let read = if args.file.is_file() {
        BlobBytes::read(&args.file).ok()
    } else {
        None
    };
    match read.filter(BlobBytes::is_blob) {
        Some(blob) => {
            if args.write_spec.is_some() {
                bail!(
                    "--write-spec describes a weights file; {} is a blob already",
                    args.file.display()
                );
            }
            blob::inspect(args, &blob)
        }
        None => weights::inspect(args),
    }
}
