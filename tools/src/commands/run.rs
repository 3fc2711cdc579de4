//! `mmoe run`.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe_tools::data::Data;
use npyz::WriterBuilder;

use super::output::{Pending, Table, print, short, write_whole};
use super::{load, read_blob};

/// Predicts rows of features, with the very code that firmware runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// Rows of features: .npz (array `x`), .npy or CSV, told apart by their content; `-` is
    /// standard input. A CSV header is matched with the blob's feature names, if it has some.
    #[arg(long, value_name = "X")]
    input: PathBuf,
    /// Where to write: .npz or .csv (`-`: CSV to standard output). Without it a table is printed.
    #[arg(short, long, value_name = "Y")]
    output: Option<PathBuf>,
    /// The weights of every gate as well.
    #[arg(long)]
    gates: bool,
}

/// Columns of results under one name.
struct Block {
    name: String,
    width: usize,
    /// Row-major.
    data: Vec<f32>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let format = args.output.as_deref().map(format).transpose()?;
    let blob = read_blob(&args.model)?;
    let mut runner = load(&args.model, &blob)?;
    let data = Data::read(&args.input)?;
    let x = data.features(runner.model.inputs(), &runner.feature_names(), &[])?;
    let mut blocks: Vec<Block> = runner
        .tasks
        .iter()
        .map(|t| Block {
            name: t.name.clone(),
            width: t.width,
            data: Vec::with_capacity(x.len() * t.width),
        })
        .collect();
    let tasks = runner.tasks.clone();
    let gates = if args.gates {
        runner.gate_names()
    } else {
        Vec::new()
    };
    if args.gates && gates.is_empty() {
        bail!("{}: has no gates; leave --gates out", args.model.display());
    }
    blocks.extend(gates.iter().map(|(name, g)| Block {
        name: name.clone(),
        width: runner.gates[*g].experts.len(),
        data: Vec::new(),
    }));
    let (mut not_a_number, mut saturated) = (0u64, 0u64);
    for row in x.iter() {
        let (y, run) = runner.predict(row).context("prediction")?;
        not_a_number += u64::from(run.input.nan);
        saturated += u64::from(run.input.saturated);
        for (task, block) in tasks.iter().zip(&mut blocks) {
            block.data.extend(&y[task.range()]);
        }
        for ((_, gate), block) in gates.iter().zip(&mut blocks[tasks.len()..]) {
            block.data.extend(runner.gate_weights(*gate));
        }
    }
    match (format, &args.output) {
        (Some(Format::Npz), Some(path)) => write_npz(path, &blocks, x.len())?,
        (Some(Format::Csv), Some(path)) => {
            write_whole(path, csv_text(&blocks, x.len())?.as_bytes())?
        }
        (Some(Format::CsvOut), _) => print(&csv_text(&blocks, x.len())?)?,
        _ => print(&table(&blocks, x.len()))?,
    }
    if not_a_number + saturated > 0 {
        eprintln!(
            "note: {not_a_number} features were NaN (taken as 0), {saturated} beyond the range \
             that the integers hold (saturated)"
        );
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Npz,
    Csv,
    CsvOut,
}

fn format(path: &Path) -> Result<Format> {
    if path == Path::new("-") {
        return Ok(Format::CsvOut);
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("npz") => Ok(Format::Npz),
        Some("csv") => Ok(Format::Csv),
        _ => bail!(
            "{}: results are written as .npz or .csv; give the file one of these endings",
            path.display()
        ),
    }
}

/// One name per column: a block's own where it has one column, else with the column's number.
fn names(blocks: &[Block]) -> Vec<String> {
    let name = |b: &Block| {
        if b.width == 1 {
            vec![b.name.clone()]
        } else {
            (0..b.width).map(|i| format!("{}_{i}", b.name)).collect()
        }
    };
    blocks.iter().flat_map(name).collect()
}

fn cells(blocks: &[Block], row: usize) -> impl Iterator<Item = f32> {
    blocks
        .iter()
        .flat_map(move |b| b.data[row * b.width..(row + 1) * b.width].iter().copied())
}

fn csv_text(blocks: &[Block], rows: usize) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names(blocks))?;
    for row in 0..rows {
        writer.write_record(cells(blocks, row).map(|v| format!("{v:?}")))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn table(blocks: &[Block], rows: usize) -> String {
    let names = names(blocks);
    let mut header = vec!["row"];
    header.extend(names.iter().map(String::as_str));
    let mut table = Table::new(0, &header);
    for row in 0..rows {
        let mut line = vec![row.to_string()];
        line.extend(cells(blocks, row).map(|v| short(f64::from(v))));
        table.row(line);
    }
    table.text("")
}

/// An array per block, `[rows, width]`.
fn write_npz(path: &Path, blocks: &[Block], rows: usize) -> Result<()> {
    let pending = Pending::write(path, |to| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for block in blocks {
            zip.start_file(
                format!("{}.npy", block.name),
                zip::write::SimpleFileOptions::default(),
            )?;
            let shape = [rows as u64, block.width as u64];
            let mut array = npyz::WriteOptions::new()
                .default_dtype()
                .shape(&shape)
                .writer(&mut zip)
                .begin_nd()?;
            array.extend(block.data.iter())?;
            array.finish()?;
        }
        Ok(to.write_all(zip.finish()?.get_ref())?)
    })?;
    pending.keep()
}
