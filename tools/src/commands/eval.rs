//! `mmoe eval`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe::SkipBelow;
use mmoe::blob::{NodeOp, OutputKind};
use mmoe_tools::blob::read;
use mmoe_tools::cost::{self, Cost, Steps};
use mmoe_tools::data::{Data, Rows};
use mmoe_tools::engine::{BlobBytes, Runner, Task};
use mmoe_tools::metrics::{self, RankingChange};
use serde_json::{Map, Value, json};

use super::output::{Table, count, grouped, print, progress, short};
use super::{load, read_blob};

/// Measures predictions against labels; several blobs stand side by side.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blobs.
    #[arg(value_name = "M.mmoe", required = true)]
    models: Vec<PathBuf>,
    /// `x` `[N, IN]` and for each task its labels `[N]` under its name; or CSV with the tasks'
    /// names among its columns.
    #[arg(long, value_name = "D.npz")]
    data: PathBuf,
    /// The blob whose outputs and ranking the others are compared with; the first one where there
    /// are several.
    #[arg(long, value_name = "R.mmoe")]
    reference: Option<PathBuf>,
    /// Also leave out experts that a gate weighs less than this: what it saves and what it costs.
    #[arg(long, value_name = "E1,E2", value_delimiter = ',', value_parser = epsilon)]
    skip_below: Vec<f32>,
    /// JSON: for one blob alone `{"<task>": {"auc", "log_loss"} or {"mse", "rmse"}}`, else
    /// everything.
    #[arg(long)]
    json: bool,
}

fn epsilon(text: &str) -> Result<f32, String> {
    let least = text.parse().ok().filter(|e| SkipBelow::new(*e).is_some());
    least.ok_or_else(|| "a gate weight from 0 to below 1, such as 0.02".into())
}

/// What one blob does on the rows.
pub(super) struct Evaluated {
    name: String,
    precision: &'static str,
    cost: Cost,
    /// One per task.
    pub(super) tasks: Vec<Quality>,
    /// All outputs, row-major.
    pub(super) y: Vec<f64>,
    /// Experts and multiply-accumulates that ran, on average: gates that choose leave out the
    /// others.
    run: (f64, f64),
    skipping: Vec<Skipping>,
}

/// How good one task's predictions are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Quality {
    Classes {
        auc: Option<f64>,
        log_loss: f64,
        calibration: Option<f64>,
        rmse: Option<f64>,
    },
    Numbers {
        mse: f64,
        calibration: Option<f64>,
    },
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

/// What two blobs' outputs of one task are apart.
struct Apart {
    worst: f64,
    mean: f64,
    ranking: Option<RankingChange>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let data = Data::read(&args.data)?;
    let mut evaluated = Vec::new();
    let mut outline: Option<(PathBuf, Vec<Task>, usize)> = None;
    for path in &args.models {
        let blob = read_blob(path)?;
        let mut runner = load(path, &blob)?;
        comparable(&mut outline, path, &runner)?;
        evaluated.push(evaluate(path, &blob, &mut runner, &data, &args.skip_below)?);
    }
    let Some((_, tasks, _)) = outline.clone() else {
        bail!("no blob was given")
    };
    let reference = match &args.reference {
        Some(path) => {
            let blob = read_blob(path)?;
            let mut runner = load(path, &blob)?;
            comparable(&mut outline, path, &runner)?;
            Some(evaluate(path, &blob, &mut runner, &data, &[])?)
        }
        None => None,
    };
    let against = reference
        .as_ref()
        .or(evaluated.first().filter(|_| evaluated.len() > 1));
    let alone = evaluated.len() == 1 && against.is_none() && args.skip_below.is_empty();
    print(&match (args.json, evaluated.first()) {
        (true, Some(one)) if alone => {
            to_json(&Value::Object(qualities(&tasks, &one.tasks, false)))?
        }
        (true, _) => to_json(&everything(&tasks, &evaluated, against))?,
        (false, _) => text(args, &tasks, &evaluated, against),
    })
}

