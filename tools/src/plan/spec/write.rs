//! From a plan back to the text of a spec that describes it.

use std::fmt::Write as _;

use crate::graph::Input;
use crate::import::Weights;
use crate::model::Recognised;
use crate::plan::{
    ActivationPlan, GateKindPlan, GatePlan, LayerPlan, Layout, Level, Norm, OutputPlan, Part, Plan,
    Reads, TensorRef, Unit,
};

/// A spec that describes what was recognised, tensor by tensor: converting with it gives the same
/// graph, and everything that was assumed stands in it to be corrected.
#[must_use]
pub fn write_spec(weights: &Weights, recognised: &Recognised) -> String {
    write_plan(
        &weights.format,
        &recognised.framework,
        &recognised.assumptions,
        &recognised.plan,
    )
}

/// The same for a plan of which not even the tasks are known; they are written as linear, with a
/// comment to fill in.
#[must_use]
pub fn write_plan(format: &str, framework: &str, assumptions: &[String], plan: &Plan) -> String {
    let mut out = Writer(String::new());
    out.line(format_args!(
        "# From a {} ({}).",
        one_line(format),
        one_line(framework)
    ));
    for assumption in assumptions {
        out.line(format_args!("# Assumed: {}", one_line(assumption)));
    }
    out.line(format_args!("name = {}", quote(&plan.name)));
    if plan.version != 0 {
        out.line(format_args!("version = {}", plan.version));
    }
    let in_out = plan
        .units()
        .flat_map(|u| &u.layers)
        .any(|l| l.weight.is_some() && l.layout == Layout::InOut);
    let layout = if in_out { Layout::InOut } else { Layout::OutIn };
    out.line(format_args!("layout = \"{}\"", layout_name(layout)));
    out.inputs(&plan.inputs);
    match plan.levels.as_slice() {
        [one] => out.level(one, "", layout, false),
        levels => {
            for (i, level) in levels.iter().enumerate() {
                out.line(format_args!("\n[[levels]]"));
                out.level(level, "levels.", layout, i > 0);
            }
        }
    }
    for tower in &plan.towers {
        out.line(format_args!(
            "\n[[towers.list]]                                      # {}",
            one_line(&tower.name)
        ));
        out.unit(tower, layout, !plan.levels.is_empty());
    }
    for task in &plan.tasks {
        out.line(format_args!("\n[[tasks]]\nname = {}", quote(&task.name)));
        match task.output {
            Some(OutputPlan::Linear) => out.line(format_args!("activation = \"linear\"")),
            Some(OutputPlan::Sigmoid) => out.line(format_args!("activation = \"sigmoid\"")),
            Some(OutputPlan::Softmax) => out.line(format_args!("activation = \"softmax\"")),
            Some(OutputPlan::Product(a, b)) => {
                let name = |i: usize| {
                    plan.tasks
                        .get(i)
                        .map_or_else(String::new, |t| quote(&t.name))
                };
                out.line(format_args!(
                    "activation = \"product\"\nof = [{}, {}]",
                    name(a),
                    name(b)
                ));
            }
            None => out.line(format_args!(
                "activation = \"linear\"   # THE FILE DOES NOT SAY: the tower's raw values; write \
                 \"sigmoid\" or \"softmax\" where it is one"
            )),
        }
    }
    out.0
}

struct Writer(String);

impl Writer {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{text}");
    }

    fn inputs(&mut self, inputs: &[Input]) {
        for input in inputs {
            self.line(format_args!(
                "\n[[inputs]]\nname = {}\ncount = {}",
                quote(&input.name),
                input.count
            ));
            for (key, value) in [
                ("min", input.min),
                ("max", input.max),
                ("mean", input.mean),
                ("std", input.std),
            ] {
                if let Some(value) = value {
                    self.line(format_args!("{key} = {}", float(value)));
                }
            }
        }
    }

    fn level(&mut self, level: &Level, prefix: &str, layout: Layout, later: bool) {
        for expert in &level.experts {
            self.line(format_args!("\n[[{prefix}experts.list]]"));
            self.line(format_args!("names = [{}]", quote(&expert.name)));
            self.unit(expert, layout, later);
        }
        for gate in &level.gates {
            self.line(format_args!(
                "\n[[{prefix}gates.list]]                              # {}",
                one_line(&gate.unit.name)
            ));
            self.gate(gate, level.experts.len(), layout, later);
        }
    }

    fn gate(&mut self, gate: &GatePlan, experts: usize, layout: Layout, later: bool) {
        let kind = match &gate.kind {
            GateKindPlan::Softmax => "\"softmax\"".into(),
            GateKindPlan::Sigmoid => "\"sigmoid\"".into(),
            GateKindPlan::Hard => "\"hard\"".into(),
            GateKindPlan::TopK { k, renormalise } => {
                format!("\"top_k\"\nk = {k}\nrenormalise = {renormalise}")
            }
            GateKindPlan::DSelectK { k } => format!("\"dselect_k\"\nk = {k}"),
            GateKindPlan::Constant(weights) => {
                format!("\"constant\"\nweights = {}", floats(weights))
            }
        };
        self.line(format_args!("kind = {kind}"));
        if !gate.sees.iter().copied().eq(0..experts) {
            self.line(format_args!("sees = {:?}", gate.sees));
        }
        if gate.temperature != 1.0 {
            self.line(format_args!("temperature = {}", float(gate.temperature)));
        }
        if !gate.priors.is_empty() {
            self.line(format_args!("priors = {}", floats(&gate.priors)));
        }
        if matches!(gate.kind, GateKindPlan::Constant(_)) {
            self.place(&gate.unit, later);
        } else {
            self.unit(&gate.unit, layout, later);
        }
    }

    fn unit(&mut self, unit: &Unit, layout: Layout, later: bool) {
        self.place(unit, later);
        if unit.layers.is_empty() {
            return self.line(format_args!("layers = []"));
        }
        self.line(format_args!("layers = ["));
        for layer in &unit.layers {
            self.line(format_args!(
                "  {{ {} }},",
                layer_keys(layer, layout).join(", ")
            ));
        }
        self.line(format_args!("]"));
    }

    /// What a unit reads; before the second level there is nothing but the input.
    fn place(&mut self, unit: &Unit, later: bool) {
        match unit.reads {
            Reads::Stream(i) => self.line(format_args!("reads = {i}")),
            Reads::Input if later => self.line(format_args!("reads = \"input\"")),
            Reads::Input => {}
        }
        if let Some(slice) = unit.slice {
            self.line(format_args!(
                "slice = {{ start = {}, count = {} }}",
                slice.start, slice.count
            ));
        }
    }
}

