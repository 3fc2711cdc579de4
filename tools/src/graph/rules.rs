//! The rules that a [`Graph`] keeps, whatever it was made from: quantizer, packer and oracle rely
//! on them.

use thiserror::Error;

use crate::front::FrontError;
use crate::graph::{Activation, Dense, GateKind, Graph, Layer, Node, Normalization, Op, Output};

/// Most tasks a model may have, and most gates of a level.
pub const MAX_TASKS: usize = 64;
/// Most experts a gate may see.
pub const MAX_SEEN: usize = 128;
/// Most values, the input included.
pub const MAX_VALUES: usize = 255;
/// Widest value.
pub const MAX_WIDTH: usize = 65_535;

/// Which rule of the wiring is broken, and where.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message explains its fields")]
pub enum GraphError {
    #[error(
        "the model has {values} values (the input and one per expert, gate and tower), the blob \
         counts up to {MAX_VALUES}: use fewer experts or towers"
    )]
    TooManyValues { values: usize },
    #[error(
        "{node} is one more than the {MAX_TASKS} gates that a level may have: use fewer tasks in one \
         model"
    )]
    TooManyGates { node: String },
    #[error(
        "the model has {tasks} tasks, the blob holds 1 to {MAX_TASKS}: list the outputs in \
         [[tasks]]"
    )]
    TaskCount { tasks: usize },
    #[error("{node} cannot read one-hot columns as codes: {why}; leave out one_hot")]
    OneHot { node: String, why: &'static str },
    #[error("two tasks are called `{name}`: give each its own name")]
    DuplicateTask { name: String },
    #[error("a task has an empty name: name every task")]
    UnnamedTask,
    #[error("{node}: its width is {width}, possible are 1 to {MAX_WIDTH}")]
    Width { node: String, width: usize },
    #[error(
        "{node} reads value {src}, which is made later or not at all: a step reads what stands \
         before it"
    )]
    Source { node: String, src: usize },
    #[error(
        "{node} reads value {src}, which it may not: a level reads the input or the gates of the \
         level just before it, towers the input or the last level (its gates; its experts if it \
         has none)"
    )]
    Reach { node: String, src: usize },
    #[error(
        "{node} stands in the wrong place: a level is its experts and then its gates, and towers \
         come last"
    )]
    Order { node: String },
    #[error(
        "{node} reads elements {start} to {end} of value {src}, which has {width}: correct the \
         slice"
    )]
    Slice {
        node: String,
        src: usize,
        start: usize,
        end: usize,
        width: usize,
    },
    #[error("{node}, layer {layer}{}: it takes {found} values, the step before it makes {expected}: the widths must chain", named(.tensor))]
    LayerInputs {
        node: String,
        layer: usize,
        tensor: String,
        found: usize,
        expected: usize,
    },
    #[error("{node}: its layers make {found} values, its width is {expected}")]
    NodeOutputs {
        node: String,
        found: usize,
        expected: usize,
    },
    #[error("{node}, layer {layer}{}: {found} numbers where {inputs} inputs and {outputs} outputs need {expected}", named(.tensor))]
    LayerSize {
        node: String,
        layer: usize,
        tensor: String,
        inputs: usize,
        outputs: usize,
        found: usize,
        expected: usize,
    },
    #[error("{node}, layer {layer}{}: it holds NaN or an infinity: train again or repair the file; such weights make every output meaningless", named(.tensor))]
    NotFinite {
        node: String,
        layer: usize,
        tensor: String,
    },
    #[error(
        "{node}, layer {layer}: a number of its activation or norm is outside what the formula \
         allows: epsilons are 0 or more, rates above 0, bounds in order, and all of them finite"
    )]
    Number { node: String, layer: usize },
    #[error(
        "{node}, layer {layer}: {groups} groups of {width} units: groups have equally many units, \
         and there are 1 to 256"
    )]
    Groups {
        node: String,
        layer: usize,
        groups: usize,
        width: usize,
    },
    #[error(
        "{node} does not end in a dense layer without activation, the raw logits: end it in one \
         (the gate's or the task's own activation comes after)"
    )]
    Raw { node: String },
    #[error(
        "{node} makes {width} values and {before} of its level makes {other}: what one level \
         hands on is equally wide"
    )]
    Streams {
        node: String,
        before: String,
        width: usize,
        other: usize,
    },
    #[error(
        "{node} sees no expert: let it see at least one (priors of −∞ hide experts, not all of \
         them)"
    )]
    SeesNone { node: String },
    #[error(
        "{node} sees {count} experts, possible are {MAX_SEEN}: use fewer experts or more gates"
    )]
    SeesTooMany { node: String, count: usize },
    #[error(
        "{node} sees experts beyond the 32nd of its level, and there what it sees may be 2 runs of \
         neighbours, not {runs}: order the experts so that each gate sees neighbours"
    )]
    SeesRuns { node: String, runs: usize },
    #[error(
        "{node} sees value {value}, which is no expert of its level (in ascending order, each \
         once)"
    )]
    SeesWrong { node: String, value: usize },
    #[error(
        "{node} mixes experts of different widths ({first} and {other}): experts that one gate \
         sees must be equally wide"
    )]
    MixedWidths {
        node: String,
        first: usize,
        other: usize,
    },
    #[error("{node}: its layers make {found} logits, its experts and kind need {expected}")]
    Logits {
        node: String,
        found: usize,
        expected: usize,
    },
    #[error("{node}: k = {k} with {experts} experts: k lies in 1 to the number of experts seen")]
    K {
        node: String,
        k: usize,
        experts: usize,
    },
    #[error(
        "{node}: DSelect-k over one expert has nothing to select: let it see two or more, or make \
         the gate constant"
    )]
    NoChoice { node: String },
    #[error(
        "{node}: a constant gate has one layer, its weights, and no other gate has such a layer"
    )]
    Constant { node: String },
    #[error("task `{task}` reads value {value}, which is not a tower")]
    TaskValue { task: String, value: usize },
    #[error(
        "task `{task}` does not read tower {expected}: towers stand in the order of their tasks, \
         one for each that is not a product"
    )]
    TowerOrder { task: String, expected: usize },
    #[error("there are {towers} towers and {tasks} tasks that need one")]
    TowerCount { towers: usize, tasks: usize },
    #[error("task `{task}`: a {kind} needs {needed}, its tower makes {width}")]
    TaskWidth {
        task: String,
        kind: &'static str,
        needed: &'static str,
        width: usize,
    },
    #[error(
        "task `{task}` multiplies task {factor}, which must be a sigmoid task that stands before \
         it (not itself a product)"
    )]
    Factor { task: String, factor: usize },
    #[error(
        "task `{task}` stands behind a product: list the tasks with towers first and the products \
         last"
    )]
    ProductsLast { task: String },
    #[error(
        "task `{task}`: a {kind} of a tower without layers: give the tower a layer that makes the \
         logits, or make the task linear"
    )]
    EmptyTower { task: String, kind: &'static str },
    #[error("input `{name}`: {what}")]
    Input { name: String, what: String },
    #[error("there are {found} feature names for {expected} features: name all or none")]
    FeatureNames { found: usize, expected: usize },
    #[error(transparent)]
    Front(#[from] FrontError),
    #[error(
        "the features of the record make {found} elements, the inputs have {expected}: give the \
         graph `Front::inputs`"
    )]
    FrontWidth { found: usize, expected: usize },
}

