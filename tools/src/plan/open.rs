//! What a file leaves open: every place where a number could come out otherwise, as typed questions.
//!
//! Recognition marks layers and gates whose meaning the file does not settle ([`Open`]);
//! [`questions`] gathers the marks into as few [`Question`]s as there are things to decide, each
//! with what the plan assumes now, what else it may be in the order of likelihood, and the line of
//! a spec that settles it. [`Question::apply`] puts another choice into a plan, so that a search
//! can try it on golden rows.

use super::{ActivationPlan, GateKindPlan, Layout, OutputPlan, Plan, Pointwise};

/// What is not settled about a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a doubt of its own")]
pub struct Open {
    /// Which function it applies.
    pub activation: bool,
    /// Whether its norm stands before or behind the activation.
    pub order: bool,
    /// What kind of norm (or trained slope) a vector is.
    pub norm: bool,
    /// Which number its norm adds to the variance.
    pub epsilon: bool,
    /// Which way round its square matrix lies.
    pub layout: bool,
    /// Whether its input is added to its output.
    pub residual: bool,
}

/// The parts of a model that answer a question together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Experts, gates and towers alike.
    All,
    /// The layers before experts and gates.
    Stem,
    /// Every level's experts.
    Experts,
    /// Every level's gates.
    Gates,
    /// The towers.
    Towers,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// How an output is made.
    Output,
    /// Which layers stand before experts and gates.
    Before,
    /// The function of the hidden layers.
    Activation,
    /// The function of the last layer.
    LastActivation,
    /// What kind of norm a vector belongs to.
    NormKind,
    /// Whether norms stand before or behind the activation.
    Order,
    /// What norms add to the variance.
    Epsilon,
    /// From logits to weights.
    GateKind,
    /// What rows of data hold where layers stand before all the others.
    Front,
    /// Which way round square matrices lie.
    Layout,
    /// Whether layers add their input.
    Residual,
}

/// A layer, gate or output of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Level, expert, layer.
    Expert(usize, usize, usize),
    /// Level, gate, layer of its logits.
    Logits(usize, usize, usize),
    /// Level, gate: what becomes of the logits.
    Gate(usize, usize),
    /// Tower, layer.
    Tower(usize, usize),
    /// Task.
    Task(usize),
    /// The layers before all the others.
    Front,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// This function.
    Activation(ActivationPlan),
    /// Norms stand behind the activation (`true`) or before it.
    AfterActivation(bool),
    /// The vector is this.
    Norm(NormChoice),
    /// This number is added to the variance.
    Epsilon(f64),
    /// Logits become weights so, divided by the temperature before.
    Gate(GateKindPlan, f64),
    /// Square matrices lie so.
    Layout(Layout),
    /// Layers add their input (`true`).
    Residual(bool),
    /// The output is made so.
    Output(OutputPlan),
    /// These layers stand before experts and gates, the others in the towers.
    Before(Vec<String>),
    /// The blob runs the layers in front (`true`): rows hold what enters these.
    Front(bool),
}

/// What a trained vector without statistics can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormChoice {
    /// A PReLU's slopes.
    PRelu,
    /// A layer norm's gains.
    Layer,
    /// An RMS norm's gains.
    Rms,
    /// The gains of a group norm of so many groups.
    Group(usize),
    /// A factor per unit.
    Scale,
    /// No norm: nothing stands there but what has no effect, such as a dropout.
    Nothing,
}

/// One thing that the file leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What is asked.
    pub topic: Topic,
    /// Of which part of the model.
    pub part: Part,
    /// The places that the answer applies to.
    pub at: Vec<At>,
    /// What the plan assumes now; `None`: nothing, so it must be answered.
    pub assumed: Option<Choice>,
    /// What else it may be, the likeliest first.
    pub others: Vec<Choice>,
    /// Where the assumption comes from.
    pub source: String,
}

/// Where a recogniser's assumptions come from, for all the questions of a plan.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    /// Whether one setting of the framework decides the activation of all hidden layers; otherwise
    /// experts, gates and towers may differ.
    pub one_activation: bool,
    /// The name of that setting, for people: `` `dnn_activation`, DeepCTR's default ``.
    pub source: &'static str,
}

