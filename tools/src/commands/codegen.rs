//! `mmoe codegen`.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe_tools::codegen::{self, Source, c};

use super::input::{load, read_blob};
use super::output::{Target, print, print_source};

/// Writes the Rust source of a typed model for a blob: its type, its inputs and outputs by name, and
/// the RAM that it takes. With `--c` it writes the header that a C program needs.
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
    /// Write a C header instead: sizes, features and outputs by name, functions, and the blob as an
    /// array.
    #[arg(long, value_name = "model.h", conflicts_with_all = ["output", "blob_path"])]
    c: Option<PathBuf>,
    /// The file for the array, where it shall not stand in the header.
    #[arg(
        long,
        value_name = "model.c",
        requires = "c",
        conflicts_with = "no_blob"
    )]
    blob_source: Option<PathBuf>,
    /// What all names in the header begin with. The default is the model's name, or else the
    /// file's.
    #[arg(long, value_name = "NAME", requires = "c")]
    prefix: Option<String>,
    /// Write the header for a library that was built for this model (`cargo xtask c-lib --model`).
    #[arg(long, requires = "c")]
    typed: bool,
}

pub(super) fn run(args: &Args) -> Result<()> {
    if let Some(header) = &args.c {
        return run_c(args, header);
    }
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

/// Writes the C header, and the array where it stands in a file of its own.
fn run_c(args: &Args, header: &Path) -> Result<()> {
    let model = ("the blob", args.model.as_path());
    let target = Target::new(header, [model])?;
    let array_target = args.blob_source.as_deref();
    let array_target = array_target
        .map(|path| Target::new(path, [model, ("the header", header)]))
        .transpose()?;
    let bytes = read_blob(&args.model)?;
    let runner = load(&args.model, &bytes)?;
    let blob = runner.model.blob();
    let stem = args.model.file_stem().unwrap_or_default().to_string_lossy();
    let name = match (&args.prefix, blob.id().name) {
        (Some(prefix), _) => prefix,
        (None, "") => &*stem,
        (None, name) => name,
    };
    let prefix = c::prefix(name);
    let array = match (&array_target, args.no_blob) {
        (Some(_), _) => c::Array::Source,
        (None, true) => c::Array::Given,
        (None, false) => c::Array::Header,
    };
    let flavour = if args.typed {
        c::Flavour::Typed
    } else {
        c::Flavour::Erased
    };
    // Bytes behind the blob's own length are not the blob's.
    let own = bytes.get(..blob.total_len() as usize).unwrap_or(&bytes);
    let text = c::header(blob, own, &prefix, array, flavour)
        .with_context(|| args.model.display().to_string())?;
    target.write(text.as_bytes())?;
    let mut said = format!("wrote {}", header.display());
    if let (Some(target), Some(path)) = (array_target, &args.blob_source) {
        let header = header.file_name().unwrap_or_default().to_string_lossy();
        target.write(c::source(own, &prefix, &header).as_bytes())?;
        said += &format!(" and {}", path.display());
    }
    print(&format!("{said}; its names begin with `{prefix}_`\n"))
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