fn named(tensor: &str) -> String {
    if tensor.is_empty() {
        String::new()
    } else {
        format!(" (`{tensor}`)")
    }
}

impl Graph {
    /// Checks every rule that the rest of the tool relies on, so that nothing behind it has to check
    /// again or can panic.
    ///
    /// # Errors
    ///
    /// [`GraphError`] for the first rule that is broken, with the node or the tensor.
    pub fn check(&self) -> Result<(), GraphError> {
        self.check_inputs()?;
        if self.nodes.len() + 1 > MAX_VALUES {
            return Err(GraphError::TooManyValues {
                values: self.nodes.len() + 1,
            });
        }
        let mut levels = Levels::default();
        for (i, node) in self.nodes.iter().enumerate() {
            let name = self.node_name(i);
            self.check_source(node, i, &name)?;
            if let Err(why) = self.element_reads(node) {
                return Err(GraphError::OneHot { node: name, why });
            }
            levels.step(i + 1, node, &name)?;
            if levels.gates.len() > MAX_TASKS {
                return Err(GraphError::TooManyGates { node: name });
            }
            match &node.op {
                Op::Gate { kind, sees, .. } => {
                    self.check_gate(node, *kind, sees, &levels, &name)?
                }
                Op::Expert | Op::Tower => {
                    let made = check_layers(node, &name)?;
                    if made != node.outputs {
                        return Err(GraphError::NodeOutputs {
                            node: name,
                            found: made,
                            expected: node.outputs,
                        });
                    }
                }
            }
            if !matches!(node.op, Op::Expert) {
                self.check_streams(&levels)?;
            }
        }
        self.check_tasks()
    }

