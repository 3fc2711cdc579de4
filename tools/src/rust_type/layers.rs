//! The types of layers, and how many bytes of buffers they take.

use mmoe::blob::{ActivationKind, LayerKind, NodeOp, OutputKind, PackingKind, PrecisionKind};

use super::{NotTyped, Sizes, WORD, refuse};
use crate::blob::message::{Header, Layer, Task};

/// An expert's, a gate's or a tower's type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) text: String,
    /// Bytes of its buffers while it runs.
    pub(super) scratch: usize,
    /// Elements that it makes.
    pub(super) outputs: usize,
}

/// The names that types use: imports of the crate, and aliases of parts.
pub(super) struct Names {
    pub(super) sizes: Sizes,
    imports: Vec<&'static str>,
    aliases: Vec<(String, String, String)>,
}

impl Names {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            imports: Vec::new(),
            aliases: Vec::new(),
        }
    }

    pub(super) fn import(&mut self, name: &'static str) {
        self.imports.push(name);
    }

    /// Takes one mention back.
    pub(super) fn unimport(&mut self, name: &'static str) {
        if let Some(at) = self.imports.iter().position(|i| *i == name) {
            self.imports.remove(at);
        }
    }

    /// The name of a type, which is `wanted` unless it has one already.
    pub(super) fn alias(&mut self, wanted: &str, about: &str, text: &str) -> String {
        if let Some((name, ..)) = self.aliases.iter().find(|(_, _, t)| t == text) {
            return name.clone();
        }
        let taken = |aliases: &[(String, String, String)], n: &str| {
            aliases.iter().any(|(name, ..)| name == n)
        };
        let mut name = wanted.to_owned();
        let mut number = 2;
        while taken(&self.aliases, &name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        self.aliases
            .push((name.clone(), about.to_owned(), text.to_owned()));
        name
    }

    pub(super) fn finish(mut self) -> (Vec<(String, String, String)>, Vec<&'static str>) {
        self.imports.sort_unstable();
        self.imports.dedup();
        (self.aliases, self.imports)
    }
}

/// `[T; N]`, or a list of unlike ones; `alias` names a part, with its number where there are
/// several kinds. The second is the list to import.
pub(super) fn bank(
    parts: &[Part],
    mut alias: impl FnMut(&Part, Option<usize>) -> String,
) -> Result<(String, Option<&'static str>), NotTyped> {
    const LISTS: [&str; 7] = [
        "List2", "List3", "List4", "List5", "List6", "List7", "List8",
    ];
    let Some(first) = parts.first() else {
        return refuse("a level without experts or gates");
    };
    if parts.iter().all(|p| p == first) {
        return Ok((format!("[{}; {}]", alias(first, None), parts.len()), None));
    }
    let Some(list) = LISTS.get(parts.len() - 2) else {
        return refuse(format!(
            "{} unlike experts or gates stand side by side; the types have lists of up to 8",
            parts.len()
        ));
    };
    let names: Vec<String> = parts
        .iter()
        .map(|p| alias(p, parts.iter().position(|o| o == p)))
        .collect();
    Ok((format!("{list}<{}>", names.join(", ")), Some(list)))
}

fn own_layers(header: &Header, n: usize) -> Vec<Layer> {
    header
        .nodes_with_layers()
        .nth(n)
        .map(|(_, l)| l.to_vec())
        .unwrap_or_default()
}

fn precision_name(l: &Layer, names: &mut Names) -> &'static str {
    let l = l.record();
    let (name, import) = match (l.precision(), l.packing()) {
        (Some(PrecisionKind::I8), Some(PackingKind::Quad)) => ("I8<Quad>", "Quad"),
        (Some(PrecisionKind::I8), Some(PackingKind::Pairs)) => ("I8<Pairs>", "Pairs"),
        (Some(p), _) => (p.name(), p.name()),
        (None, _) => ("?", "?"),
    };
    names.import(import);
    if matches!(import, "Quad" | "Pairs") {
        names.import("I8");
    }
    name
}