fn layer_keys(layer: &LayerPlan, layout: Layout) -> Vec<String> {
    let mut keys = Vec::new();
    if let Some(weight) = &layer.weight {
        keys.push(format!("weight = {}", reference(weight)));
        if layer.layout != layout {
            keys.push(format!("layout = \"{}\"", layout_name(layer.layout)));
        }
    }
    if let Some(bias) = &layer.bias {
        keys.push(format!("bias = {}", reference(bias)));
    }
    for (norm, after) in [(&layer.before, false), (&layer.after, true)] {
        keys.extend(norm.as_ref().map(|n| norm_keys(n, after)));
    }
    match &layer.activation {
        ActivationPlan::Linear if keys.is_empty() => keys.push("activation = \"linear\"".into()),
        ActivationPlan::Linear => {}
        ActivationPlan::Relu => keys.push("activation = \"relu\"".into()),
        ActivationPlan::LeakyRelu(slope) => keys.push(format!(
            "activation = \"leaky_relu\", slope = {}",
            float(*slope)
        )),
        ActivationPlan::PRelu(slope) => keys.push(format!(
            "activation = \"prelu\", slope = {}",
            reference(slope)
        )),
        ActivationPlan::Sigmoid => keys.push("activation = \"sigmoid\"".into()),
        ActivationPlan::Tanh => keys.push("activation = \"tanh\"".into()),
    }
    keys
}

fn norm_keys(norm: &Norm, after: bool) -> String {
    let (mean, variance) = norm
        .moments
        .as_ref()
        .map_or((None, None), |(m, v)| (Some(m), Some(v)));
    let named = [
        ("gamma", norm.gamma.as_ref()),
        ("beta", norm.beta.as_ref()),
        ("mean", mean),
        ("variance", variance),
    ];
    let mut keys: Vec<String> = named
        .into_iter()
        .filter_map(|(key, r)| Some(format!("{key} = {}", reference(r?))))
        .collect();
    keys.push(format!("epsilon = {}", float(norm.epsilon)));
    if after {
        keys.push("after_activation = true".into());
    }
    let kind = if norm.moments.is_some() {
        "batch_norm"
    } else {
        "layer_norm"
    };
    format!("{kind} = {{ {} }}", keys.join(", "))
}

fn reference(r: &TensorRef) -> String {
    let list = |parts: &[Part]| parts.iter().map(part).collect::<Vec<_>>().join(", ");
    match r {
        TensorRef::One(one) => part(one),
        TensorRef::Rows(parts) => format!("{{ rows = [{}] }}", list(parts)),
        TensorRef::Sum(parts) => format!("{{ sum = [{}] }}", list(parts)),
    }
}

fn part(part: &Part) -> String {
    match part.pick {
        None => quote(&part.name),
        Some((axis, index)) => format!(
            "{{ name = {}, axis = {axis}, index = {index} }}",
            quote(&part.name)
        ),
    }
}

fn layout_name(layout: Layout) -> &'static str {
    match layout {
        Layout::OutIn => "out_in",
        Layout::InOut => "in_out",
    }
}

/// A TOML string. Braces are placeholders in a spec's names, and no tensor that was recognised has
/// any.
fn quote(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// A TOML float, which always has a point or an exponent.
fn float(value: f64) -> String {
    toml::Value::Float(value).to_string()
}

fn floats(values: &[f64]) -> String {
    format!(
        "[{}]",
        values
            .iter()
            .map(|v| float(*v))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// Text for a comment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
