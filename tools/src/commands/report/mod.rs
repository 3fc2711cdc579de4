//! `mmoe report`: one page about one blob.

mod chart;
mod drawing;
mod page;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe_tools::blob::read::{self, ReadError};
use mmoe_tools::cost::cores::{CORES, Estimate, Measurements};
use mmoe_tools::cost::{self, Cost};
use mmoe_tools::data::{Data, Samples};
use mmoe_tools::engine::{BlobBytes, Runner, Task};
use mmoe_tools::front::Tally;
use mmoe_tools::gate_stats::Gating;
use mmoe_tools::graph::{Graph, Layer};
use mmoe_tools::predictions::Predictions;
use mmoe_tools::quality::{self, Apart};
use mmoe_tools::self_test::{self, CheckError};
use mmoe_tools::text::shown;

use super::input::{features, load, note_odd_numbers, predict, read_blob};
use super::output::{Target, print};

/// Writes one self-contained HTML page about a blob: what it is, what it costs, how good its
/// predictions are, and how its gates use the experts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob to report on.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// Rows, as for `run` and `eval`. They add how the gates use the experts, and differences from
    /// the reference. Labels among them add quality and calibration.
    #[arg(long, value_name = "D.npz")]
    data: Option<PathBuf>,
    /// The same, without looking for labels. Use it where the arrays with the names of the tasks are
    /// something else, such as a framework's outputs.
    #[arg(long, value_name = "X", conflicts_with = "data")]
    input: Option<PathBuf>,
    /// The F32 blob to compare the model with. It adds differences, and histograms for an integer
    /// model.
    #[arg(long, value_name = "F32.mmoe")]
    reference: Option<PathBuf>,
    /// Where to write the page.
    #[arg(short, long, value_name = "OUT.html")]
    output: PathBuf,
}

/// Everything that the page shows.
struct Report<'a> {
    path: &'a Path,
    runner: &'a Runner<'a>,
    cost: &'a Cost,
    /// How many rows its own self-test has, and whether they pass; `None` without.
    self_test: Option<Result<u32, String>>,
    /// Per core and level.
    estimates: Vec<(&'static str, &'static str, Estimate)>,
    /// Rows that it was run on, and where they come from.
    rows: Option<(usize, String)>,
    gating: Option<(Gating, f64)>,
    /// What the values of records were.
    tally: Option<Tally>,
    /// On labelled rows.
    quality: Option<Quality>,
    against: Option<Against>,
    layers: Option<Histograms>,
}

/// How good the model is.
struct Quality {
    /// One per task.
    judged: Vec<quality::Quality>,
    /// Per task with a probability or one number: calibration curve.
    curves: Vec<(String, chart::Curve)>,
}

/// Differences from the reference.
struct Against {
    name: String,
    /// How good the reference is, one per task.
    judged: Option<Vec<quality::Quality>>,
    /// The differences, one per task.
    tasks: Vec<Apart>,
}

/// What the layers of the float model hold and make.
struct Histograms {
    /// Whose they are.
    of: String,
    /// Name, weights, and outputs on the rows.
    layers: Vec<(String, chart::Histogram, Option<chart::Histogram>)>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let target = args.target()?;
    let blob = read_blob(&args.model)?;
    let runner = load(&args.model, &blob)?;
    let cost = cost::cost(&runner.model);
    let rows = match args.data.as_ref().or(args.input.as_ref()) {
        Some(path) => {
            let data = Data::read(path)?;
            let x = features(&runner, &data)?;
            let made = predict(&runner, &x)?;
            note_odd_numbers(&x, &made);
            Some((path, data, x, made))
        }
        None => None,
    };
    let quality = match &rows {
        Some((_, data, _, made)) if args.data.is_some() => quality(&runner.tasks, data, made)?,
        _ => None,
    };
    let reference = args
        .reference
        .as_ref()
        .map(|path| read_blob(path).map(|b| (path, b)))
        .transpose()?;
    let against = match &reference {
        Some((path, bytes)) => {
            let other = load(path, bytes)?;
            quality::comparable(
                (path, &other),
                (&args.model, &runner.tasks, runner.model.inputs()),
            )?;
            rows.as_ref()
                .map(|(_, data, x, made)| {
                    let labels = quality.is_some().then_some(data);
                    against(path, &other, labels, x, made)
                })
                .transpose()?
        }
        None => None,
    };
    let layers = layers(
        args,
        &blob,
        reference.as_ref().map(|(path, b)| (path.as_path(), b)),
        rows.as_ref().map(|(_, _, x, _)| x),
    )?;
    let measured = Measurements::built_in();
    let mut estimates = Vec::new();
    for level in ["3", "s"] {
        for (core, name) in CORES {
            estimates.extend(
                measured
                    .estimate(core, level, runner.model.blob(), &cost)
                    .map(|e| (name, level, e)),
            );
        }
    }
    let self_test = match self_test::check(&runner.model) {
        Err(CheckError::Engine(mmoe::SelfTestError::Missing)) => None,
        other => Some(other.map_err(|e| e.to_string())),
    };
    let gating = rows
        .as_ref()
        .filter(|_| !runner.gates.is_empty())
        .map(|(_, _, _, made)| (made.gating(&runner), made.experts_run()));
    let tally = match (&runner.front, &rows) {
        (Some(stored), Some((_, _, Samples::Records(records), _))) => {
            Some(Tally::of(stored, records))
        }
        _ => None,
    };
    let report = Report {
        path: &args.model,
        runner: &runner,
        cost: &cost,
        self_test,
        estimates,
        rows: rows
            .as_ref()
            .map(|(path, _, x, _)| (x.len(), path.display().to_string())),
        gating,
        tally,
        quality,
        against,
        layers,
    };
    // Names come out of files: nothing in them turns the text around or hides in it.
    target.write(shown(&page::page(&report).into_string()).as_bytes())?;
    print(&format!("wrote {}\n", args.output.display()))
}

