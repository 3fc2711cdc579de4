//! `mmoe inspect`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe::blob::{ActivationKind, LayerKind, NodeOp, PrecisionKind};
use mmoe_tools::blob::message::{Header, Layer, Node};
use mmoe_tools::blob::read;
use mmoe_tools::cost::{self, Cost};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::import::{self, Weights};
use mmoe_tools::plan::recognise;
use mmoe_tools::plan::spec::write::write_plan;
use mmoe_tools::quantize::LayerReport;
use mmoe_tools::rust_type;
use serde_json::{Value, json};

use super::device::{Device, DeviceArgs};
use super::load;
use super::output::{Table, count, grouped, print, short, write_whole};

/// Says what is in a blob and what it costs, or what a weights file holds and what a spec must add.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A blob, or a weights file.
    #[arg(value_name = "M.mmoe|WEIGHTS")]
    file: PathBuf,
    /// JSON.
    #[arg(long)]
    json: bool,
    /// Every layer (of a blob).
    #[arg(long)]
    layers: bool,
    /// Write a spec that describes the weights file, to correct and convert with; `-` prints it.
    #[arg(long, value_name = "OUT.toml")]
    write_spec: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let read = if args.file.is_file() {
        BlobBytes::read(&args.file).ok()
    } else {
        None
    };
    match read.filter(BlobBytes::is_blob) {
        Some(blob) => {
            if args.write_spec.is_some() {
                bail!(
                    "--write-spec describes a weights file; {} is a blob already",
                    args.file.display()
                );
            }
            inspect_blob(args, &blob)
        }
        None => inspect_weights(args),
    }
}

fn inspect_blob(args: &Args, blob: &BlobBytes) -> Result<()> {
    let runner = load(&args.file, blob)?;
    let (header, weights) = read::split(blob.as_slice())?;
    let cost = cost::cost(blob.as_slice(), &runner.model)?;
    let about = Blob {
        path: &args.file,
        runner: &runner,
        header: &header,
        cost: &cost,
        weights: weights.len(),
    };
    let device = Device::new(&args.device, &header, &cost)?;
    if args.json {
        let mut value = about.json(args.layers);
        if let Some(on) = device.json() {
            value["device"] = on;
        }
        print(&(serde_json::to_string_pretty(&value)? + "\n"))?;
    } else {
        print(&about.text(args.layers, &device))?;
    }
    Ok(device.check()?)
}

struct Blob<'b> {
    path: &'b Path,
    runner: &'b Runner<'b>,
    header: &'b Header,
    cost: &'b Cost,
    weights: usize,
}

