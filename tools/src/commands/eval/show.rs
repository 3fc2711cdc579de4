//! What `mmoe eval` prints.

use std::fmt::Write as _;

use mmoe_tools::engine::Task;
use mmoe_tools::quality::{Apart, Quality};
use mmoe_tools::text::{count, grouped};
use serde_json::{Map, Value, json};

use super::{Evaluated, Evaluation, Skipping};
use crate::commands::output::{Table, quality::figures, quality::names};

/// The figures of one blob, task by task.
pub(super) fn one_as_json(evaluation: &Evaluation<'_>, one: &Evaluated) -> Value {
    let tasks = &evaluation.tasks;
    let mut per_task = qualities(tasks, &one.tasks, false);
    if let Some(reference) = evaluation.reference() {
        let theirs = qualities(tasks, &reference.tasks, false);
        differences(&mut per_task, tasks, one, reference);
        for (task, figures) in theirs {
            per_task[&task]["reference"] = figures;
        }
    }
    Value::Object(per_task)
}

/// Everything about all blobs.
pub(super) fn all_as_json(evaluation: &Evaluation<'_>) -> Value {
    let tasks = &evaluation.tasks;
    let skipping = |s: &Skipping| {
        json!({
            "below": s.epsilon,
            "experts_run": s.experts,
            "macs": s.macs,
            "worst_difference": s.worst,
            "mean_difference": s.mean,
            "tasks": qualities(tasks, &s.tasks, true),
        })
    };
    let one = |e: &Evaluated| {
        let mut per_task = qualities(tasks, &e.tasks, true);
        if let Some(reference) = evaluation.reference() {
            differences(&mut per_task, tasks, e, reference);
        }
        json!({
            "model": e.name,
            "precision": e.precision,
            "blob_bytes": e.cost.blob,
            "ram_bytes": e.cost.ram(),
            "macs": e.cost.macs,
            "experts_run": e.predictions.experts_run(),
            "macs_run": e.macs_run,
            "tasks": per_task,
            "skip_below": e.skipping.iter().map(skipping).collect::<Vec<_>>(),
        })
    };
    json!({
        "reference": evaluation.reference().map(|r| &r.name),
        "models": evaluation.all.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Adds to each task how far it is from the reference.
fn differences(
    per_task: &mut Map<String, Value>,
    tasks: &[Task],
    one: &Evaluated,
    reference: &Evaluated,
) {
    for t in tasks {
        let Some(v) = per_task.get_mut(&t.name) else {
            continue;
        };
        let apart = Apart::of(t, &one.predictions, &reference.predictions);
        v["worst_difference"] = json!(apart.worst);
        v["mean_difference"] = json!(apart.mean);
        v["ranking"] = apart.ranking.map_or(
            Value::Null,
            |r| json!({"swapped": r.swapped, "tied": r.tied}),
        );
    }
}

/// Per task its figures; `all`: beyond those of one blob alone.
fn qualities(tasks: &[Task], qualities: &[Quality], all: bool) -> Map<String, Value> {
    let value = |q: &Quality| {
        let mut v = match q {
            Quality::Classes { auc, log_loss, .. } => json!({"auc": auc, "log_loss": log_loss}),
            Quality::Numbers { mse, .. } => json!({"mse": mse, "rmse": mse.sqrt()}),
        };
        if q.labels().present < q.labels().all {
            v["labels"] = json!(q.labels().present);
        }
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

/// The same for people.
pub(super) fn text(evaluation: &Evaluation<'_>) -> String {
    let Evaluation { tasks, all, .. } = evaluation;
    let against = evaluation.reference();
    let rows = all.first().map_or(0, |e| e.predictions.rows);
    let mut text = format!("{} of {}", count(rows, "row"), evaluation.data.display());
    if let Some(r) = against {
        let _ = write!(text, ", compared with {}", r.name);
    }
    text.push('\n');
    for (i, t) in tasks.iter().enumerate() {
        let labels = all
            .first()
            .and_then(|e| e.tasks.get(i))
            .map(Quality::labels);
        let some = labels
            .filter(|l| l.present < l.all)
            .map_or_else(String::new, |l| {
                format!(
                    ", {} of {} labels, the others are missing",
                    l.present, l.all
                )
            });
        let _ = writeln!(text, "\n{} ({}){some}", t.name, t.output.name());
        let mut header = vec![""];
        header.extend(
            all.first()
                .and_then(|e| e.tasks.get(i))
                .map_or(&[][..], names),
        );
        if against.is_some() {
            header.extend(["worst diff", "mean diff", "pairs swapped", "tied"]);
        }
        let mut table = Table::new(1, &header);
        for e in all {
            let mut cells = vec![e.name.clone()];
            cells.extend(e.tasks.get(i).map(figures).unwrap_or_default());
            if let Some(r) = against {
                let a = Apart::of(t, &e.predictions, &r.predictions);
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
    for e in all {
        let numbers = [e.cost.blob as u64, e.cost.ram() as u64, e.cost.macs].map(grouped);
        let run = [
            grouped(e.macs_run.round() as u64),
            format!("{:.2}", e.predictions.experts_run()),
        ];
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
    for e in all.iter().filter(|e| !e.skipping.is_empty()) {
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
            .map(|(t, q)| format!("{} {}", t.name, names(q)[0]))
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
