//! What `mmoe inspect` says of a blob.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use mmoe::blob::Blob;
use mmoe_tools::cost::{self, Cost};
use mmoe_tools::describe::{self, FieldAbout};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::rust_type;
use mmoe_tools::text::{count, grouped, short};
use serde_json::{Value, json};

use super::Args;
use super::device::Device;
use crate::commands::input::load;
use crate::commands::output::{Table, print, print_json};

/// Shows a blob.
pub(super) fn inspect(args: &Args, blob: &BlobBytes) -> Result<()> {
    let runner = load(&args.file, blob)?;
    let cost = cost::cost(&runner.model);
    let about = About {
        path: &args.file,
        runner: &runner,
        blob: runner.model.blob(),
        cost: &cost,
    };
    let device = Device::new(&args.device, runner.model.blob(), &cost)?;
    if args.json {
        let mut value = about.json(args.layers);
        if let Some(on) = device.json() {
            value["device"] = on;
        }
        print_json(&value)?;
    } else {
        print(&about.text(args.layers, &device))?;
    }
    Ok(device.check()?)
}

struct About<'b> {
    path: &'b Path,
    runner: &'b Runner<'b>,
    blob: &'b Blob<'b>,
    cost: &'b Cost,
}

impl About<'_> {
    fn text(&self, layers: bool, device: &Device<'_>) -> String {
        let id = self.blob.id();
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
                describe::producer(self.runner)
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
        for assumed in describe::assumed(self.runner) {
            line("assumed", format!("{assumed}; nobody compared it"));
        }
        let names = self.runner.feature_names();
        let named = match names.as_slice() {
            _ if self.runner.front.is_some() => String::new(),
            [] => String::new(),
            [first, .., last] if names.len() > 4 => format!(": {first} … {last}"),
            some => format!(": {}", some.join(", ")),
        };
        line(
            "inputs",
            format!("{}{named}", grouped(self.runner.model.inputs() as u64)),
        );
        let fields = describe::fields(self.runner);
        if !fields.is_empty() {
            let bytes = fields.iter().map(|f| f.bytes as u64).sum();
            let names = self.runner.front().map_or(0, |front| front.fields.len());
            line(
                "record",
                format!(
                    "{}, {} bytes of flash",
                    count(names, "field"),
                    grouped(bytes)
                ),
            );
        }
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
                grouped((c.blob - c.weights) as u64),
                grouped(c.weights as u64)
            ),
        );
        match rust_type::typed(self.blob) {
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
        if !fields.is_empty() {
            let mut table = Table::new(4, &["field", "given", "codes", "makes", "bytes"]);
            for f in fields {
                table.row(vec![
                    f.name,
                    f.given,
                    f.codes,
                    f.makes,
                    grouped(f.bytes as u64),
                ]);
            }
            text.push('\n');
            text += &table.text("");
        }
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
        let steps = describe::nodes(self.blob);
        for (step, node) in steps.iter().zip(self.blob.nodes_with_layers()) {
            let (node, own) = (node.record, node.layers);
            let start = node.start.get();
            let value = match usize::from(node.src).checked_sub(1) {
                None => "input".to_owned(),
                Some(n) => steps[n].clone(),
            };
            let reads = if start == 0 {
                value
            } else {
                format!("{value}[{start}..{}]", start + node.inputs.get())
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
                    l.weight_bytes().unwrap_or(0) as u64,
                    l.macs(),
                ]
                .map(grouped);
                let first = if i == 0 { step.clone() } else { String::new() };
                let reads = if i == 0 { reads.clone() } else { String::new() };
                table.row(
                    [
                        vec![
                            first,
                            describe::layer(l),
                            reads,
                            describe::precision(l).into(),
                        ],
                        numbers.to_vec(),
                    ]
                    .concat(),
                );
            }
        }
        table.text("")
    }

    fn integers(&self) -> String {
        let reports = describe::quantization(self.blob);
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
        let id = self.blob.id();
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
            "producer": describe::producer(self.runner),
            "precision": self.runner.precision(),
            "assumed": describe::assumed(self.runner),
            "inputs": self.runner.model.inputs(),
            "feature_names": self.runner.feature_names(),
            "experts": self.runner.experts.len(),
            "gates": self.runner.gates.len(),
            "tasks": tasks.collect::<Vec<_>>(),
            "parameters": c.parameters,
            "flash": {"blob": c.blob, "header": c.blob - c.weights, "weights": c.weights},
            "ram": {"typed": c.typed_ram, "erased": c.erased_ram, "erased_words": c.erased_ram / 4},
            "macs": c.macs,
        });
        let fields = describe::fields(self.runner);
        if !fields.is_empty() {
            let field = |f: FieldAbout| {
                json!({
                    "name": f.name,
                    "given": f.given,
                    "codes": f.codes,
                    "makes": f.makes,
                    "bytes": f.bytes,
                })
            };
            value["fields"] = fields.into_iter().map(field).collect::<Vec<_>>().into();
        }
        if layers {
            let rows = describe::nodes(self.blob)
                .into_iter()
                .zip(self.blob.nodes_with_layers())
                .flat_map(|(step, node)| {
                    node.layers.iter().enumerate().map(move |(i, l)| {
                        json!({
                            "step": step,
                            "layer": i,
                            "kind": describe::layer_kind(l),
                            "activation": describe::activation(l),
                            "precision": describe::precision(l),
                            "packing": l.packing,
                            "inputs": l.inputs.get(),
                            "outputs": l.outputs.get(),
                            "parameters": cost::parameters(l),
                            "bytes": l.weight_bytes().unwrap_or(0) as u64,
                            "macs": l.macs(),
                        })
                    })
                });
            let quantization = describe::quantization(self.blob)
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