    /// Returns what node `i` is called in messages: `expert 0`, `gate 1`, `tower 2`, each counted over
    /// the whole model.
    #[must_use]
    pub fn node_name(&self, i: usize) -> String {
        let kind = |n: &Node| match n.op {
            Op::Expert => "expert",
            Op::Gate { .. } => "gate",
            Op::Tower => "tower",
        };
        self.nodes.get(i).map_or_else(
            || format!("node {i}"),
            |node| {
                let before = self
                    .nodes
                    .iter()
                    .take(i)
                    .filter(|n| kind(n) == kind(node))
                    .count();
                format!("{} {before}", kind(node))
            },
        )
    }

    fn check_inputs(&self) -> Result<(), GraphError> {
        let width = self.width(0);
        if width == 0 || width > MAX_WIDTH {
            return Err(GraphError::Width {
                node: "the input".into(),
                width,
            });
        }
        for input in &self.inputs {
            let bad = |what: &str| {
                Err(GraphError::Input {
                    name: input.name.clone(),
                    what: what.into(),
                })
            };
            if input.count == 0 {
                return bad("count = 0: every input has at least one feature");
            }
            if [input.min, input.max, input.mean, input.std]
                .into_iter()
                .flatten()
                .any(|v| !v.is_finite())
            {
                return bad("min, max, mean and std must be finite");
            }
            if input.min.zip(input.max).is_some_and(|(min, max)| min > max) {
                return bad("min is above max");
            }
            if input.std.is_some_and(|std| std <= 0.0) {
                return bad("std must be above 0: leave a constant feature unscaled");
            }
            if let Some(codes) = input.codes {
                let told = [input.min, input.max, input.mean, input.std];
                if told.iter().any(Option::is_some) {
                    return bad("one-hot columns are 0 or 1: leave out min, max, mean and std");
                }
                if codes == 0 || codes >= input.count {
                    return bad(
                        "one-hot columns are two or more, and have fewer codes than columns; a \
                         single column is a number as it is",
                    );
                }
            }
        }
        let names = match &self.front {
            None => width,
            Some(front) => {
                front.check()?;
                let widths = front.features.iter().map(|f| f.width(front));
                if !widths.eq(self.inputs.iter().map(|i| i.count)) {
                    return Err(GraphError::FrontWidth {
                        found: front.width(),
                        expected: width,
                    });
                }
                front.fields.len()
            }
        };
        if !self.feature_names.is_empty() && self.feature_names.len() != names {
            return Err(GraphError::FeatureNames {
                found: self.feature_names.len(),
                expected: names,
            });
        }
        Ok(())
    }

