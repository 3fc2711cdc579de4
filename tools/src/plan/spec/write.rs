//! From a plan back to the text of a spec that describes it.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::graph::Input;
use crate::import::Weights;
use crate::model::Recognised;
use crate::plan::recognise::draft;
use crate::plan::recognise::leftovers::{may_be_table, of_training};
use crate::plan::{
    ActivationPlan, Block, Blocks, GateKindPlan, GatePlan, LayerPlan, Layout, Level, Norm,
    NormKind, Open, OutputPlan, Part, Plan, Reads, TensorRef, Unit,
};

/// A spec that describes what was recognised, tensor by tensor: converting with it gives the same
/// graph, and everything that was assumed stands in it to be corrected.
#[must_use]
pub fn write_spec(weights: &Weights, recognised: &Recognised) -> String {
    write_plan(
        weights,
        &recognised.framework,
        &recognised.assumptions,
        &recognised.plan,
    )
}

/// What the field of a table is probably called: the part of the tensor's name that is its own.
fn field_name(tensor: &str) -> String {
    let parts = tensor.split(['.', '/', ':']);
    let mut own = parts.filter(|p| !["weight", "embeddings", "embedding", "0"].contains(p));
    one_line(own.next_back().unwrap_or(tensor))
}

/// The same for a plan of which not even the tasks are known: what nobody answered stands in it as
/// `open`, and a conversion asks for it.
#[must_use]
pub fn write_plan(
    weights: &Weights,
    framework: &str,
    assumptions: &[String],
    plan: &Plan,
) -> String {
    if let Some(front) = plan.front.as_ref().filter(|f| !f.runs) {
        let mut text = write_plan(weights, framework, assumptions, &plan.settled());
        let note = format!(
            "# Rows hold what `{}` and the layers with it made; recognition with [defaults] rows = \
             \"raw\" runs them in the blob.\n",
            one_line(&front.name)
        );
        text.insert_str(0, &note);
        return text;
    }
    let plan = &*plan.settled();
    let mut out = Writer(String::new());
    out.line(format_args!(
        "# From a {} ({}).",
        one_line(&weights.format),
        one_line(framework)
    ));
    for assumption in assumptions {
        out.line(format_args!("# Taken: {}", one_line(assumption)));
    }
    if plan.places().any(|(.., l)| l.open != Open::default()) {
        out.line(format_args!(
            "# `open` lists what the file does not say. Correct the layer and take the word out, or \
             answer for all\n# at once: [defaults] with activation, epsilon, … (docs/spec.md)."
        ));
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
    out.line(format_args!("layout = \"{}\"", layout.name()));
    if plan.record.as_ref().is_some_and(|r| r.of_weights) {
        out.line(format_args!(
            "# Fields and what they become are read of the weights' file; \"vector\" would start \
             behind them.\nrecord = \"file\""
        ));
    }
    let ignored = unread(weights, plan);
    if !ignored.is_empty() {
        let list = format!("ignore = [\n  {},\n]", ignored.join(",\n  "));
        out.line(format_args!("{list}"));
    }
    out.inputs(&plan.inputs);
    match &plan.fields {
        Some(fields) => out.line(format_args!("\n{}", fields.text.trim_end())),
        None => out.tables(weights, plan),
    }
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
            Some(OutputPlan::Clip { min, max }) => out.line(format_args!(
                "activation = \"clip\"\nmin = {}\nmax = {}",
                float(min),
                float(max)
            )),
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
            Some(output) => out.line(format_args!("activation = \"{}\"", output.name())),
            None => out.line(format_args!(
                "activation = \"?\"   # THE FILE DOES NOT SAY: write \"linear\" for the tower's raw \
                 values, \"sigmoid\", \"softmax\", …"
            )),
        }
    }
    out.0
}

/// A spec to start from for a file that nothing recognises: what it could not place is listed in a
/// comment, and a conversion refuses it until it is placed or ignored.
#[must_use]
pub fn write_draft(weights: &Weights) -> String {
    let found = draft(weights);
    let mut text = write_plan(weights, found.framework, &found.assumptions, &found.plan);
    if let Some(from) = text.find("ignore = [")
        && let Some(length) = text[from..].find("\n]")
    {
        let list = text[from..from + length + 2].to_owned();
        let asked = "# No place was found for these: say what they do, or take the `#` away where \
                     they do nothing.\n# "
            .to_owned()
            + &list.replace('\n', "\n# ");
        text = text.replacen(&list, &asked, 1);
    }
    text
}

