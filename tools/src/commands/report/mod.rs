//! `mmoe report`: one page about one blob.

mod chart;
mod drawing;
mod page;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mmoe_tools::blob::message::Header;
use mmoe_tools::blob::read::{self, ReadError};
use mmoe_tools::cost::cores::{CORES, Estimate, Measurements};
use mmoe_tools::cost::{self, Cost};
use mmoe_tools::data::{Data, Rows};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::gate_stats::Gating;
use mmoe_tools::graph::{Graph, Layer};
use mmoe_tools::self_test;

use super::eval::{self, Evaluated};
use super::output::{print, write_whole};
use super::{gates, load, read_blob};

/// Writes one self-contained HTML page about a blob: what it is, what it costs, how good it is,
/// what its gates do.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// Rows of features, as for `run`: adds what the gates do, and differences from the reference.
    #[arg(long, value_name = "X", conflicts_with = "data")]
    input: Option<PathBuf>,
    /// Rows with labels, as for `eval`: adds quality and calibration as well.
    #[arg(long, value_name = "D.npz")]
    data: Option<PathBuf>,
    /// The F32 blob that the model is held against: adds differences, and histograms for an
    /// integer model.
    #[arg(long, value_name = "F32.mmoe")]
    reference: Option<PathBuf>,
    /// The page.
    #[arg(short, long, value_name = "OUT.html")]
    output: PathBuf,
}

/// Everything that the page shows.
struct Report<'a> {
    path: &'a Path,
    runner: &'a Runner<'a>,
    header: &'a Header,
    cost: &'a Cost,
    /// How many rows its own self-test has, and whether they pass; `None` without.
    self_test: Option<Result<u32, String>>,
    /// Per core and level.
    estimates: Vec<(&'static str, &'static str, Estimate)>,
    /// Rows that it was run on, and where they come from.
    rows: Option<(usize, String)>,
    gating: Option<(Gating, f64)>,
    /// On labelled rows.
    quality: Option<Quality>,
    against: Option<Against>,
    layers: Option<Histograms>,
}

/// How good the model is, and the labels that say so.
struct Quality {
    evaluated: Evaluated,
    /// Per task with a probability or one number: calibration curve.
    curves: Vec<(String, chart::Curve)>,
}

/// Differences from the reference.
struct Against {
    name: String,
    /// Per task: worst and mean difference.
    tasks: Vec<(f64, f64)>,
}

/// What the layers of the float model hold and make.
struct Histograms {
    /// Whose they are.
    of: String,
    /// Name, weights, and outputs on the rows.
    layers: Vec<(String, chart::Histogram, Option<chart::Histogram>)>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let blob = read_blob(&args.model)?;
    let mut runner = load(&args.model, &blob)?;
    let (header, _) = read::split(blob.as_slice())?;
    let cost = cost::cost(blob.as_slice(), &runner.model)?;
    let rows = match (&args.input, &args.data) {
        (Some(path), _) => Some((
            Data::read(path)?.features(runner.model.inputs(), &runner.feature_names(), &[])?,
            path,
        )),
        (_, Some(path)) => Some((eval::features(&runner, &Data::read(path)?)?, path)),
        _ => None,
    };
    let gating = match &rows {
        Some((x, _)) if !runner.gates.is_empty() => Some(gates::gather(&mut runner, x)?),
        _ => None,
    };
    let quality = args
        .data
        .as_ref()
        .map(|path| quality(&args.model, &blob, &mut runner, &Data::read(path)?))
        .transpose()?;
    let reference = args
        .reference
        .as_ref()
        .map(|path| read_blob(path).map(|b| (path, b)))
        .transpose()?;
    let against = match &reference {
        Some((path, bytes)) => {
            let mut other = load(path, bytes)?;
            eval::comparable(
                &mut Some((
                    args.model.clone(),
                    runner.tasks.clone(),
                    runner.model.inputs(),
                )),
                path,
                &other,
            )?;
            rows.as_ref()
                .map(|(x, _)| against(path, &mut runner, &mut other, x))
                .transpose()?
        }
        None => None,
    };
    let layers = layers(
        args,
        &blob,
        reference.as_ref().map(|(path, b)| (path.as_path(), b)),
        rows.as_ref().map(|(x, _)| x),
    )?;
    let measured = Measurements::built_in();
    let mut estimates = Vec::new();
    for level in ["3", "s"] {
        for (core, name) in CORES {
            estimates.extend(
                measured
                    .estimate(core, level, &header, &cost)
                    .map(|e| (name, level, e)),
            );
        }
    }
    let self_test = match self_test::check(&runner.model) {
        Err(mmoe::SelfTestError::Missing) => None,
        other => Some(other.map_err(|e| e.to_string())),
    };
    let report = Report {
        path: &args.model,
        runner: &runner,
        header: &header,
        cost: &cost,
        self_test,
        estimates,
        rows: rows
            .as_ref()
            .map(|(x, path)| (x.len(), path.display().to_string())),
        gating,
        quality,
        against,
        layers,
    };
    write_whole(&args.output, page::page(&report).into_string().as_bytes())?;
    print(&format!("wrote {}\n", args.output.display()))
}