    fn check_source(&self, node: &Node, i: usize, name: &str) -> Result<(), GraphError> {
        if node.outputs == 0 || node.outputs > MAX_WIDTH {
            return Err(GraphError::Width {
                node: name.into(),
                width: node.outputs,
            });
        }
        if node.src > i {
            return Err(GraphError::Source {
                node: name.into(),
                src: node.src,
            });
        }
        let width = self.width(node.src);
        let end = node.start.saturating_add(node.inputs);
        if end > width || node.inputs == 0 {
            return Err(GraphError::Slice {
                node: name.into(),
                src: node.src,
                start: node.start,
                end,
                width,
            });
        }
        Ok(())
    }

    fn check_gate(
        &self,
        node: &Node,
        kind: GateKind,
        sees: &[usize],
        levels: &Levels,
        name: &str,
    ) -> Result<(), GraphError> {
        let node_name = || name.to_owned();
        let Some(first) = sees.first() else {
            return Err(GraphError::SeesNone { node: node_name() });
        };
        if sees.len() > MAX_SEEN {
            return Err(GraphError::SeesTooMany {
                node: node_name(),
                count: sees.len(),
            });
        }
        if let Some(bad) = sees.windows(2).find(|w| w[0] >= w[1]) {
            return Err(GraphError::SeesWrong {
                node: node_name(),
                value: bad[1],
            });
        }
        if let Some(&bad) = sees.iter().find(|v| !levels.experts.contains(v)) {
            return Err(GraphError::SeesWrong {
                node: node_name(),
                value: bad,
            });
        }
        let far = sees.iter().any(|v| v - levels.experts[0] >= 32);
        let runs = sees.chunk_by(|a, b| *b == a + 1).count();
        if far && runs > 2 {
            return Err(GraphError::SeesRuns {
                node: node_name(),
                runs,
            });
        }
        for &value in sees {
            if self.width(value) != self.width(*first) {
                return Err(GraphError::MixedWidths {
                    node: node_name(),
                    first: self.width(*first),
                    other: self.width(value),
                });
            }
        }
        if node.outputs != self.width(*first) {
            return Err(GraphError::NodeOutputs {
                node: node_name(),
                found: self.width(*first),
                expected: node.outputs,
            });
        }
        if let GateKind::TopK { k, .. } | GateKind::DSelectK { k } = kind
            && (k == 0 || k > sees.len())
        {
            return Err(GraphError::K {
                node: node_name(),
                k,
                experts: sees.len(),
            });
        }
        if matches!(kind, GateKind::DSelectK { .. }) && sees.len() < 2 {
            return Err(GraphError::NoChoice { node: node_name() });
        }
        let constants = node
            .layers
            .iter()
            .filter(|l| matches!(l, Layer::Constant { .. }))
            .count();
        let is_constant = matches!(kind, GateKind::Constant);
        if (is_constant && (constants != 1 || node.layers.len() != 1))
            || (!is_constant && constants != 0)
        {
            return Err(GraphError::Constant { node: node_name() });
        }
        let logits = check_layers(node, name)?;
        let expected = kind.logits(sees.len());
        if logits != expected {
            return Err(GraphError::Logits {
                node: node_name(),
                found: logits,
                expected,
            });
        }
        if is_constant {
            Ok(())
        } else {
            check_raw(node, name)
        }
    }

    /// What a level hands on lies side by side: all of one width.
    fn check_streams(&self, levels: &Levels) -> Result<(), GraphError> {
        let Some((&first, rest)) = levels.offers().split_first() else {
            return Ok(());
        };
        let width = self.width(first);
        match rest.iter().find(|v| self.width(**v) != width) {
            None => Ok(()),
            Some(&other) => Err(GraphError::Streams {
                node: self.node_name(other - 1),
                before: self.node_name(first - 1),
                width: self.width(other),
                other: width,
            }),
        }
    }

