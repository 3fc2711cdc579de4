//! What `mmoe inspect` says of a blob.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use mmoe_tools::blob::message::Header;
use mmoe_tools::blob::read;
use mmoe_tools::cost::{self, Cost};
use mmoe_tools::describe;
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::rust_type;
use mmoe_tools::text::{grouped, short};
use serde_json::{Value, json};

use super::Args;
use super::device::Device;
use crate::commands::input::load;
use crate::commands::output::{Table, print, print_json};

/// Shows a blob.
pub(super) fn inspect(args: &Args, blob: &BlobBytes) -> Result<()> {
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
        print_json(&value)?;
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
        let steps = describe::nodes(self.header);
        for (step, (node, own)) in steps.iter().zip(self.header.nodes_with_layers()) {
            let value = match usize::from(node.src).checked_sub(1) {
                None => "input".to_owned(),
                Some(n) => steps[n].clone(),
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
        let reports = describe::quantization(self.runner, self.header);
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
            "producer": describe::producer(self.runner),
            "precision": self.runner.precision(),
            "assumed": describe::assumed(self.runner),
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
            let rows = describe::nodes(self.header)
                .into_iter()
                .zip(self.header.nodes_with_layers())
                .flat_map(|(step, (_, own))| {
                    own.iter().enumerate().map(move |(i, l)| {
                        json!({
                            "step": step,
                            "layer": i,
                            "kind": describe::layer_kind(l),
                            "activation": describe::activation(l),
                            "precision": describe::precision(l),
                            "packing": l.packing,
                            "inputs": l.inputs,
                            "outputs": l.outputs,
                            "parameters": cost::parameters(l),
                            "bytes": l.record().weight_bytes().unwrap_or(0) as u64,
                            "macs": l.record().macs(),
                        })
                    })
                });
            let quantization = describe::quantization(self.runner, self.header)
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
