//! `mmoe codegen`.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe_tools::codegen::{self, Source};

use super::input::{load, read_blob};
use super::output::{Target, print, print_source};

/// Writes the Rust source of a typed model for a blob: its type, its inputs and outputs by name, and
/// the RAM that it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob to write the type of.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// Where to write the source. Without it the source is printed.
    #[arg(short, long, value_name = "model.rs")]
    output: Option<PathBuf>,
    /// The path to write into `include_blob!`, relative to the source file. The default leads from
    /// the output to the blob.
    #[arg(long, value_name = "PATH", conflicts_with = "no_blob")]
    blob_path: Option<String>,
    /// Leave the blob out of the source. `load` then takes its bytes, such as those of a flash
    /// partition.
    #[arg(long)]
    no_blob: bool,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let output = args
        .output
        .as_deref()
        .map(|path| Target::new(path, [("the blob", args.model.as_path())]))
        .transpose()?;
    let blob = read_blob(&args.model)?;
    let runner = load(&args.model, &blob)?;
    let path = match &args.blob_path {
        Some(path) => path.clone(),
        None => way(&args.model, args.output.as_deref())?,
    };
    let from = if args.no_blob {
        Source::Given
    } else {
        Source::Include(&path)
    };
    let (source, mapping) =
        codegen::source(&runner, &from).with_context(|| args.model.display().to_string())?;
    let (Some(target), Some(path)) = (output, &args.output) else {
        return print_source(&source);
    };
    target.write(source.as_bytes())?;
    let mut text = format!("wrote {}\n", path.display());
    for (name, id) in mapping {
        text += &format!("`{name}` is called `{id}`\n");
    }
    print(&text)
}

/// Returns the path from the folder of `output` (or the current one) to the blob, with forward
/// slashes, which Rust takes on every system.
fn way(model: &Path, output: Option<&Path>) -> Result<String> {
    let folder = output
        .and_then(Path::parent)
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let real = |p: &Path| {
        p.canonicalize()
            .with_context(|| format!("{}: no such folder", p.display()))
    };
    let (from, to) = (real(folder)?, real(model)?);
    let from: Vec<Component<'_>> = from.components().collect();
    let to: Vec<Component<'_>> = to.components().collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = to[shared..]
        .iter()
        .map(|c| c.as_os_str().to_string_lossy().into_owned());
    let way: Vec<String> = up.chain(down).collect();
    if way.iter().any(|p| p.contains('\u{fffd}')) {
        bail!(
            "{}: its name is no text; give the path with --blob-path",
            model.display()
        );
    }
    Ok(way.join("/"))
}
