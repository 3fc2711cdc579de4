//! `mmoe eval`.

mod show;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use mmoe::SkipBelow;
use mmoe_tools::cost::{self, Cost, NodeWork};
use mmoe_tools::data::{Parts, Samples};
use mmoe_tools::engine::{Runner, Task};
use mmoe_tools::metrics;
use mmoe_tools::predictions::Predictions;
use mmoe_tools::quality::{self, Quality};
use mmoe_tools::text::count;
use same_file::is_same_file;

use super::CheckFailed;
use super::input::{OddNumbers, features, load, read_blob};
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
    let same = |path: &Path, other: &Path| is_same_file(path, other).unwrap_or(false);
    let among = |path: &PathBuf| args.models.iter().position(|m| same(path, m));
    let apart = args.reference.iter().filter(|path| among(path).is_none());
    let blobs = args
        .models
        .iter()
        .chain(apart)
        .map(|path| Ok((path, read_blob(path)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut each = Vec::new();
    for (path, blob) in &blobs {
        let skip = if each.len() < args.models.len() {
            args.skip_below.as_slice()
        } else {
            &[]
        };
        each.push(Each::new(path, load(path, blob)?, skip));
    }
    let Some((one, others)) = each.split_first() else {
        bail!("no blob was given")
    };
    let tasks = one.runner.tasks.clone();
    for other in others {
        let inputs = one.runner.model.inputs();
        quality::comparable((other.path, &other.runner), (one.path, &tasks, inputs))?;
    }
    let labels = predict(args, &mut each, &tasks)?;
    let all = each
        .into_iter()
        .map(|one| one.judged(&labels))
        .collect::<Result<_>>()?;
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

/// The labels of all rows, and how much each row counts.
struct Labels {
    /// Task by task.
    of_tasks: Vec<Vec<f32>>,
    weights: Option<Vec<f32>>,
}

/// The outputs of one way to run a blob, and the multiply-accumulates of all rows.
struct Outputs {
    made: Predictions,
    macs: f64,
}

impl Outputs {
    fn none(runner: &Runner<'_>) -> Self {
        let made = Predictions::none(runner);
        Self { made, macs: 0.0 }
    }

    /// Adds a part of the rows.
    fn add(&mut self, runner: &Runner<'_>, work: &NodeWork, least: f32, part: Predictions) {
        self.macs += part.macs(runner, work, least) * part.rows as f64;
        self.made.extend(part);
    }

    fn macs_of_a_row(&self) -> f64 {
        self.macs / self.made.rows.max(1) as f64
    }
}

/// One blob as its rows pass by.
struct Each<'a> {
    path: &'a Path,
    runner: Runner<'a>,
    work: NodeWork,
    all: Outputs,
    /// The same without experts that gates weigh less than these.
    skipped: Vec<(f32, Outputs)>,
    /// Rows of finite features with outputs that are not.
    broken: usize,
}

impl<'a> Each<'a> {
    fn new(path: &'a Path, runner: Runner<'a>, skip: &[f32]) -> Self {
        let none = || Outputs::none(&runner);
        Self {
            path,
            work: NodeWork::of(runner.model.blob()),
            all: none(),
            skipped: skip.iter().map(|epsilon| (*epsilon, none())).collect(),
            broken: 0,
            runner,
        }
    }

    /// Predicts some rows more.
    fn add(&mut self, x: &Samples, odd: &mut OddNumbers, bar: &ProgressBar) -> Result<()> {
        let runner = &self.runner;
        let predict = |skip: Option<SkipBelow>| {
            Predictions::make(runner, x, skip, |rows| bar.inc(rows)).context("prediction")
        };
        bar.inc_length((x.len() * (1 + self.skipped.len())) as u64);
        let made = predict(None)?;
        odd.add(x, &made);
        self.broken += made.broken(x);
        self.all.add(runner, &self.work, 0.0, made);
        for (epsilon, to) in &mut self.skipped {
            let least = SkipBelow::new(*epsilon).context("a gate weight lies in 0 to below 1")?;
            to.add(runner, &self.work, *epsilon, predict(Some(least))?);
        }
        Ok(())
    }

    /// What its outputs are worth.
    fn judged(self, labels: &Labels) -> Result<Evaluated> {
        if self.broken > 0 {
            return Err(CheckFailed(format!(
                "{}: the outputs of {}, whose features are finite, are NaN or infinite; no figure \
                 would mean anything",
                self.path.display(),
                count(self.broken, "row")
            ))
            .into());
        }
        let judge = |made: &Predictions| {
            let weights = labels.weights.as_deref();
            quality::judge(&self.runner.tasks, made, &labels.of_tasks, weights)
        };
        let wide =
            |p: &Predictions| -> Vec<f64> { p.outputs.iter().map(|v| f64::from(*v)).collect() };
        let mut skipping = Vec::new();
        for (epsilon, it) in &self.skipped {
            let (worst, mean) = metrics::difference(&wide(&it.made), &wide(&self.all.made));
            skipping.push(Skipping {
                epsilon: *epsilon,
                experts: it.made.experts_run(),
                macs: it.macs_of_a_row(),
                worst,
                mean,
                tasks: judge(&it.made)?,
            });
        }
        Ok(Evaluated {
            name: self.path.display().to_string(),
            precision: self.runner.precision(),
            cost: cost::cost(&self.runner.model),
            tasks: judge(&self.all.made)?,
            macs_run: self.all.macs_of_a_row(),
            predictions: self.all.made,
            skipping,
        })
    }
}

/// Runs every blob on the rows, of which nothing but outputs and labels is kept.
fn predict(args: &Args, each: &mut [Each<'_>], tasks: &[Task]) -> Result<Labels> {
    let mut labels = Labels {
        of_tasks: vec![Vec::new(); tasks.len()],
        weights: args.weights.as_ref().map(|_| Vec::new()),
    };
    let bar = progress("predicting");
    let mut odd = OddNumbers::default();
    let records = each.iter().any(|one| one.runner.front().is_some());
    let mut noted = false;
    Parts::open(&args.data, records)?.each(|mut data| {
        let weighed = match &args.weights {
            Some(name) => Some(data.take_weights(name)?),
            None => None,
        };
        let mut rows = 0;
        for (i, one) in each.iter_mut().enumerate() {
            let x = if noted {
                quality::features(&one.runner, &data)?
            } else {
                features(&one.runner, &data)?
            };
            noted = true;
            if i == 0 {
                rows = x.len();
                one.add(&x, &mut odd, &bar)?;
            } else {
                // What is odd about the rows is said once.
                one.add(&x, &mut OddNumbers::default(), &bar)?;
            }
        }
        let more = quality::labels(tasks, &data, rows)?;
        for (all, more) in labels.of_tasks.iter_mut().zip(more) {
            all.extend(more);
        }
        if let (Some(all), Some(weighed)) = (&mut labels.weights, weighed) {
            if weighed.len() != rows {
                bail!(
                    "{}: {} weights, and {rows} rows: each row has one",
                    args.data.display(),
                    weighed.len()
                );
            }
            all.extend(weighed);
        }
        Ok(true)
    })?;
    bar.finish_and_clear();
    // Numbers that are not finite are worth a note where the outputs are judged at all.
    if each.iter().all(|one| one.broken == 0) {
        odd.note();
    }
    Ok(labels)
}