impl Blob<'_> {
    fn text(&self, layers: bool, device: &Device<'_>) -> String {
        let id = self.runner.model.blob().id();
        let mut text = String::new();
        let mut line = |what: &str, value: String| {
            let _ = writeln!(text, "{what:<12} {value}");
        };
        line(
            "blob",
            format!(
                "{} (format {}, by {})",
                self.path.display(),
                mmoe::blob::VERSION,
                producer(self.runner)
            ),
        );
        line(
            "model",
            format!(
                "{}, version {}, checksum {:08x}",
                if id.name.is_empty() {
                    "(no name)"
                } else {
                    id.name
                },
                id.version,
                id.checksum
            ),
        );
        line("precision", self.runner.precision().into());
        let names = self.runner.feature_names();
        let named = match names.as_slice() {
            [] => String::new(),
            [first, .., last] if names.len() > 4 => format!(": {first} … {last}"),
            some => format!(": {}", some.join(", ")),
        };
        line(
            "inputs",
            format!("{}{named}", grouped(self.runner.model.inputs() as u64)),
        );
        line("experts", self.runner.experts.len().to_string());
        line("gates", self.runner.gates.len().to_string());
        for t in &self.runner.tasks {
            let width = if t.width == 1 {
                String::new()
            } else {
                format!(", {} values", t.width)
            };
            line("task", format!("{} ({}{width})", t.name, t.output.name()));
        }
        let c = self.cost;
        line("parameters", grouped(c.parameters));
        line(
            "flash",
            format!(
                "{} bytes: header {}, weights {}",
                grouped(c.blob as u64),
                grouped((c.blob - self.weights) as u64),
                grouped(self.weights as u64)
            ),
        );
        match rust_type::typed(self.header) {
            Ok(t) => line(
                "RAM",
                format!(
                    "{} bytes of stack buffers as a typed model, {} bytes of scratch shape-erased",
                    grouped(t.scratch as u64),
                    grouped(c.erased_ram as u64)
                ),
            ),
            Err(why) => line(
                "RAM",
                format!(
                    "{} bytes of scratch shape-erased (no typed model: {why})",
                    grouped(c.erased_ram as u64)
                ),
            ),
        }
        line(
            "work",
            format!(
                "{} multiply-accumulates a row, all experts run",
                grouped(c.macs)
            ),
        );
        text += &device.text();
        if layers {
            text.push('\n');
            text += &self.layers();
            text += &self.integers();
        }
        text
    }

    fn layers(&self) -> String {
        let mut table = Table::new(
            2,
            &[
                "step",
                "layer",
                "reads",
                "precision",
                "params",
                "bytes",
                "MACs",
            ],
        );
        for ((step, node), own) in steps(self.header)
            .iter()
            .zip(&self.header.nodes)
            .zip(cost::layers_of(self.header))
        {
            let value = if node.src == 0 {
                "input".to_owned()
            } else {
                steps(self.header)[usize::from(node.src) - 1].clone()
            };
            let reads = if node.start == 0 {
                value
            } else {
                format!("{value}[{}..{}]", node.start, node.start + node.inputs)
            };
            if own.is_empty() {
                table.row(
                    [step.as_str(), "none", &reads, "", "", "", ""]
                        .map(str::to_owned)
                        .to_vec(),
                );
            }
            for (i, l) in own.iter().enumerate() {
                let numbers = [
                    cost::parameters(l),
                    l.record().weight_bytes().unwrap_or(0) as u64,
                    l.record().macs(),
                ]
                .map(grouped);
                let first = if i == 0 { step.clone() } else { String::new() };
                let reads = if i == 0 { reads.clone() } else { String::new() };
                table.row(
                    [
                        vec![first, describe(l), reads, precision_name(l).into()],
                        numbers.to_vec(),
                    ]
                    .concat(),
                );
            }
        }
        table.text("")
    }

    fn integers(&self) -> String {
        let reports = quantization(self.runner, self.header);
        if reports.is_empty() {
            return String::new();
        }
        let mut table = Table::new(
            1,
            &[
                "layer",
                "weight bits",
                "input reach",
                "output step",
                "room in accumulator",
                "for any input",
                "SNR",
            ],
        );
        for (name, r) in &reports {
            let room = |bits: f32| format!("2^{bits:.1}");
            table.row(vec![
                name.clone(),
                r.weight_bits.to_string(),
                format!("±{:.0}", r.input_reach),
                short(f64::from(r.step)),
                room(r.margin),
                room(r.margin_any),
                format!("{:.0} dB", r.snr),
            ]);
        }
        format!("\n{}", table.text(""))
    }

    fn json(&self, layers: bool) -> Value {
        let id = self.runner.model.blob().id();
        let c = self.cost;
        let tasks = self
            .runner
            .tasks
            .iter()
            .map(|t| json!({"name": t.name, "output": t.output.name(), "width": t.width}));
        let mut value = json!({
            "name": id.name,
            "version": id.version,
            "checksum": format!("{:08x}", id.checksum),
            "format": mmoe::blob::VERSION,
            "producer": producer(self.runner),
            "precision": self.runner.precision(),
            "inputs": self.runner.model.inputs(),
            "feature_names": self.runner.feature_names(),
            "experts": self.runner.experts.len(),
            "gates": self.runner.gates.len(),
            "tasks": tasks.collect::<Vec<_>>(),
            "parameters": c.parameters,
            "flash": {"blob": c.blob, "header": c.blob - self.weights, "weights": self.weights},
            "ram": {"typed": c.typed_ram, "erased": c.erased_ram, "erased_words": c.erased_ram / 4},
            "macs": c.macs,
        });
        if layers {
            let rows = steps(self.header)
                .into_iter()
                .zip(cost::layers_of(self.header))
                .flat_map(|(step, own)| {
                    own.iter().enumerate().map(move |(i, l)| {
                        json!({
                            "step": step,
                            "layer": i,
                            "kind": kind_name(l),
                            "activation": activation_name(l),
                            "precision": precision_name(l),
                            "packing": l.packing,
                            "inputs": l.inputs,
                            "outputs": l.outputs,
                            "parameters": cost::parameters(l),
                            "bytes": l.record().weight_bytes().unwrap_or(0) as u64,
                            "macs": l.record().macs(),
                        })
                    })
                });
            let quantization =
                quantization(self.runner, self.header)
                    .into_iter()
                    .map(|(layer, r)| {
                        json!({
                            "layer": layer,
                            "weight_bits": r.weight_bits,
                            "input_reach": r.input_reach,
                            "output_step": r.step,
                            "margin_bits": r.margin,
                            "margin_bits_any_input": r.margin_any,
                            "snr_db": r.snr,
                        })
                    });
            value["quantization"] = quantization.collect::<Vec<_>>().into();
            value["layers"] = rows.collect::<Vec<_>>().into();
        }
        value
    }
}

