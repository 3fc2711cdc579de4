//! `mmoe eval`.

mod show;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe::SkipBelow;
use mmoe_tools::cost::{self, Cost, NodeWork};
use mmoe_tools::data::{Data, Samples};
use mmoe_tools::engine::{Runner, Task};
use mmoe_tools::metrics;
use mmoe_tools::predictions::Predictions;
use mmoe_tools::quality::{self, Quality};
use mmoe_tools::text::count;
use same_file::is_same_file;

use super::CheckFailed;
use super::input::{features, load, note_odd_numbers, read_blob};
use super::output::{print, print_json, progress};

/// Measures predictions against labels, for one blob or for several side by side.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blobs to evaluate.
    #[arg(value_name = "M.mmoe", required = true)]
    models: Vec<PathBuf>,
    /// Labelled rows: `x` `[N, IN]`, and the labels `[N]` of each task under its name; or CSV with
    /// the names of the tasks among its columns.
    #[arg(long, visible_alias = "input", value_name = "D.npz")]
    data: PathBuf,
    /// The array or column that says how much each row counts.
    #[arg(long, value_name = "NAME")]
    weights: Option<String>,
    /// The blob whose outputs and ranking the others are compared with. Where there are several
    /// blobs, the default is the first one.
    #[arg(long, value_name = "R.mmoe")]
    reference: Option<PathBuf>,
    /// Also evaluate without the experts that a gate weighs less than this, to see what that saves
    /// and costs.
    #[arg(long, value_name = "E1,E2", value_delimiter = ',', value_parser = epsilon)]
    skip_below: Vec<f32>,
    /// Print JSON. For one blob it is `{"<task>": {"auc", "log_loss"} or {"mse", "rmse"}}`. A
    /// reference adds its own figures under `"reference"`, and the differences to each task. For
    /// several blobs, or with --skip-below, it is `{"reference": …, "models": […]}`.
    #[arg(long)]
    json: bool,
}

fn epsilon(text: &str) -> Result<f32, String> {
    let least = text.parse().ok().filter(|e| SkipBelow::new(*e).is_some());
    least.ok_or_else(|| "a gate weight from 0 to below 1, such as 0.02".into())
}

/// What one blob does on the rows.
struct Evaluated {
    name: String,
    precision: &'static str,
    cost: Cost,
    /// One per task.
    tasks: Vec<Quality>,
    predictions: Predictions,
    /// Multiply-accumulates that ran, on average: gates that choose leave out the others.
    macs_run: f64,
    skipping: Vec<Skipping>,
}

/// What leaving experts out does.
struct Skipping {
    epsilon: f32,
    experts: f64,
    macs: f64,
    worst: f64,
    mean: f64,
    tasks: Vec<Quality>,
}

/// Everything that is shown.
struct Evaluation<'a> {
    data: &'a Path,
    tasks: Vec<Task>,
    /// The blobs in the order given, a reference that is none of them last.
    all: Vec<Evaluated>,
    /// Which of them is the reference.
    reference: Option<usize>,
}

impl Evaluation<'_> {
    fn reference(&self) -> Option<&Evaluated> {
        self.reference.and_then(|i| self.all.get(i))
    }
}

pub(super) fn run(args: &Args) -> Result<()> {
    let mut data = Data::read(&args.data)?;
    let weights = match &args.weights {
        Some(name) => Some(data.take_weights(name)?),
        None => None,
    };
    let same = |path: &Path, other: &Path| is_same_file(path, other).unwrap_or(false);
    let among = |path: &PathBuf| args.models.iter().position(|m| same(path, m));
    let apart = args.reference.iter().filter(|path| among(path).is_none());
    let mut all = Vec::new();
    let mut first: Option<(&Path, Vec<Task>, usize)> = None;
    for path in args.models.iter().chain(apart) {
        let blob = read_blob(path)?;
        let runner = load(path, &blob)?;
        let x = match &first {
            None => features(&runner, &data)?,
            Some((name, tasks, inputs)) => {
                quality::comparable((path, &runner), (name, tasks, *inputs))?;
                quality::features(&runner, &data)?
            }
        };
        let skip = if all.len() < args.models.len() {
            args.skip_below.as_slice()
        } else {
            &[]
        };
        let cost = cost::cost(&runner.model);
        let one = evaluate(
            path,
            cost,
            &NodeWork::of(runner.model.blob()),
            &runner,
            &x,
            (&data, weights.as_deref()),
            skip,
        )?;
        if let Some(weights) = &weights
            && weights.len() != x.len()
        {
            bail!(
                "{}: {} weights, and {} rows: each row has one",
                args.data.display(),
                weights.len(),
                x.len()
            );
        }
        let broken = one.predictions.broken(&x);
        if broken > 0 {
            return Err(CheckFailed(format!(
                "{}: the outputs of {}, whose features are finite, are NaN or infinite; no figure \
                 would mean anything",
                path.display(),
                count(broken, "row")
            ))
            .into());
        }
        if first.is_none() {
            note_odd_numbers(&x, &one.predictions);
            first = Some((path, runner.tasks.clone(), runner.model.inputs()));
        }
        all.push(one);
    }
    let Some((_, tasks, _)) = first else {
        bail!("no blob was given")
    };
    let reference = match &args.reference {
        Some(path) => Some(among(path).unwrap_or(args.models.len())),
        None => (args.models.len() > 1).then_some(0),
    };
    let evaluation = Evaluation {
        data: &args.data,
        tasks,
        all,
        reference,
    };
    match evaluation.all.first() {
        Some(one) if args.json && args.models.len() == 1 && args.skip_below.is_empty() => {
            print_json(&show::one_as_json(&evaluation, one))
        }
        _ if args.json => print_json(&show::all_as_json(&evaluation)),
        _ => print(&show::text(&evaluation)),
    }
}

/// One blob on labelled rows.
fn evaluate(
    path: &Path,
    cost: Cost,
    work: &NodeWork,
    runner: &Runner<'_>,
    x: &Samples,
    (data, weights): (&Data, Option<&[f32]>),
    skip: &[f32],
) -> Result<Evaluated> {
    let tasks = runner.tasks.clone();
    let bar = progress("predicting");
    bar.set_length((x.len() * (1 + skip.len())) as u64);
    let predict = |runner: &Runner<'_>, skip: Option<SkipBelow>| {
        Predictions::make(runner, x, skip, |rows| bar.inc(rows)).context("prediction")
    };
    let predictions = predict(runner, None)?;
    let wide = |p: &Predictions| -> Vec<f64> { p.outputs.iter().map(|v| f64::from(*v)).collect() };
    let mut skipping = Vec::new();
    for epsilon in skip {
        let least = SkipBelow::new(*epsilon).context("a gate weight lies in 0 to below 1")?;
        let made = predict(runner, Some(least))?;
        let (worst, mean) = metrics::difference(&wide(&made), &wide(&predictions));
        skipping.push(Skipping {
            epsilon: *epsilon,
            experts: made.experts_run(),
            macs: made.macs(runner, work, *epsilon),
            worst,
            mean,
            tasks: quality::judge(&tasks, &made, data, weights)?,
        });
    }
    bar.finish_and_clear();
    Ok(Evaluated {
        name: path.display().to_string(),
        precision: runner.precision(),
        cost,
        tasks: quality::judge(&tasks, &predictions, data, weights)?,
        macs_run: predictions.macs(runner, work, 0.0),
        predictions,
        skipping,
    })
}
