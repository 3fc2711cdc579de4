//! What `mmoe convert` prints.

use std::fmt::Write as _;

use mmoe_tools::convert::{Conversion, Converted, Precision};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{Graph, Op};
use mmoe_tools::import::Weights;
use mmoe_tools::model::Recognised;
use mmoe_tools::text::{count, grouped};

use super::Args;

/// What is printed at the end.
pub(super) struct Report {
    pub(super) text: String,
    weights_bytes: u64,
}

impl Report {
    pub(super) fn new(args: &Args, weights: &Weights) -> Self {
        let weights_bytes =
            std::fs::metadata(&args.weights).map_or(0, |m| if m.is_file() { m.len() } else { 0 });
        let mut report = Self {
            text: String::new(),
            weights_bytes,
        };
        let numbers: usize = weights.tensors.values().map(|t| t.data.len()).sum();
        let read = format!(
            "{}: {}, {} with {}",
            args.weights.display(),
            weights.format,
            count(weights.tensors.len(), "tensor"),
            count(numbers, "number")
        );
        report.line("read", &read);
        for note in &weights.notes {
            report.line("note", note);
        }
        report
    }

    pub(super) fn line(&mut self, what: &str, text: &str) {
        let _ = writeln!(self.text, "{what:<10} {text}");
    }

    pub(super) fn model(&mut self, made: &Recognised, explain: bool) {
        if made.framework == "spec" {
            self.line("as", "the spec says");
        } else {
            self.line("as", &made.framework);
        }
        for assumption in &made.assumptions {
            self.line("taken", assumption);
        }
        for question in &made.open {
            self.line("assumed", &question.text());
        }
        if let Some(embeddings) = &made.embeddings {
            self.line("embeddings", embeddings);
        }
        self.line("model", &summary(&made.graph));
        for node in made.graph.unseen() {
            let name = made.graph.node_name(node);
            self.line(
                "unseen",
                &format!(
                    "no gate sees {name}: it takes room in the blob and is never run; leave it \
                     out of the experts"
                ),
            );
        }
        if !explain {
            if !made.dropped.is_empty() {
                self.line(
                    "dropped",
                    &format!(
                        "{} that inference does not need (--explain lists them)",
                        count(made.dropped.len(), "tensor")
                    ),
                );
            }
            return;
        }
        for (tensor, place) in &made.placement {
            self.line("placed", &format!("`{tensor}` → {place}"));
        }
        for folded in &made.folded {
            self.line("folded", folded);
        }
        for dropped in &made.dropped {
            self.line("dropped", dropped);
        }
    }

    /// What making the blob brought to light.
    pub(super) fn converted(&mut self, converted: &Converted<'_>, conversion: &Conversion) {
        if let Some(quantized) = &converted.quantized {
            for note in &quantized.notes {
                self.line("integers", note);
            }
            let margins = quantized.report.iter();
            if let Some((name, r)) = margins.min_by(|a, b| a.1.margin.total_cmp(&b.1.margin)) {
                self.line(
                    "integers",
                    &format!(
                        "no accumulator can overflow; the fullest is that of `{name}`, with \
                         2^{:.1} to spare",
                        r.margin
                    ),
                );
            }
        }
        for note in &converted.weights {
            self.line("weights", note);
        }
        if let (Some(rows), Some(share)) = (conversion.self_test, converted.coverage) {
            let text = format!(
                "{}, which touch {:.0} % of the weights",
                count(usize::from(rows), "row"),
                100.0 * share
            );
            self.line("self-test", &text);
        }
    }

    pub(super) fn written(&mut self, blob: &BlobBytes, args: &Args, precision: Precision) {
        let bytes = blob.as_slice().len() as u64;
        let share = (bytes * 100)
            .checked_div(self.weights_bytes)
            .map_or_else(String::new, |s| format!(", {s} % of the weights file"));
        self.line(
            "wrote",
            &format!(
                "{}: {}, {} bytes{share}",
                args.output.display(),
                precision.name(),
                grouped(bytes)
            ),
        );
    }
}

/// The model in a line.
fn summary(graph: &Graph) -> String {
    let of = |kind: fn(&Op) -> bool| graph.nodes.iter().filter(|n| kind(&n.op)).count();
    let tasks: Vec<String> = graph
        .tasks
        .iter()
        .map(|t| format!("{} ({})", t.name, t.output.kind()))
        .collect();
    format!(
        "{}: {}, {}, {}, {} {}",
        graph.name,
        count(graph.width(0), "input"),
        count(of(|o| *o == Op::Expert), "expert"),
        count(of(|o| matches!(o, Op::Gate { .. })), "gate"),
        if tasks.len() == 1 { "task" } else { "tasks" },
        tasks.join(", ")
    )
}