/// Blobs stand side by side if they have the same inputs and tasks.
pub(super) fn comparable(
    outline: &mut Option<(PathBuf, Vec<Task>, usize)>,
    path: &Path,
    runner: &Runner<'_>,
) -> Result<()> {
    let Some((first, tasks, inputs)) = outline else {
        *outline = Some((path.to_owned(), runner.tasks.clone(), runner.model.inputs()));
        return Ok(());
    };
    let shape = |t: &[Task]| -> Vec<(String, usize)> {
        t.iter()
            .map(|t| (format!("{} ({})", t.name, t.output.name()), t.width))
            .collect()
    };
    if shape(tasks) != shape(&runner.tasks) || *inputs != runner.model.inputs() {
        let about = |t: &[Task], n: usize| {
            let tasks: Vec<String> = shape(t).into_iter().map(|(name, _)| name).collect();
            format!("{}, tasks {}", count(n, "input"), tasks.join(", "))
        };
        bail!(
            "{}: {}; {}: {}: blobs are compared task by task, so give those of one model",
            path.display(),
            about(&runner.tasks, runner.model.inputs()),
            first.display(),
            about(tasks, *inputs)
        );
    }
    Ok(())
}

/// The features of rows that have labels beside them.
pub(super) fn features(runner: &Runner<'_>, data: &Data) -> Result<Rows> {
    let labels: Vec<String> = runner
        .tasks
        .iter()
        .flat_map(|t| Data::label_columns(&t.name, label_width(t)))
        .collect();
    Ok(data.features(runner.model.inputs(), &runner.feature_names(), &labels)?)
}