/// The activations that people use in hidden layers, the likeliest first.
fn activations() -> Vec<Choice> {
    use Pointwise::{
        Gelu, GeluTanh, HardSigmoid, HardSigmoidKeras2, Hardswish, Hardtanh, Mish, Relu6, Selu,
        Silu, Softplus, Softsign,
    };
    let named = [
        ActivationPlan::Relu,
        ActivationPlan::Linear,
        ActivationPlan::Tanh,
        ActivationPlan::Sigmoid,
        ActivationPlan::Pointwise(Gelu),
        ActivationPlan::Pointwise(Silu),
        ActivationPlan::Elu(1.0),
        ActivationPlan::LeakyRelu(0.01),
        ActivationPlan::LeakyRelu(0.2),
        ActivationPlan::LeakyRelu(0.1),
        ActivationPlan::LeakyRelu(0.3),
        ActivationPlan::LeakyRelu(0.05),
    ];
    let rest = [
        Selu,
        Softplus,
        GeluTanh,
        Relu6,
        Hardswish,
        Mish,
        HardSigmoid,
        Hardtanh,
        Softsign,
        HardSigmoidKeras2,
    ];
    named
        .into_iter()
        .chain(rest.map(ActivationPlan::Pointwise))
        .map(Choice::Activation)
        .collect()
}

/// The epsilons that frameworks and people use, the likeliest first. The one that is no power of
/// ten is the machine epsilon of f32, which PyTorch's RMS norm takes where nobody names one.
const EPSILONS: [f64; 9] = [
    1e-5,
    1e-3,
    1e-6,
    1e-8,
    1.192_092_895_507_812_5e-7,
    1e-12,
    1e-4,
    1e-2,
    1e-1,
];

/// Everything that is marked open in a plan, gathered.
#[must_use]
pub fn questions(plan: &Plan, habits: &Habits) -> Vec<Question> {
    let mut asked: Vec<Question> = Vec::new();
    if let [now, others @ ..] = plan.readings.as_slice()
        && !others.is_empty()
    {
        let choice = |r: &super::Reading| Choice::Before(r.before.clone());
        asked.push(Question {
            topic: Topic::Before,
            part: Part::All,
            at: vec![At::Front],
            assumed: Some(choice(now)),
            others: others.iter().map(choice).collect(),
            source: habits.source.into(),
        });
    }
    let mut ask =
        |topic, part, at, assumed: Option<Choice>, others: fn() -> Vec<Choice>| match asked
            .iter_mut()
            .find(|q| q.topic == topic && q.part == part && q.assumed == assumed)
        {
            Some(same) => same.at.push(at),
            None => asked.push(Question {
                topic,
                part,
                at: vec![at],
                others: others()
                    .into_iter()
                    .filter(|c| Some(c) != assumed.as_ref())
                    .collect(),
                assumed,
                source: habits.source.into(),
            }),
        };
    for (t, task) in plan.tasks.iter().enumerate() {
        if task.output.is_none() {
            ask(Topic::Output, Part::Towers, At::Task(t), None, outputs);
        }
    }
    if let Some(front) = plan.front.as_ref().filter(|f| f.open) {
        let both = || [false, true].map(Choice::Front).into();
        ask(
            Topic::Front,
            Part::All,
            At::Front,
            Some(Choice::Front(front.runs)),
            both,
        );
    }
    for (at, part, last, layer) in plan.places() {
        let shared = if habits.one_activation {
            Part::All
        } else {
            part
        };
        if layer.open.activation {
            let now = Some(Choice::Activation(layer.activation.clone()));
            if last && !habits.one_activation {
                ask(Topic::LastActivation, shared, at, now, activations);
            } else {
                ask(Topic::Activation, shared, at, now, activations);
            }
        }
        if layer.open.norm
            && let Some(kind) = layer.norm_choice()
        {
            // With a bias beside it a vector is no slope, no RMS norm and no bare factor.
            let biased = layer
                .before
                .as_ref()
                .or(layer.after.as_ref())
                .is_some_and(|n| n.beta.is_some());
            let kinds = if kind == NormChoice::Nothing || !layer.has_vector() {
                bare_norms
            } else if biased {
                biased_norms
            } else {
                lone_norms
            };
            ask(Topic::NormKind, part, at, Some(Choice::Norm(kind)), kinds);
        }
        if layer.open.order {
            ask(
                Topic::Order,
                part,
                at,
                Some(Choice::AfterActivation(layer.after.is_some())),
                || [false, true].map(Choice::AfterActivation).into(),
            );
        }
        if layer.open.epsilon
            && let Some(norm) = layer.before.as_ref().or(layer.after.as_ref())
        {
            ask(
                Topic::Epsilon,
                Part::All,
                at,
                Some(Choice::Epsilon(norm.epsilon)),
                || EPSILONS.map(Choice::Epsilon).into(),
            );
        }
        if layer.open.layout {
            ask(
                Topic::Layout,
                Part::All,
                at,
                Some(Choice::Layout(layer.layout)),
                || [Layout::OutIn, Layout::InOut].map(Choice::Layout).into(),
            );
        }
        if layer.open.residual {
            ask(
                Topic::Residual,
                part,
                at,
                Some(Choice::Residual(layer.residual)),
                || [false, true].map(Choice::Residual).into(),
            );
        }
    }
    for (l, level) in plan.levels.iter().enumerate() {
        for (g, gate) in level.gates.iter().enumerate().filter(|(_, g)| g.open) {
            let now = Choice::Gate(gate.kind.clone(), gate.temperature);
            ask(
                Topic::GateKind,
                Part::Gates,
                At::Gate(l, g),
                Some(now),
                gate_kinds,
            );
        }
    }
    asked.extend(contradictions(plan));
    asked.sort_by_key(|q| (q.topic, q.part));
    asked
}