struct Writer(String);

impl Writer {
    /// The embedding tables of the file as fields that somebody has to complete: a state dict says
    /// neither which of them are lists, nor in which order the vector has them.
    fn tables(&mut self, weights: &Weights, plan: &Plan) {
        /// More would hide the rest of the spec.
        const MOST: usize = 100;
        let used: HashSet<&str> = plan
            .references()
            .flat_map(|r| r.parts())
            .map(|p| p.name.as_str())
            .collect();
        let tables: Vec<(&String, usize, usize)> = weights
            .tensors
            .iter()
            .filter(|(name, tensor)| {
                let has = |name: &str| weights.tensors.contains_key(name);
                !used.contains(name.as_str())
                    && of_training(name).is_none()
                    && may_be_table(name, &tensor.shape, has)
            })
            .filter_map(|(name, tensor)| match tensor.shape.as_slice() {
                [rows, width] if *rows > 1 => Some((name, *rows, *width)),
                _ => None,
            })
            .take(MOST)
            .collect();
        if tables.is_empty() {
            return;
        }
        self.line(format_args!(
            "\n# The file has embedding tables. As it stands, this spec makes a blob that starts behind \
             them. For one that\n# takes records, complete these fields, take the `#` away and the \
             tables out of `ignore` (docs/spec.md). No file\n# says which fields are lists (given = \
             [\"id\"] with max and pool), which values stand for which rows (vocabulary),\n# which \
             numbers there are, and in which order training put them side by side."
        ));
        let mut names = Vec::new();
        for (tensor, rows, width) in tables {
            let name = field_name(tensor);
            self.line(format_args!(
                "# [[fields]]\n# name = {}\n# given = \"id\"\n# embedding = {}   # {rows} rows of {width}",
                quote(&name),
                quote(tensor)
            ));
            names.push(quote(&name));
        }
        self.line(format_args!("# [order]\n# vector = [{}]", names.join(", ")));
    }

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
            if input.codes.is_some() {
                self.line(format_args!("one_hot = true"));
            }
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
            GateKindPlan::TopK { k, renormalise } => {
                format!("\"top_k\"\nk = {k}\nrenormalise = {renormalise}")
            }
            GateKindPlan::DSelectK { k } => format!("\"dselect_k\"\nk = {k}"),
            GateKindPlan::Constant(weights) => {
                format!("\"constant\"\nweights = {}", floats(weights))
            }
            plain => format!("\"{}\"", plain.name()),
        };
        self.line(format_args!("kind = {kind}"));
        if gate.open {
            self.line(format_args!("open = [\"kind\"]"));
        }
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
            keys.push(format!("layout = \"{}\"", layer.layout.name()));
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
        ActivationPlan::LeakyRelu(slope) => keys.push(format!(
            "activation = \"leaky_relu\", slope = {}",
            float(*slope)
        )),
        ActivationPlan::Elu(alpha) if *alpha != 1.0 => {
            keys.push(format!("activation = \"elu\", slope = {}", float(*alpha)));
        }
        ActivationPlan::PRelu(slope) => keys.push(format!(
            "activation = \"prelu\", slope = {}",
            reference(slope)
        )),
        ActivationPlan::Dice(dice) => {
            let mut inner = vec![format!("alpha = {}", reference(&dice.alpha))];
            match &dice.norm {
                Some(norm) => inner.extend(norm_parts(norm)),
                None => inner.push(format!("epsilon = {}", float(dice.epsilon))),
            }
            keys.push(format!("dice = {{ {} }}", inner.join(", ")));
        }
        named => keys.push(format!("activation = \"{}\"", named.name())),
    }
    if layer.residual {
        keys.push("residual = true".into());
    }
    if layer.spans > 1 {
        keys.push(format!("residual_layers = {}", layer.spans));
    }
    keys.extend(doubts(layer));
    keys
}