fn quality(path: &Path, blob: &BlobBytes, runner: &mut Runner<'_>, data: &Data) -> Result<Quality> {
    let evaluated = eval::evaluate(path, blob, runner, data, &[])?;
    let outputs = runner.model.outputs();
    let mut curves = Vec::new();
    for task in &runner.tasks {
        let labels = data.labels(
            &task.name,
            evaluated.y.len() / outputs,
            eval::label_width(task),
        )?;
        if let Some(scores) =
            eval::scores(&evaluated.y, outputs, task).filter(|s| s.len() == labels.len())
        {
            let pairs = scores
                .into_iter()
                .zip(labels.iter().map(|l| f64::from(*l)))
                .collect();
            curves.push((task.name.clone(), chart::Curve::new(pairs)));
        }
    }
    Ok(Quality { evaluated, curves })
}

fn against(
    path: &Path,
    runner: &mut Runner<'_>,
    other: &mut Runner<'_>,
    x: &Rows,
) -> Result<Against> {
    let mut sums = vec![(0.0f64, 0.0f64); runner.tasks.len()];
    for row in x.iter() {
        let ours = runner.predict(row).context("prediction")?.0.to_vec();
        let (theirs, _) = other.predict(row).context("prediction of the reference")?;
        for (task, (worst, mean)) in runner.tasks.iter().zip(&mut sums) {
            for (a, b) in ours[task.range()].iter().zip(&theirs[task.range()]) {
                let d = f64::from((a - b).abs());
                *worst = worst.max(d);
                *mean += d / (x.len() * task.width) as f64;
            }
        }
    }
    Ok(Against {
        name: path.display().to_string(),
        tasks: sums,
    })
}

/// So many rows are enough for a histogram.
const SHOWN: usize = 512;

/// Histograms of the blob's own float weights, or of the reference's.
fn layers(
    args: &Args,
    blob: &BlobBytes,
    reference: Option<(&Path, &BlobBytes)>,
    x: Option<&Rows>,
) -> Result<Option<Histograms>> {
    let (graph, of) = match read::graph(blob.as_slice()) {
        Ok(graph) => (graph, args.model.display().to_string()),
        Err(ReadError::Integer) => match reference {
            None => return Ok(None),
            Some((path, bytes)) => match read::graph(bytes.as_slice()) {
                Ok(graph) => (graph, path.display().to_string()),
                Err(ReadError::Integer) => return Ok(None),
                Err(e) => return Err(e.into()),
            },
        },
        Err(e) => return Err(e.into()),
    };
    let mut made: Vec<Vec<f64>> =
        vec![Vec::new(); graph.nodes.iter().map(|n| n.layers.len()).sum()];
    for row in x.into_iter().flat_map(Rows::iter).take(SHOWN) {
        let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
        for (all, values) in made.iter_mut().zip(mmoe_tools::eval::layers(&graph, &row)) {
            all.extend(values);
        }
    }
    let named = graph.nodes.iter().enumerate().flat_map(|(n, node)| {
        node.layers
            .iter()
            .enumerate()
            .map(move |(l, layer)| (n, l, layer))
    });
    let layers = named.zip(&made).filter_map(|((n, l, layer), made)| {
        let weights = weights(layer)?;
        Some((
            name(&graph, n, l),
            chart::Histogram::new(weights),
            (!made.is_empty()).then(|| chart::Histogram::new(made.iter().copied())),
        ))
    });
    Ok(Some(Histograms {
        of,
        layers: layers.collect(),
    }))
}

fn name(graph: &Graph, node: usize, layer: usize) -> String {
    format!("{}, layer {layer}", graph.node_name(node))
}

/// The numbers that a layer multiplies by; nothing for a constant gate.
fn weights(layer: &Layer) -> Option<impl Iterator<Item = f64> + Clone> {
    let numbers = match layer {
        Layer::Dense(d) => &d.weight,
        Layer::Affine { gain, .. } | Layer::LayerNorm { gain, .. } => gain,
        Layer::PRelu { slope } => slope,
        Layer::Constant { .. } => return None,
    };
    Some(numbers.iter().map(|v| f64::from(*v)))
}