    fn check_tasks(&self) -> Result<(), GraphError> {
        if self.tasks.is_empty() || self.tasks.len() > MAX_TASKS {
            return Err(GraphError::TaskCount {
                tasks: self.tasks.len(),
            });
        }
        let (mut towers, mut products) = (0, false);
        for (t, task) in self.tasks.iter().enumerate() {
            let name = || task.name.clone();
            if task.name.is_empty() {
                return Err(GraphError::UnnamedTask);
            }
            if self
                .tasks
                .iter()
                .take(t)
                .any(|other| other.name == task.name)
            {
                return Err(GraphError::DuplicateTask { name: name() });
            }
            let (value, kind, needed, fits): (usize, _, _, fn(usize) -> bool) = match task.output {
                Output::Product { a, b } => {
                    products = true;
                    let probability =
                        |f: usize| f < t && matches!(self.tasks[f].output, Output::Sigmoid { .. });
                    if let Some(factor) = [a, b].into_iter().find(|f| !probability(*f)) {
                        return Err(GraphError::Factor {
                            task: name(),
                            factor,
                        });
                    }
                    continue;
                }
                Output::Linear { value } => (value, "linear output", "any width", |_| true),
                Output::Sigmoid { value } => (value, "sigmoid", "width 1", |w| w == 1),
                Output::Softmax { value } => (value, "softmax", "width 2 or more", |w| w >= 2),
            };
            match self.tower_index(value) {
                None => {
                    return Err(GraphError::TaskValue {
                        task: name(),
                        value,
                    });
                }
                Some(index) if index != towers => {
                    return Err(GraphError::TowerOrder {
                        task: name(),
                        expected: towers,
                    });
                }
                Some(_) if products => return Err(GraphError::ProductsLast { task: name() }),
                Some(_) => towers += 1,
            }
            if !fits(self.width(value)) {
                return Err(GraphError::TaskWidth {
                    task: name(),
                    kind,
                    needed,
                    width: self.width(value),
                });
            }
            if self.nodes[value - 1].layers.is_empty()
                && !matches!(task.output, Output::Linear { .. })
            {
                return Err(GraphError::EmptyTower { task: name(), kind });
            }
            if !matches!(task.output, Output::Linear { .. }) {
                check_raw(&self.nodes[value - 1], &self.node_name(value - 1))?;
            }
        }
        let made = self
            .nodes
            .iter()
            .filter(|n| matches!(n.op, Op::Tower))
            .count();
        if made == towers {
            Ok(())
        } else {
            Err(GraphError::TowerCount {
                towers: made,
                tasks: towers,
            })
        }
    }
}

impl GateKind {
    /// How many numbers the layers of a gate of this kind make for `experts` experts seen.
    #[must_use]
    pub fn logits(self, experts: usize) -> usize {
        match self {
            Self::DSelectK { k } => k * selector_bits(experts) + k,
            _ => experts,
        }
    }
}

/// `⌈log2 experts⌉`: the bits of one DSelect-k selector.
#[must_use]
pub fn selector_bits(experts: usize) -> usize {
    experts.next_power_of_two().trailing_zeros() as usize
}

/// Where the walk over the nodes is: which values the level under way may read.
#[derive(Default)]
struct Levels {
    /// What the level just before offers; before the first level nothing but the input.
    before: Vec<usize>,
    /// Experts of the level under way.
    experts: Vec<usize>,
    /// Gates of the level under way.
    gates: Vec<usize>,
    in_towers: bool,
}

impl Levels {
    /// What a finished level offers: its gates, or its experts where it has none.
    fn offers(&self) -> &[usize] {
        if self.gates.is_empty() {
            &self.experts
        } else {
            &self.gates
        }
    }

    fn step(&mut self, value: usize, node: &Node, name: &str) -> Result<(), GraphError> {
        let readable = |values: &[usize]| node.src == 0 || values.contains(&node.src);
        let (placed, reachable) = match node.op {
            Op::Expert => {
                // An expert behind gates opens the next level.
                if !self.gates.is_empty() {
                    self.before = std::mem::take(&mut self.gates);
                    self.experts.clear();
                }
                self.experts.push(value);
                (!self.in_towers, readable(&self.before))
            }
            Op::Gate { .. } => {
                self.gates.push(value);
                (
                    !self.in_towers && !self.experts.is_empty(),
                    readable(&self.before),
                )
            }
            Op::Tower => {
                self.in_towers = true;
                (true, readable(self.offers()))
            }
        };
        if !placed {
            return Err(GraphError::Order { node: name.into() });
        }
        if !reachable {
            return Err(GraphError::Reach {
                node: name.into(),
                src: node.src,
            });
        }
        Ok(())
    }
}