/// Outputs of which the file says one thing and the spec another.
fn contradictions(plan: &Plan) -> impl Iterator<Item = Question> {
    let tasks = plan.tasks.iter().enumerate();
    tasks.filter_map(|(t, task)| {
        let (said, output) = (task.differs?, task.output?);
        Some(Question {
            topic: Topic::Output,
            part: Part::Towers,
            at: vec![At::Task(t)],
            assumed: Some(Choice::Output(output)),
            others: vec![Choice::Output(said)],
            source: format!(
                "the spec says so of `{}`, and the file says {}",
                task.name,
                said.name()
            ),
        })
    })
}

fn outputs() -> Vec<Choice> {
    use OutputPlan::{Exp, Linear, Relu, Sigmoid, Softmax, Softplus, Tanh};
    [Sigmoid, Linear, Softmax, Relu, Softplus, Tanh, Exp]
        .map(Choice::Output)
        .into()
}

fn gate_kinds() -> Vec<Choice> {
    let softmax = |temperature| Choice::Gate(GateKindPlan::Softmax, temperature);
    let mut all = vec![softmax(1.0), Choice::Gate(GateKindPlan::Sigmoid, 1.0)];
    all.extend([1, 2, 3].map(|k| Choice::Gate(top_k(k), 1.0)));
    all.extend([2.0, 0.5, 0.1, 5.0, 10.0].map(softmax));
    all.push(Choice::Gate(GateKindPlan::Linear, 1.0));
    all
}

fn lone_norms() -> Vec<Choice> {
    use NormChoice::{Layer, PRelu, Rms, Scale};
    [PRelu, Layer, Rms, Scale].map(Choice::Norm).into()
}

/// A member without tensors between two layers may be a norm that learned nothing.
fn bare_norms() -> Vec<Choice> {
    use NormChoice::{Layer, Nothing, Rms};
    [Nothing, Layer, Rms].map(Choice::Norm).into()
}

fn biased_norms() -> Vec<Choice> {
    use NormChoice::{Group, Layer};
    [Layer, Group(2), Group(4), Group(8), Group(1), Group(16)]
        .map(Choice::Norm)
        .into()
}

fn top_k(k: usize) -> GateKindPlan {
    GateKindPlan::TopK {
        k,
        renormalise: true,
    }
}

impl Question {
    /// Puts a choice into the plan, and takes the doubt off the places it concerns.
    pub fn apply(&self, plan: &mut Plan, choice: &Choice) {
        for at in &self.at {
            match (choice, at) {
                (Choice::Output(output), At::Task(t)) => {
                    if let Some(task) = plan.tasks.get_mut(*t) {
                        task.output = Some(*output);
                        task.differs = None;
                    }
                }
                (Choice::Before(layers), At::Front) => {
                    plan.read_with(layers.len());
                }
                (Choice::Front(runs), At::Front) => plan.run_front(*runs),
                (Choice::Gate(kind, temperature), At::Gate(l, g)) => {
                    if let Some(gate) = plan.levels.get_mut(*l).and_then(|l| l.gates.get_mut(*g)) {
                        gate.kind = kind.clone();
                        gate.temperature = *temperature;
                        gate.open = false;
                    }
                }
                _ => {
                    if let Some(layer) = plan.layer_mut(*at) {
                        layer.choose(choice);
                    }
                }
            }
        }
    }

    /// What is asked, as the beginning of a sentence: `hidden layers of the experts`.
    #[must_use]
    pub fn what(&self) -> String {
        let whose = match self.part {
            Part::All => "",
            Part::Stem => " before experts and gates",
            Part::Experts => " of the experts",
            Part::Gates => " of the gates",
            Part::Towers => " of the towers",
        };
        match self.topic {
            Topic::Output if self.assumed.is_some() => "an output is made by".into(),
            Topic::Output => format!(
                "how {} made",
                count(self.at.len(), "output is", "outputs are")
            ),
            Topic::Activation => format!("hidden layers{whose}"),
            Topic::LastActivation => format!("the last layer{whose}"),
            Topic::NormKind => format!("norms without statistics in the layers{whose}"),
            Topic::Order => format!("norms{whose} stand"),
            Topic::Epsilon => "norms add to the variance".into(),
            Topic::GateKind => "logits become weights by".into(),
            Topic::Before => "dense layers before experts and gates".into(),
            Topic::Front => "rows of data hold".into(),
            Topic::Layout => "square matrices lie".into(),
            Topic::Residual => format!("layers{whose}"),
        }
    }