/// What wrote the blob.
pub(super) fn producer<'r>(runner: &'r Runner<'_>) -> &'r str {
    runner
        .model
        .blob()
        .section(mmoe::blob::SectionTag::Producer)
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or("?")
}

/// What each step is called, such as `expert 2`.
pub(super) fn steps(header: &Header) -> Vec<String> {
    let role = |n: &Node| n.record().op().map_or("?", NodeOp::role);
    let nodes = &header.nodes;
    let number = |i: usize| {
        nodes[..i]
            .iter()
            .filter(|n| role(n) == role(&nodes[i]))
            .count()
    };
    (0..nodes.len())
        .map(|i| format!("{} {}", role(&nodes[i]), number(i)))
        .collect()
}

/// What the quantizer found out about every dense layer, by the names that `--keep-wide` takes;
/// nothing in float models.
pub(super) fn quantization(runner: &Runner<'_>, header: &Header) -> Vec<(String, LayerReport)> {
    let section = runner
        .model
        .blob()
        .section(mmoe::blob::SectionTag::Quantization);
    let reports: Vec<LayerReport> = section
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or_default();
    let dense = steps(header)
        .into_iter()
        .zip(cost::layers_of(header))
        .flat_map(|(step, own)| {
            let dense = own
                .iter()
                .enumerate()
                .filter(|(_, l)| l.record().is_matrix());
            dense
                .map(move |(i, _)| format!("{}.{i}", step.replace(' ', "")))
                .collect::<Vec<_>>()
        });
    dense.zip(reports).collect()
}

fn kind_name(l: &Layer) -> &'static str {
    l.record().kind().map_or("?", LayerKind::name)
}

pub(super) fn activation_name(l: &Layer) -> &'static str {
    l.record().activation().map_or("?", ActivationKind::name)
}

pub(super) fn precision_name(l: &Layer) -> &'static str {
    l.record().precision().map_or("?", PrecisionKind::name)
}

pub(super) fn describe(l: &Layer) -> String {
    let activation = match l.record().activation() {
        Some(ActivationKind::Linear) => String::new(),
        _ => format!(" {}", activation_name(l)),
    };
    format!("{} {}→{}{activation}", kind_name(l), l.inputs, l.outputs)
}

fn inspect_weights(args: &Args) -> Result<()> {
    if args.device.asked() {
        bail!(
            "--core and --budget are about a blob; make one first: mmoe convert {} -o model.mmoe",
            args.file.display()
        );
    }
    let weights = import::read(&args.file)?;
    let found = recognise::recognise(&weights);
    if let Some(path) = &args.write_spec {
        let found = found.with_context(|| args.file.display().to_string())?;
        let text = write_plan(
            &weights.format,
            found.framework,
            &found.assumptions,
            &found.plan,
        );
        if path == Path::new("-") {
            return print(&text);
        }
        write_whole(path, text.as_bytes())?;
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
        let value = json!({
            "format": weights.format,
            "notes": weights.notes,
            "tensors": tensors.collect::<Vec<_>>(),
            "framework": found.as_ref().ok().map(|f| f.framework),
            "assumptions": found.as_ref().map(|f| f.assumptions.clone()).unwrap_or_default(),
            "missing": missing,
            "problem": found.as_ref().err().map(ToString::to_string),
        });
        return print(&(serde_json::to_string_pretty(&value)? + "\n"));
    }
    let mut text = listing(args, &weights);
    match &found {
        Ok(found) => {
            let _ = writeln!(text, "\nrecognised   {}", found.framework);
            for assumption in &found.assumptions {
                let _ = writeln!(text, "assumed      {assumption}");
            }
            if let Some(embeddings) = &found.embeddings {
                let _ = writeln!(text, "embeddings   {embeddings}");
            }
            let plan = &found.plan;
            let sum = |of: fn(&mmoe_tools::plan::Level) -> usize| {
                plan.levels.iter().map(of).sum::<usize>()
            };
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