/// What the file leaves open about a layer.
fn doubts(layer: &LayerPlan) -> Option<String> {
    let open = layer.open;
    let named = [
        (open.activation, "\"activation\""),
        (open.norm, "\"norm\""),
        (open.order, "\"after_activation\""),
        (open.epsilon, "\"epsilon\""),
        (open.layout, "\"layout\""),
        (open.residual, "\"residual\""),
    ];
    let list: Vec<&str> = named
        .iter()
        .filter(|(open, _)| *open)
        .map(|(_, what)| *what)
        .collect();
    (!list.is_empty()).then(|| format!("open = [{}]", list.join(", ")))
}

/// Patterns of the tensors that the plan does not read.
fn unread(weights: &Weights, plan: &Plan) -> Vec<String> {
    let used: HashSet<&str> = plan
        .references()
        .flat_map(TensorRef::parts)
        .map(|p| p.name.as_str())
        .collect();
    let root = |n: &str| n.find(['.', '/']).map_or(n.len(), |at| at + 1);
    let mut patterns: Vec<String> = Vec::new();
    for name in weights
        .tensors
        .keys()
        .filter(|n| !used.contains(n.as_str()))
    {
        let under = &name[..root(name)];
        // A module of which nothing is read is named as a whole.
        let whole = under.len() < name.len() && !used.iter().any(|u| u.starts_with(under));
        let pattern = quote(&if whole {
            format!("{under}*")
        } else {
            name.clone()
        });
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns
}

fn norm_parts(norm: &Norm) -> Vec<String> {
    let (mean, variance) = match &norm.kind {
        NormKind::Batch(mean, variance) => (Some(mean), Some(variance)),
        _ => (None, None),
    };
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
    keys
}

fn norm_keys(norm: &Norm, after: bool) -> String {
    let mut keys = norm_parts(norm);
    if let NormKind::Group(groups) = norm.kind {
        keys.push(format!("groups = {groups}"));
    }
    if after {
        keys.push("after_activation = true".into());
    }
    let kind = match norm.kind {
        NormKind::Batch(..) => "batch_norm",
        NormKind::Layer => "layer_norm",
        NormKind::Rms => "rms_norm",
        NormKind::Group(_) => "group_norm",
        NormKind::L2 => "l2_norm",
        NormKind::Scale => "scale",
    };
    format!("{kind} = {{ {} }}", keys.join(", "))
}

fn reference(r: &TensorRef) -> String {
    let list = |parts: &[Part]| parts.iter().map(part).collect::<Vec<_>>().join(", ");
    match r {
        TensorRef::One(one) => part(one),
        TensorRef::Rows(parts) => format!("{{ rows = [{}] }}", list(parts)),
        TensorRef::Numbers(numbers) => format!("{{ numbers = {} }}", floats(numbers)),
        TensorRef::Sum(parts) => format!("{{ sum = [{}] }}", list(parts)),
        TensorRef::Blocks(all) => blocks(all),
    }
}

fn blocks(all: &Blocks) -> String {
    let mut parts = all.parts.iter();
    let mut next = || parts.next().map_or_else(String::new, part);
    let list: Vec<String> = all
        .blocks
        .iter()
        .map(|block| match *block {
            Block::Tensor {
                at: (row, column),
                factor,
            } => {
                let factor = if factor == 1.0 {
                    String::new()
                } else {
                    format!(", factor = {}", float(factor))
                };
                format!("{{ at = [{row}, {column}], tensor = {}{factor} }}", next())
            }
            Block::Repeated { row, count } => {
                format!(
                    "{{ at = [{row}, 0], tensor = {}, repeat = {count} }}",
                    next()
                )
            }
            Block::Identity {
                at: (row, column),
                count,
            } => format!("{{ at = [{row}, {column}], identity = {count} }}"),
            Block::Row {
                at: (row, column),
                value,
                count,
            } => format!(
                "{{ at = [{row}, {column}], value = {}, count = {count} }}",
                float(value)
            ),
        })
        .collect();
    format!(
        "{{ size = [{}, {}], blocks = [{}] }}",
        all.outputs,
        all.inputs,
        list.join(", ")
    )
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