    /// What is assumed, in a sentence: `hidden layers of the experts: relu (PyTorch: …)`.
    #[must_use]
    pub fn text(&self) -> String {
        let what = self.what();
        let Some(assumed) = &self.assumed else {
            return format!("{what}: the file does not say");
        };
        let source = if self.source.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.source)
        };
        let of = match (self.topic, self.at.len()) {
            (Topic::Output | Topic::Before | Topic::Front, _) => String::new(),
            (_, 1) => ", in 1 place".into(),
            (_, places) => format!(", in {places} places"),
        };
        format!("{what}: {}{of}{source}", assumed.words())
    }

    /// The table and the line of a spec that state this choice.
    #[must_use]
    pub fn line(&self, choice: &Choice) -> (&'static str, String) {
        let table = match self.part {
            _ if self.topic == Topic::Output => "[[tasks]]",
            Part::All => "[defaults]",
            Part::Stem => "[stem]",
            Part::Experts => "[experts]",
            Part::Gates => "[gates]",
            Part::Towers => "[towers]",
        };
        let key = if self.topic == Topic::LastActivation {
            "last_activation"
        } else {
            "activation"
        };
        let line = match choice {
            Choice::Activation(ActivationPlan::LeakyRelu(slope)) => {
                format!("{key} = \"leaky_relu\"\nslope = {slope:?}")
            }
            Choice::Activation(a) => format!("{key} = \"{}\"", a.name()),
            Choice::AfterActivation(after) => format!("after_activation = {after}"),
            Choice::Norm(NormChoice::Group(n)) => format!("norm = \"group_norm\"\ngroups = {n}"),
            Choice::Norm(kind) => format!("norm = \"{}\"", kind.name()),
            Choice::Epsilon(e) => format!("epsilon = {e:e}"),
            Choice::Gate(GateKindPlan::TopK { k, renormalise }, _) => {
                format!("kind = \"top_k\"\nk = {k}\nrenormalise = {renormalise}")
            }
            Choice::Gate(kind, t) if *t == 1.0 => format!("kind = \"{}\"", kind.name()),
            Choice::Gate(kind, t) => format!("kind = \"{}\"\ntemperature = {t:?}", kind.name()),
            Choice::Layout(layout) => format!("layout = \"{}\"", layout.name()),
            Choice::Residual(on) => format!("residual = {on}"),
            Choice::Output(output) => format!("activation = \"{}\"", output.name()),
            Choice::Before(layers) => format!("before = {}", layers.len()),
            Choice::Front(true) => "rows = \"raw\"".into(),
            Choice::Front(false) => "rows = \"prepared\"".into(),
        };
        (table, line)
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        format!("{n} {one}")
    } else {
        format!("{n} {many}")
    }
}

impl NormChoice {
    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PRelu => "prelu",
            Self::Layer => "layer_norm",
            Self::Rms => "rms_norm",
            Self::Group(_) => "group_norm",
            Self::Scale => "scale",
            Self::Nothing => "none",
        }
    }
}

impl Choice {
    /// For messages.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Activation(ActivationPlan::LeakyRelu(slope)) => format!("leaky_relu({slope})"),
            Self::Activation(a) => a.name().into(),
            Self::AfterActivation(true) => "behind the activation".into(),
            Self::AfterActivation(false) => "before the activation".into(),
            Self::Norm(NormChoice::Group(n)) => format!("group_norm of {n} groups"),
            Self::Norm(kind) => kind.name().into(),
            Self::Epsilon(e) => format!("{e:e}"),
            Self::Gate(GateKindPlan::TopK { k, .. }, _) => format!("top_k with k = {k}"),
            Self::Gate(kind, t) if *t == 1.0 => kind.name().into(),
            Self::Gate(kind, t) => format!("{} of logits divided by {t}", kind.name()),
            Self::Layout(Layout::OutIn) => "as [outputs, inputs]".into(),
            Self::Layout(Layout::InOut) => "as [inputs, outputs]".into(),
            Self::Residual(true) => "add their input".into(),
            Self::Residual(false) => "do not add their input".into(),
            Self::Output(output) => output.name().into(),
            Self::Before(layers) if layers.is_empty() => "none".into(),
            Self::Before(layers) => {
                let names: Vec<String> = layers.iter().map(|l| format!("`{l}`")).collect();
                format!("{} ({})", layers.len(), names.join(", "))
            }
            Self::Front(true) => "the raw input of the first layers".into(),
            Self::Front(false) => "what the layers before experts and gates made".into(),
        }
    }
}