/// Runs of numbers, each with how many there must be.
type Parts<'a> = Vec<(&'a [f32], usize)>;

/// Checks that the widths chain and every layer is whole; gives back the width of the last.
fn check_layers(node: &Node, name: &str) -> Result<usize, GraphError> {
    let mut width = node.inputs;
    for (i, layer) in node.layers.iter().enumerate() {
        let (tensor, inputs, outputs, parts): (&str, usize, usize, Parts<'_>) = match layer {
            Layer::Dense(d) => (
                &d.name,
                d.inputs,
                d.outputs,
                vec![
                    (&d.weight, d.inputs.saturating_mul(d.outputs)),
                    (&d.bias, d.outputs),
                ],
            ),
            Layer::Affine { gain, bias } | Layer::Norm { gain, bias, .. } => {
                ("", width, width, vec![(gain, width), (bias, width)])
            }
            Layer::Pointwise { width: own, .. } | Layer::RowDice { width: own, .. } => {
                ("", *own, *own, vec![])
            }
            Layer::Dice { gain, bias, alpha } => (
                "",
                width,
                width,
                vec![(gain, width), (bias, width), (alpha, width)],
            ),
            Layer::PRelu { slope } => ("", width, width, vec![(slope, width)]),
            Layer::Constant { weights } => {
                ("", width, weights.len(), vec![(weights, weights.len())])
            }
        };
        if inputs != width {
            return Err(GraphError::LayerInputs {
                node: name.into(),
                layer: i,
                tensor: tensor.into(),
                found: inputs,
                expected: width,
            });
        }
        if outputs == 0 || outputs > MAX_WIDTH {
            return Err(GraphError::Width {
                node: format!("{name}, layer {i}"),
                width: outputs,
            });
        }
        for (numbers, expected) in parts {
            if numbers.len() != expected {
                return Err(GraphError::LayerSize {
                    node: name.into(),
                    layer: i,
                    tensor: tensor.into(),
                    inputs,
                    outputs,
                    found: numbers.len(),
                    expected,
                });
            }
            if numbers.iter().any(|v| !v.is_finite()) {
                return Err(GraphError::NotFinite {
                    node: name.into(),
                    layer: i,
                    tensor: tensor.into(),
                });
            }
        }
        let sound = match layer {
            Layer::Norm { epsilon, .. } => epsilon.is_finite() && *epsilon >= 0.0,
            Layer::RowDice { epsilon, alpha, .. } => {
                epsilon.is_finite() && *epsilon >= 0.0 && alpha.is_finite()
            }
            Layer::Dense(Dense { activation, .. }) | Layer::Pointwise { activation, .. } => {
                activation.is_sound()
            }
            Layer::Affine { .. }
            | Layer::PRelu { .. }
            | Layer::Dice { .. }
            | Layer::Constant { .. } => true,
        };
        if !sound {
            return Err(GraphError::Number {
                node: name.into(),
                layer: i,
            });
        }
        if let Layer::Norm {
            by: Normalization::Layer { groups },
            ..
        } = layer
            && (!(1..=256).contains(groups) || !width.is_multiple_of(*groups))
        {
            return Err(GraphError::Groups {
                node: name.into(),
                layer: i,
                groups: *groups,
                width,
            });
        }
        width = outputs;
    }
    Ok(width)
}

/// Gates end in raw logits, and so do towers whose output is a probability.
fn check_raw(node: &Node, name: &str) -> Result<(), GraphError> {
    match node.layers.last() {
        Some(Layer::Dense(d)) if d.activation == Activation::Linear => Ok(()),
        _ => Err(GraphError::Raw { node: name.into() }),
    }
}