/// One blob on labelled rows.
pub(super) fn evaluate(
    path: &Path,
    blob: &BlobBytes,
    runner: &mut Runner<'_>,
    data: &Data,
    skip: &[f32],
) -> Result<Evaluated> {
    let tasks = runner.tasks.clone();
    let x = features(runner, data)?;
    let labels: Vec<Vec<f32>> = tasks
        .iter()
        .map(|t| Ok(data.labels(&t.name, x.len(), label_width(t))?))
        .collect::<Result<_>>()?;
    let bar = progress("predicting");
    bar.set_length((x.len() * (1 + skip.len())) as u64);
    let steps = Steps::of(&read::split(blob.as_slice())?.0);
    let mut y = Vec::with_capacity(x.len() * runner.model.outputs());
    let (mut experts, mut macs) = (0.0, 0.0);
    for row in x.iter() {
        let (made, run) = runner.predict(row).context("prediction")?;
        y.extend(made.iter().map(|v| f64::from(*v)));
        experts += f64::from(run.experts) / x.len() as f64;
        macs += steps.macs(&weights(runner, 0.0), 0.0) as f64 / x.len() as f64;
        bar.inc(1);
    }
    let outputs = runner.model.outputs();
    let judged = |y: &[f64]| -> Result<Vec<Quality>> {
        tasks
            .iter()
            .zip(&labels)
            .map(|(t, l)| quality(t, &column(y, outputs, t), l))
            .collect()
    };
    let skipping = skip
        .iter()
        .map(|e| {
            let (made, experts, macs) = skipped(blob, runner, &x, *e, || bar.inc(1))?;
            let (worst, mean) = metrics::difference(&made, &y);
            Ok(Skipping {
                epsilon: *e,
                experts,
                macs,
                worst,
                mean,
                tasks: judged(&made)?,
            })
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    Ok(Evaluated {
        name: path.display().to_string(),
        precision: runner.precision(),
        cost: cost::cost(blob.as_slice(), &runner.model)?,
        tasks: judged(&y)?,
        y,
        run: (experts, macs),
        skipping,
    })
}

/// The experts that each gate sees, and the weights of the last prediction. Unless it was asked to
/// skip, a softmax or a sigmoid that rounds to zero counts: its expert ran.
fn weights<'r>(runner: &'r Runner<'_>, epsilon: f32) -> Vec<(&'r [usize], Vec<f32>)> {
    let of = |(g, gate): (usize, &'r mmoe_tools::engine::Gate)| {
        let mut weights = runner.gate_weights(g);
        if epsilon == 0.0 && matches!(gate.op, NodeOp::Softmax | NodeOp::Sigmoid) {
            weights
                .iter_mut()
                .for_each(|w| *w = w.max(f32::MIN_POSITIVE));
        }
        (gate.experts.as_slice(), weights)
    };
    runner.gates.iter().enumerate().map(of).collect()
}

/// Outputs without lightly weighed experts; how many experts and multiply-accumulates that takes on
/// average.
fn skipped(
    blob: &BlobBytes,
    runner: &mut Runner<'_>,
    x: &Rows,
    epsilon: f32,
    mut step: impl FnMut(),
) -> Result<(Vec<f64>, f64, f64)> {
    let steps = Steps::of(&read::split(blob.as_slice())?.0);
    let (mut y, mut experts, mut macs) = (Vec::new(), 0.0, 0.0);
    let skip = SkipBelow::new(epsilon).context("a gate weight lies in 0 to below 1")?;
    for row in x.iter() {
        let (made, run) = runner.predict_skipping(row, skip).context("prediction")?;
        y.extend(made.iter().map(|v| f64::from(*v)));
        experts += f64::from(run.experts);
        macs += steps.macs(&weights(runner, epsilon), epsilon) as f64;
        step();
    }
    let rows = x.len() as f64;
    Ok((y, experts / rows, macs / rows))
}

/// Columns of labels that a task has.
pub(super) fn label_width(t: &Task) -> usize {
    if t.output == OutputKind::Softmax {
        1
    } else {
        t.width
    }
}

/// One task's outputs, row-major.
fn column(y: &[f64], outputs: usize, t: &Task) -> Vec<f64> {
    y.chunks_exact(outputs)
        .flat_map(|r| r[t.range()].iter().copied())
        .collect()
}

/// What ranks rows: the probability of class 1, or the number itself.
pub(super) fn scores(y: &[f64], outputs: usize, t: &Task) -> Option<Vec<f64>> {
    let at = match (t.output, t.width) {
        (_, 1) => t.start,
        (OutputKind::Softmax, 2) => t.start + 1,
        _ => return None,
    };
    Some(y.chunks_exact(outputs).map(|r| r[at]).collect())
}

fn quality(t: &Task, y: &[f64], labels: &[f32]) -> Result<Quality> {
    let labels64: Vec<f64> = labels.iter().map(|l| f64::from(*l)).collect();
    if t.output == OutputKind::Linear {
        return Ok(Quality::Numbers {
            mse: metrics::mse(y, &labels64),
            calibration: metrics::calibration(y, &labels64),
        });
    }
    let classes = t.width.max(2);
    if let Some(row) = labels
        .iter()
        .position(|l| l.fract() != 0.0 || !(0.0..classes as f32).contains(l))
    {
        bail!(
            "labels of `{}`: row {row} has {}; they are whole numbers from 0 to {}",
            t.name,
            labels[row],
            classes - 1
        );
    }
    if classes == 2 {
        let p: Vec<f64> = if t.width == 1 {
            y.to_vec()
        } else {
            y.chunks_exact(2).map(|p| p[1]).collect()
        };
        let positive: Vec<bool> = labels.iter().map(|l| *l == 1.0).collect();
        return Ok(Quality::Classes {
            auc: metrics::auc(&p, &positive),
            log_loss: metrics::log_loss(
                p.iter()
                    .zip(&positive)
                    .map(|(p, l)| if *l { *p } else { 1.0 - p }),
            ),
            calibration: metrics::calibration(&p, &labels64),
            rmse: Some(metrics::mse(&p, &labels64).sqrt()),
        });
    }
    // More classes: each against the rest, on average over those that occur.
    let aucs = (0..classes).filter_map(|c| {
        let p: Vec<f64> = y.chunks_exact(classes).map(|p| p[c]).collect();
        metrics::auc(
            &p,
            &labels.iter().map(|l| *l as usize == c).collect::<Vec<_>>(),
        )
    });
    let aucs: Vec<f64> = aucs.collect();
    let given: Vec<f64> = y
        .chunks_exact(classes)
        .zip(labels)
        .map(|(p, l)| p[*l as usize])
        .collect();
    Ok(Quality::Classes {
        auc: (!aucs.is_empty()).then(|| aucs.iter().sum::<f64>() / aucs.len() as f64),
        log_loss: metrics::log_loss(given.into_iter()),
        calibration: None,
        rmse: None,
    })
}

fn apart(t: &Task, outputs: usize, a: &Evaluated, reference: &Evaluated) -> Apart {
    let (worst, mean) =
        metrics::difference(&column(&a.y, outputs, t), &column(&reference.y, outputs, t));
    let ranking = scores(&reference.y, outputs, t)
        .zip(scores(&a.y, outputs, t))
        .map(|(r, s)| metrics::ranking_change(&r, &s));
    Apart {
        worst,
        mean,
        ranking,
    }
}

fn outputs(tasks: &[Task]) -> usize {
    tasks.iter().map(|t| t.width).sum()
}

fn to_json(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Per task its figures; `all`: beyond those of one blob alone.
fn qualities(tasks: &[Task], qualities: &[Quality], all: bool) -> Map<String, Value> {
    let value = |q: &Quality| {
        let mut v = match q {
            Quality::Classes { auc, log_loss, .. } => json!({"auc": auc, "log_loss": log_loss}),
            Quality::Numbers { mse, .. } => json!({"mse": mse, "rmse": mse.sqrt()}),
        };
        if all {
            match q {
                Quality::Classes {
                    calibration, rmse, ..
                } => {
                    v["calibration"] = json!(calibration);
                    v["rmse"] = json!(rmse);
                }
                Quality::Numbers { calibration, .. } => v["calibration"] = json!(calibration),
            }
        }
        v
    };
    tasks
        .iter()
        .zip(qualities)
        .map(|(t, q)| (t.name.clone(), value(q)))
        .collect()
}

fn everything(tasks: &[Task], evaluated: &[Evaluated], against: Option<&Evaluated>) -> Value {
    let one = |e: &Evaluated| {
        let mut per_task = qualities(tasks, &e.tasks, true);
        for t in tasks {
            if let Some((v, r)) = per_task.get_mut(&t.name).zip(against) {
                let a = apart(t, outputs(tasks), e, r);
                v["worst_difference"] = json!(a.worst);
                v["mean_difference"] = json!(a.mean);
                v["ranking"] = a.ranking.map_or(
                    Value::Null,
                    |r| json!({"swapped": r.swapped, "tied": r.tied}),
                );
            }
        }
        let skipping = e.skipping.iter().map(|s| {
            json!({
                "below": s.epsilon,
                "experts_run": s.experts,
                "macs": s.macs,
                "worst_difference": s.worst,
                "mean_difference": s.mean,
                "tasks": qualities(tasks, &s.tasks, true),
            })
        });
        json!({
            "model": e.name,
            "precision": e.precision,
            "blob_bytes": e.cost.blob,
            "ram_bytes": e.cost.ram(),
            "macs": e.cost.macs,
            "experts_run": e.run.0,
            "macs_run": e.run.1,
            "tasks": per_task,
            "skip_below": skipping.collect::<Vec<_>>(),
        })
    };
    json!({
        "reference": against.map(|r| &r.name),
        "models": evaluated.iter().map(one).collect::<Vec<_>>(),
    })
}

fn optional(v: Option<f64>) -> String {
    v.map_or_else(|| "-".into(), |v| format!("{v:.5}"))
}

fn text(
    args: &Args,
    tasks: &[Task],
    evaluated: &[Evaluated],
    against: Option<&Evaluated>,
) -> String {
    let rows = evaluated
        .first()
        .map_or(0, |e| e.y.len() / outputs(tasks).max(1));
    let mut text = format!("{} of {}", count(rows, "row"), args.data.display());
    if let Some(r) = against {
        let _ = write!(text, ", compared with {}", r.name);
    }
    text.push('\n');
    for (i, t) in tasks.iter().enumerate() {
        let _ = writeln!(text, "\n{} ({})", t.name, t.output.name());
        let mut header = vec![""];
        header.extend(
            evaluated
                .first()
                .and_then(|e| e.tasks.get(i))
                .map_or(&[][..], labels),
        );
        if against.is_some() {
            header.extend(["worst diff", "mean diff", "pairs swapped", "tied"]);
        }
        let mut table = Table::new(1, &header);
        for e in evaluated {
            let mut cells = vec![e.name.clone()];
            cells.extend(e.tasks.get(i).map(figures).unwrap_or_default());
            if let Some(r) = against {
                let a = apart(t, outputs(tasks), e, r);
                cells.extend([format!("{:.2e}", a.worst), format!("{:.2e}", a.mean)]);
                let share = |v: f64| format!("{:.4} %", 100.0 * v);
                cells.extend(a.ranking.map_or([String::from("-"), "-".into()], |r| {
                    [share(r.swapped), share(r.tied)]
                }));
            }
            table.row(cells);
        }
        text += &table.text("  ");
    }
    text += "\ncost\n";
    let mut table = Table::new(
        2,
        &[
            "",
            "",
            "blob bytes",
            "RAM bytes",
            "multiply-accumulates",
            "run on average",
            "experts run",
        ],
    );
    for e in evaluated {
        let numbers = [e.cost.blob as u64, e.cost.ram() as u64, e.cost.macs].map(grouped);
        let run = [grouped(e.run.1.round() as u64), format!("{:.2}", e.run.0)];
        table.row(
            [
                vec![e.name.clone(), e.precision.into()],
                numbers.to_vec(),
                run.to_vec(),
            ]
            .concat(),
        );
    }
    text += &table.text("  ");
    for e in evaluated.iter().filter(|e| !e.skipping.is_empty()) {
        let _ = writeln!(
            text,
            "\n{} without experts that a gate weighs below",
            e.name
        );
        let mut header = vec![
            "",
            "experts run",
            "multiply-accumulates",
            "worst diff",
            "mean diff",
        ];
        let names: Vec<String> = tasks
            .iter()
            .zip(&e.tasks)
            .map(|(t, q)| format!("{} {}", t.name, q.name()))
            .collect();
        header.extend(names.iter().map(String::as_str));
        let mut table = Table::new(1, &header);
        for s in &e.skipping {
            let mut cells = vec![
                s.epsilon.to_string(),
                format!("{:.2}", s.experts),
                grouped(s.macs.round() as u64),
            ];
            cells.extend([format!("{:.2e}", s.worst), format!("{:.2e}", s.mean)]);
            cells.extend(s.tasks.iter().filter_map(|q| figures(q).into_iter().next()));
            table.row(cells);
        }
        text += &table.text("  ");
    }
    text
}

impl Quality {
    /// The name of its first figure.
    fn name(&self) -> &'static str {
        match self {
            Self::Classes { .. } => "AUC",
            Self::Numbers { .. } => "MSE",
        }
    }
}

/// What [`figures`] are called.
pub(super) fn labels(q: &Quality) -> &'static [&'static str] {
    match q {
        Quality::Numbers { .. } => &["MSE", "RMSE", "calibration"],
        Quality::Classes { .. } => &["AUC", "log loss", "calibration", "RMSE"],
    }
}

pub(super) fn figures(q: &Quality) -> Vec<String> {
    match q {
        Quality::Classes {
            auc,
            log_loss,
            calibration,
            rmse,
        } => {
            vec![
                optional(*auc),
                format!("{log_loss:.5}"),
                optional(*calibration),
                optional(*rmse),
            ]
        }
        Quality::Numbers { mse, calibration } => {
            vec![short(*mse), short(mse.sqrt()), optional(*calibration)]
        }
    }
}