fn layer(l: &Layer, names: &mut Names) -> Result<Part, NotTyped> {
    let (i, o) = (l.inputs, l.outputs);
    let Some(kind) = l.record().kind() else {
        return refuse(format!("layers of kind {} are unknown", l.kind));
    };
    let text = match kind {
        LayerKind::Dense => {
            let p = precision_name(l, names);
            names.import("Dense");
            let f = match l.record().activation() {
                Some(ActivationKind::Relu) => None,
                Some(ActivationKind::Linear) => Some("Linear"),
                Some(ActivationKind::LeakyRelu) => Some("LeakyRelu"),
                Some(ActivationKind::Sigmoid) => Some("Sigmoid"),
                Some(ActivationKind::Tanh) => Some("Tanh"),
                None => return refuse(format!("activation {} is unknown", l.activation)),
            };
            match f {
                None => format!("Dense<{i}, {o}, {p}>"),
                Some(f) => {
                    names.import(f);
                    format!("Dense<{i}, {o}, {p}, {f}>")
                }
            }
        }
        LayerKind::Logits => {
            names.import("Logits");
            format!("Logits<{i}, {o}, {}>", precision_name(l, names))
        }
        LayerKind::Affine => {
            names.import("Affine");
            format!("Affine<{o}, {}>", precision_name(l, names))
        }
        LayerKind::PRelu => {
            names.import("PRelu");
            format!("PRelu<{o}, {}>", precision_name(l, names))
        }
        LayerKind::LayerNorm => {
            names.import("LayerNorm");
            format!("LayerNorm<{o}>")
        }
        LayerKind::Constant => {
            names.import("ConstantGate");
            format!("ConstantGate<{i}, {o}, {}>", precision_name(l, names))
        }
    };
    Ok(Part {
        text,
        scratch: 0,
        outputs: usize::from(o),
    })
}

/// Layers one after the other, nested in halves beyond four.
fn sequence(mut parts: Vec<Part>, names: &mut Names) -> Part {
    let act = names.sizes.act;
    // What a pair needs: the first one's output, and the larger of both's buffers.
    let pair = |a: &Part, b: &Part| a.outputs * act + a.scratch.max(b.scratch);
    match parts.len() {
        1 => parts.remove(0),
        2 => {
            names.import("Seq");
            let text = format!("Seq<{}, {}>", parts[0].text, parts[1].text);
            Part {
                text,
                scratch: pair(&parts[0], &parts[1]),
                outputs: parts[1].outputs,
            }
        }
        3 => {
            names.import("Seq3");
            let front = Part {
                text: String::new(),
                scratch: pair(&parts[0], &parts[1]),
                outputs: parts[1].outputs,
            };
            let text = format!(
                "Seq3<{}, {}, {}>",
                parts[0].text, parts[1].text, parts[2].text
            );
            Part {
                text,
                scratch: pair(&front, &parts[2]),
                outputs: parts[2].outputs,
            }
        }
        n => {
            let back = parts.split_off(n.div_ceil(2));
            let (front, back) = (sequence(parts, names), sequence(back, names));
            names.import("Seq");
            let text = format!("Seq<{}, {}>", front.text, back.text);
            Part {
                text,
                scratch: pair(&front, &back),
                outputs: back.outputs,
            }
        }
    }
}

/// A part that reads `start .. start + inputs` of `width` elements.
fn sliced(part: Part, start: u16, inputs: u16, width: usize, names: &mut Names) -> Part {
    if start == 0 && usize::from(inputs) == width {
        return part;
    }
    names.import("Slice");
    Part {
        text: format!("Slice<{width}, {start}, {}>", part.text),
        ..part
    }
}

fn empty(header: &Header, width: u16, names: &mut Names) -> Part {
    let integer = header.layers.iter().any(|l| l.record().is_integer());
    let p = if integer { "I16" } else { "F32" };
    names.import("MixtureOutput");
    names.import(p);
    Part {
        text: format!("MixtureOutput<{width}, {p}>"),
        scratch: 0,
        outputs: usize::from(width),
    }
}

/// The type of an expert that reads a value of this width.
pub(super) fn expert(
    header: &Header,
    n: usize,
    width: usize,
    names: &mut Names,
) -> Result<Part, NotTyped> {
    let node = &header.nodes[n];
    let own = own_layers(header, n);
    let part = if own.is_empty() {
        if names.sizes.integer {
            return refuse("an integer model's expert has no layers, which no type spells");
        }
        empty(header, node.outputs, names)
    } else {
        let parts = own
            .iter()
            .map(|l| layer(l, names))
            .collect::<Result<_, _>>()?;
        sequence(parts, names)
    };
    Ok(sliced(part, node.start, node.inputs, width, names))
}

