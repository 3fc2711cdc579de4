//! `mmoe run`.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe_tools::data::{Parts, Samples};
use mmoe_tools::engine::Runner;
use mmoe_tools::front::Tally;
use mmoe_tools::predictions::Predictions;
use mmoe_tools::quality;
use mmoe_tools::text::short;
use npyz::WriterBuilder;

use super::input::{OddNumbers, load, note_remarks, read_blob};
use super::output::{Table, Target, note, print, print_part, progress};

/// Computes the outputs for rows of features, with the same code that firmware runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob to run.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// Rows of features: .npz (array `x`), .npy or CSV, told apart by their content (with the cargo
    /// feature `columnar` also Parquet and Arrow IPC). `-` is standard input. A CSV header is matched with the names of the blob's features, if it has some. Columns
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

impl Block {
    fn without_rows(&self) -> Self {
        Self {
            name: self.name.clone(),
            width: self.width,
            data: Vec::new(),
        }
    }
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
    let work = Work {
        data: &args.data,
        runner: &runner,
        gates: &gates,
    };
    match output {
        // Results go out as they come, so that a file of any length takes the memory of a part.
        Some(Output::Csv(target)) => target.write_by(|file| {
            work.each(|blocks, rows, first| {
                file.write_all(csv_text(blocks, rows, first)?.as_bytes())
                    .with_context(|| format!("{}: cannot be written", target.shown()))?;
                Ok(true)
            })
        }),
        Some(Output::CsvOut) => {
            work.each(|blocks, rows, first| print_part(&csv_text(blocks, rows, first)?))
        }
        Some(Output::Npz(target)) => {
            let (blocks, rows) = work.all()?;
            target.write(&npz(&blocks, rows)?)
        }
        None => {
            let (blocks, rows) = work.all()?;
            print(&table(&blocks, rows))
        }
    }
}

/// What is run on what.
struct Work<'a> {
    data: &'a Path,
    runner: &'a Runner<'a>,
    /// Names of the gates that are shown, and their numbers.
    gates: &'a [(String, usize)],
}

impl Work<'_> {
    /// Calls `take` with the results of each part of the data and whether it is the first; `false`
    /// ends the work. Then notes what a person should know of the rows.
    fn each(&self, mut take: impl FnMut(&[Block], usize, bool) -> Result<bool>) -> Result<()> {
        let runner = self.runner;
        let parts = Parts::open(self.data, runner.front().is_some())?;
        let bar = progress("predicting");
        let mut odd = OddNumbers::default();
        let mut tally = runner.front().map(Tally::new);
        let mut first = true;
        parts.each(|data| {
            let x = quality::features(runner, &data)?;
            if first {
                note_remarks(runner, &data);
            }
            if let (Some(tally), Some(stored), Samples::Records(records)) =
                (&mut tally, &runner.front, &x)
            {
                records.iter().for_each(|r| tally.add(stored, r));
            }
            bar.inc_length(x.len() as u64);
            let shows = |rows| bar.inc(rows);
            let made = if self.gates.is_empty() {
                Predictions::outputs_alone(runner, &x, shows)
            } else {
                Predictions::make(runner, &x, None, shows)
            };
            let made = made.context("prediction")?;
            odd.add(&x, &made);
            let more = take(&self.blocks(&made), x.len(), first)?;
            first = false;
            anyhow::Ok(more)
        })?;
        bar.finish_and_clear();
        let lines = tally.map(|t| t.lines()).unwrap_or_default();
        lines.iter().for_each(|line| note(line));
        odd.note();
        Ok(())
    }

    /// The results of all parts.
    fn all(&self) -> Result<(Vec<Block>, usize)> {
        let (mut all, mut count) = (Vec::<Block>::new(), 0);
        self.each(|blocks, rows, _| {
            if all.is_empty() {
                all = blocks.iter().map(Block::without_rows).collect();
            }
            for (all, part) in all.iter_mut().zip(blocks) {
                all.data.extend(&part.data);
            }
            count += rows;
            Ok(true)
        })?;
        Ok((all, count))
    }

    fn blocks(&self, made: &Predictions) -> Vec<Block> {
        let runner = self.runner;
        let tasks = runner.tasks.iter().map(|t| Block {
            name: t.name.clone(),
            width: t.width,
            data: made
                .each()
                .flat_map(|row| row[t.range()].iter().copied())
                .collect(),
        });
        let gates = self.gates.iter().map(|(name, gate)| Block {
            name: name.clone(),
            width: runner.gates[*gate].experts.len(),
            data: made.gates[*gate].clone(),
        });
        tasks.chain(gates).collect()
    }
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

fn csv_text(blocks: &[Block], rows: usize, header: bool) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if header {
        writer.write_record(names(blocks))?;
    }
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
