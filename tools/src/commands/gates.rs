//! `mmoe gates`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use mmoe_tools::data::Data;
use mmoe_tools::engine::{Gate, Runner};
use mmoe_tools::gate_stats::{GateStats, Gating};
use mmoe_tools::text::count;
use serde_json::{Value, json};

use super::input::{features, load, note_odd_numbers, predict, read_blob};
use super::output::{Table, print, print_json};

/// Shows how each task's gate uses the experts on given rows.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob to run.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// Rows of features, as for `run`.
    #[arg(long, visible_alias = "input", value_name = "X")]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let blob = read_blob(&args.model)?;
    let runner = load(&args.model, &blob)?;
    if runner.gates.is_empty() {
        bail!("{}: has no gates", args.model.display());
    }
    let x = features(&runner, &Data::read(&args.data)?)?;
    let made = predict(&runner, &x)?;
    let (gating, average) = (made.gating(&runner), made.experts_run());
    note_odd_numbers(&x, &made);
    if args.json {
        print_json(&json(&runner, &gating, x.len(), average))
    } else {
        print(&text(args, &runner, &gating, x.len(), average))
    }
}

fn text(args: &Args, runner: &Runner<'_>, gating: &Gating, rows: usize, average: f64) -> String {
    let mut text = format!(
        "{}: {} of {}, on average {average:.2} of {} run\n",
        args.model.display(),
        count(rows, "row"),
        args.data.display(),
        count(gating.experts, "expert")
    );
    for (gate, about) in gating.gates.iter().zip(&runner.gates) {
        let _ = writeln!(
            text,
            "\n{} ({}), entropy {:.3} (0: one expert alone, 1: all alike)",
            gate.name,
            about.op.name(),
            gate.entropy()
        );
        let mut table = Table::new(1, &["", "mean", "max", "leads", ""]);
        for (((expert, mean), max), lead) in gate
            .experts
            .iter()
            .zip(gate.mean())
            .zip(gate.max())
            .zip(gate.leads())
        {
            let bar = "#".repeat((mean.clamp(0.0, 1.0) * 30.0).round() as usize);
            let cells = [
                format!("expert {expert}"),
                format!("{mean:.3}"),
                format!("{max:.3}"),
                format!("{:.1} %", 100.0 * lead),
            ];
            let mut cells = cells.to_vec();
            cells.push(format!("{bar:<30}"));
            table.row(cells);
        }
        text += &table.text("  ");
    }
    let correlations = gating.correlations();
    if !correlations.is_empty() {
        text += "\ncorrelation between gates (1: the tasks use the experts alike)\n";
        let mut table = Table::new(2, &["", "", ""]);
        for (a, b, c) in correlations {
            let c = c.map_or_else(|| "one never moves".into(), |c| format!("{c:.3}"));
            table.row(vec![
                gating.gates[a].name.clone(),
                gating.gates[b].name.clone(),
                c,
            ]);
        }
        // The header is empty.
        text += table.text("  ").trim_start_matches('\n');
    }
    let warnings = gating.warnings();
    if !warnings.is_empty() {
        text.push('\n');
    }
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

fn json(runner: &Runner<'_>, gating: &Gating, rows: usize, average: f64) -> Value {
    let gate = |(g, about): (&GateStats, &Gate)| {
        json!({
            "name": g.name,
            "kind": about.op.name(),
            "tasks": about.tasks.iter().map(|t| &runner.tasks[*t].name).collect::<Vec<_>>(),
            "experts": g.experts,
            "mean": g.mean(),
            "max": g.max(),
            "leads": g.leads(),
            "entropy": g.entropy(),
        })
    };
    let names = |i: usize| &gating.gates[i].name;
    let correlations = gating.correlations();
    let correlations: Vec<_> = correlations
        .iter()
        .map(|(a, b, c)| json!({"a": names(*a), "b": names(*b), "correlation": c}))
        .collect();
    json!({
        "rows": rows,
        "experts": gating.experts,
        "experts_run": average,
        "gates": gating.gates.iter().zip(&runner.gates).map(gate).collect::<Vec<_>>(),
        "correlations": correlations,
        "warnings": gating.warnings(),
    })
}
