//! What `mmoe inspect` says of a weights file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use mmoe_tools::import::{self, Weights};
use mmoe_tools::plan::open::Question;
use mmoe_tools::plan::spec::write::{write_draft, write_plan};
use mmoe_tools::plan::{Level, recognise};
use mmoe_tools::text::{count, grouped};
use serde_json::json;

use super::Args;
use crate::commands::output::{Table, Target, note, print, print_json, print_source};

/// Shows a weights file, or writes a spec for it.
pub(super) fn inspect(args: &Args) -> Result<()> {
    if args.device.asked() {
        bail!(
            "--core and --budget are about a blob; make one first: mmoe convert {} -o model.mmoe",
            args.file.display()
        );
    }
    let target = match &args.write_spec {
        Some(path) if path != Path::new("-") => {
            Some(Target::new(path, [("the weights", args.file.as_path())])?)
        }
        _ => None,
    };
    let mut weights = import::read(&args.file)?;
    let found = match weights.resolve(&[]) {
        Err(why) => Err(why),
        Ok(()) => match weights.recognised.clone() {
            Some(found) => Ok(found),
            None => recognise::recognise(&weights),
        },
    };
    if let Some(path) = &args.write_spec {
        let text = match &found {
            Ok(found) => write_plan(&weights, found.framework, &found.assumptions, &found.plan),
            Err(why) => {
                note(&format!("{why}; this is a draft from names and shapes"));
                write_draft(&weights)
            }
        };
        let Some(target) = target else {
            return print_source(&text);
        };
        target.write(text.as_bytes())?;
        return print(&format!(
            "wrote {}; correct it where it says so, then: mmoe convert {} --spec {0} -o \
             model.mmoe\n",
            path.display(),
            args.file.display()
        ));
    }
    let missing: Vec<&String> = found
        .iter()
        .flat_map(|f| {
            f.plan
                .tasks
                .iter()
                .filter(|t| t.output.is_none())
                .map(|t| &t.name)
        })
        .collect();
    if args.json {
        let tensors = weights
            .tensors
            .iter()
            .map(|(n, t)| json!({"name": n, "shape": t.shape}));
        let open = found
            .as_ref()
            .map(recognise::Found::open)
            .unwrap_or_default();
        let open: Vec<String> = open.iter().map(Question::text).collect();
        let value = json!({
            "format": weights.format,
            "notes": weights.notes,
            "tensors": tensors.collect::<Vec<_>>(),
            "framework": found.as_ref().ok().map(|f| f.framework),
            "assumptions": found.as_ref().map(|f| f.assumptions.clone()).unwrap_or_default(),
            "open": open,
            "missing": missing,
            "problem": found.as_ref().err().map(ToString::to_string),
        });
        return print_json(&value);
    }
    let mut text = listing(args, &weights);
    match &found {
        Ok(found) => {
            let _ = writeln!(text, "\nrecognised   {}", found.framework);
            for assumption in &found.assumptions {
                let _ = writeln!(text, "taken        {assumption}");
            }
            for question in found.open().iter().filter(|q| q.assumed.is_some()) {
                let _ = writeln!(text, "assumed      {}", question.text());
            }
            if let Some(embeddings) = &found.embeddings {
                let _ = writeln!(text, "embeddings   {embeddings}");
            }
            let plan = &found.plan;
            let sum = |of: fn(&Level) -> usize| plan.levels.iter().map(of).sum::<usize>();
            let parts = [
                count(sum(|l| l.experts.len()), "expert"),
                count(sum(|l| l.gates.len()), "gate"),
                count(plan.towers.len(), "tower"),
            ];
            let _ = writeln!(text, "model        {}", parts.join(", "));
            if missing.is_empty() {
                let _ = writeln!(
                    text,
                    "missing      nothing: mmoe convert {} -o model.mmoe",
                    args.file.display()
                );
            } else {
                let names: Vec<String> = missing.iter().map(|n| format!("`{n}`")).collect();
                let _ = writeln!(
                    text,
                    "missing      what kind of output {} give: [[tasks]] in a spec; --write-spec \
                     OUT.toml makes one to start from",
                    names.join(", ")
                );
            }
        }
        Err(why) => {
            let _ = writeln!(text, "\nnot recognised: {why}");
        }
    }
    print(&text)
}

fn listing(args: &Args, weights: &Weights) -> String {
    let mut text = format!(
        "{}: {}, {}\n",
        args.file.display(),
        weights.format,
        count(weights.tensors.len(), "tensor")
    );
    for note in &weights.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text.push('\n');
    let mut table = Table::new(2, &["tensor", "shape", "numbers"]);
    for (name, t) in &weights.tensors {
        table.row(vec![
            name.clone(),
            format!("{:?}", t.shape),
            grouped(t.data.len() as u64),
        ]);
    }
    text + &table.text("  ")
}