/// The type of a gate over `experts` experts, of which it sees those in `mask`.
pub(super) fn gate(
    header: &Header,
    n: usize,
    width: usize,
    experts: usize,
    mask: Option<u32>,
    names: &mut Names,
) -> Result<Part, NotTyped> {
    let node = &header.nodes[n];
    let sizes = names.sizes;
    let own = own_layers(header, n);
    let seen = node.sees.count_ones() as usize;
    let one = own.len() == 1;
    let parts = own
        .iter()
        .map(|l| layer(l, names))
        .collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() {
        return refuse("a gate has no layers");
    }
    let made = sequence(parts, names);
    let logits = made.outputs * WORD + made.scratch;
    let k = node.k;
    let Some(op) = node.record().op() else {
        return refuse(format!("gates of kind {} are unknown", node.op));
    };
    let (text, import, scratch) = match op {
        NodeOp::Constant => (made.text, None, made.scratch),
        NodeOp::Softmax if one => {
            names.unimport("Logits");
            let inner = made.text.trim_start_matches("Logits<").to_owned();
            (format!("Gate<{inner}"), Some("Gate"), logits)
        }
        NodeOp::Softmax => (
            format!("SoftmaxGate<{}>", made.text),
            Some("SoftmaxGate"),
            logits,
        ),
        NodeOp::Sigmoid => (
            format!("SigmoidGate<{}>", made.text),
            Some("SigmoidGate"),
            logits,
        ),
        NodeOp::Hard => (format!("HardGate<{}>", made.text), Some("HardGate"), logits),
        NodeOp::TopK => (
            format!("TopKGate<{}, {k}, true>", made.text),
            Some("TopKGate"),
            logits,
        ),
        NodeOp::TopKRaw => (
            format!("TopKGate<{}, {k}, false>", made.text),
            Some("TopKGate"),
            logits,
        ),
        NodeOp::DSelectK => (
            format!("DSelectKGate<{}, {seen}, {k}>", made.text),
            Some("DSelectKGate"),
            logits,
        ),
        NodeOp::Expert | NodeOp::Tower => return refuse("a gate that is none"),
    };
    if let Some(import) = import {
        names.import(import);
    }
    let part = sliced(
        Part {
            text,
            scratch,
            outputs: seen,
        },
        node.start,
        node.inputs,
        width,
        names,
    );
    Ok(match mask {
        Some(mask) if seen != experts => {
            names.import("MaskedGate");
            Part {
                text: format!("MaskedGate<{}, {mask:#b}, {experts}>", part.text),
                scratch: part.scratch + seen * sizes.gate,
                outputs: experts,
            }
        }
        _ => part,
    })
}

/// The type of a tower; bytes and alignment of its raw output.
pub(super) fn tower(
    header: &Header,
    n: usize,
    task: &Task,
    width: usize,
    names: &mut Names,
) -> Result<(Part, usize, usize), NotTyped> {
    let node = &header.nodes[n];
    let own = own_layers(header, n);
    let outputs = usize::from(node.outputs);
    if own.is_empty() {
        if node.start != 0 || usize::from(node.inputs) != width {
            return refuse("a tower without layers reads a slice, which no type spells");
        }
        let act = names.sizes.act;
        return Ok((empty(header, node.outputs, names), outputs * act, act));
    }
    let parts = own
        .iter()
        .map(|l| layer(l, names))
        .collect::<Result<Vec<_>, _>>()?;
    let made = sequence(parts, names);
    let layers = sliced(made, node.start, node.inputs, width, names);
    let (wrapper, own) = match task.record().output() {
        Some(OutputKind::Sigmoid) => ("Binary", WORD),
        Some(OutputKind::Softmax) => ("Multiclass", WORD * outputs),
        Some(OutputKind::Linear | OutputKind::Product) | None if outputs == 1 => {
            ("Regression", WORD)
        }
        Some(OutputKind::Linear | OutputKind::Product) | None => ("MultiRegression", 0),
    };
    names.import(wrapper);
    let part = Part {
        text: format!("{wrapper}<{}>", layers.text),
        scratch: layers.scratch + own,
        outputs,
    };
    Ok((part, WORD * outputs, WORD))
}
