//! `mmoe run`.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mmoe_tools::data::Data;
use mmoe_tools::text::short;
use npyz::WriterBuilder;

use super::input::{features, load, note_odd_numbers, predict, read_blob};
use super::output::{Table, Target, print, print_source};

/// Computes the outputs for rows of features, with the same code that firmware runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob to run.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// Rows of features: .npz (array `x`), .npy or CSV, told apart by their content. `-` is standard
    /// input. A CSV header is matched with the names of the blob's features, if it has some. Columns
    /// of labels, with the names of the tasks, may stand beside them.
    #[arg(long, visible_alias = "input", value_name = "X")]
    data: PathBuf,
    /// Where to write the outputs: .npz or .csv, or `-` for CSV on standard output. Without it a
    /// table is printed.
    #[arg(short, long, value_name = "Y")]
    output: Option<PathBuf>,
    /// Show the weights of every gate as well.
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
    let output = args.output.as_deref().map(|path| Output::new(path, args));
    let output = output.transpose()?;
    let blob = read_blob(&args.model)?;
    let runner = load(&args.model, &blob)?;
    let gates = if args.gates {
        runner.gate_names()
    } else {
        Vec::new()
    };
    if args.gates && gates.is_empty() {
        bail!("{}: has no gates; leave --gates out", args.model.display());
    }
    let x = features(&runner, &Data::read(&args.data)?)?;
    let made = predict(&runner, &x)?;
    let tasks = runner.tasks.iter().map(|t| Block {
        name: t.name.clone(),
        width: t.width,
        data: made
            .each()
            .flat_map(|row| row[t.range()].iter().copied())
            .collect(),
    });
    let gates = gates.iter().map(|(name, gate)| Block {
        name: name.clone(),
        width: runner.gates[*gate].experts.len(),
        data: made.gates[*gate].clone(),
    });
    let blocks: Vec<Block> = tasks.chain(gates).collect();
    match output {
        Some(Output::Npz(target)) => target.write(&npz(&blocks, x.len())?)?,
        Some(Output::Csv(target)) => target.write(csv_text(&blocks, x.len())?.as_bytes())?,
        Some(Output::CsvOut) => print_source(&csv_text(&blocks, x.len())?)?,
        None => print(&table(&blocks, x.len()))?,
    }
    note_odd_numbers(&x, &made);
    Ok(())
}

/// Where results go, and how.
#[derive(Debug)]
enum Output {
    Npz(Target),
    Csv(Target),
    CsvOut,
}

impl Output {
    fn new(path: &Path, args: &Args) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::CsvOut);
        }
        let inputs = [
            ("the blob", args.model.as_path()),
            ("the data", args.data.as_path()),
        ];
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        match ending.to_ascii_lowercase().as_str() {
            "npz" => Ok(Self::Npz(Target::new(path, inputs)?)),
            "csv" => Ok(Self::Csv(Target::new(path, inputs)?)),
            _ => bail!(
                "{}: results are written as .npz or .csv; give the file one of these endings",
                path.display()
            ),
        }
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

/// An archive with an array per block, `[rows, width]`.
fn npz(blocks: &[Block], rows: usize) -> Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for block in blocks {
        // A name in an archive is a path, which must not lead anywhere when it is unpacked.
        if block.name.contains(['/', '\\']) || block.name.contains(char::is_control) {
            bail!(
                "`{}` cannot be the name of an array in an .npz file; write .csv instead",
                block.name
            );
        }
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
    Ok(zip.finish()?.into_inner())
}