impl Args {
    fn target(&self) -> Result<Target> {
        let ending = self.output.extension().and_then(|e| e.to_str());
        if !ending.is_some_and(|e| ["html", "htm"].contains(&e.to_ascii_lowercase().as_str())) {
            bail!(
                "{}: a report is a page of HTML (a browser prints it to PDF); name it {}",
                self.output.display(),
                self.output.with_extension("html").display()
            );
        }
        let inputs = [
            ("the blob", Some(&self.model)),
            ("the data", self.data.as_ref().or(self.input.as_ref())),
            ("the reference", self.reference.as_ref()),
        ];
        let given = inputs
            .into_iter()
            .filter_map(|(what, p)| Some((what, p?.as_path())));
        Target::new(&self.output, given)
    }
}

/// How good the model is, where the rows have labels.
fn quality(tasks: &[Task], data: &Data, made: &Predictions) -> Result<Option<Quality>> {
    let labelled = |t: &Task| data.has_labels(&t.name, quality::label_width(t));
    if !tasks.iter().any(labelled) {
        return Ok(None);
    }
    let judged = quality::judge(tasks, made, &quality::labels(tasks, data, made.rows)?, None)?;
    let mut curves = Vec::new();
    for task in tasks {
        let labels = data.labels(&task.name, made.rows, quality::label_width(task))?;
        if let Some(scores) = quality::scores(made, task).filter(|s| s.len() == labels.len()) {
            let pairs = scores
                .into_iter()
                .zip(labels.iter().map(|l| f64::from(*l)))
                .filter(|(_, label)| !label.is_nan())
                .collect();
            curves.push((task.name.clone(), chart::Curve::new(pairs)));
        }
    }
    Ok(Some(Quality { judged, curves }))
}

fn against(
    path: &Path,
    other: &Runner<'_>,
    labels: Option<&Data>,
    x: &Samples,
    made: &Predictions,
) -> Result<Against> {
    let theirs = predict(other, x).context("the reference")?;
    let judged = labels.map(|data| {
        let labels = quality::labels(&other.tasks, data, theirs.rows)?;
        quality::judge(&other.tasks, &theirs, &labels, None)
    });
    Ok(Against {
        name: path.display().to_string(),
        judged: judged.transpose()?,
        tasks: other
            .tasks
            .iter()
            .map(|t| Apart::of(t, made, &theirs))
            .collect(),
    })
}

/// So many rows are enough for a histogram.
const SHOWN: usize = 512;

/// Histograms of the blob's own float weights, or of the reference's.
fn layers(
    args: &Args,
    blob: &BlobBytes,
    reference: Option<(&Path, &BlobBytes)>,
    x: Option<&Samples>,
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
    for row in x.into_iter().flat_map(Samples::iter).take(SHOWN) {
        let row = row.vector(graph.front.as_ref())?;
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
        Layer::Affine { gain, .. } | Layer::Norm { gain, .. } | Layer::Dice { gain, .. } => gain,
        Layer::PRelu { slope } => slope,
        Layer::Constant { .. } | Layer::Pointwise { .. } | Layer::RowDice { .. } => return None,
    };
    Some(numbers.iter().map(|v| f64::from(*v)))
}
