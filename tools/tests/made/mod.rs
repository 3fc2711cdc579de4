//! Small models of every family, made of seeded numbers.

use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::front::{
    Bounds, By, Coder, Feature, Field, Front, Given, List, Makes, Number, Pool, Table, Transform,
};
use mmoe_tools::graph::{
    Activation, Dense, GateKind, Graph, Input, Layer, Node, Normalization, Op, Output, Task,
};

/// Grows a graph step by step.
pub(crate) struct Maker {
    graph: Graph,
    state: u32,
}

impl Maker {
    pub(crate) fn new(name: &str, inputs: usize) -> Self {
        let input = Input::new("x", inputs);
        let graph = Graph {
            name: name.into(),
            version: 3,
            inputs: vec![input],
            front: None,
            feature_names: Vec::new(),
            nodes: Vec::new(),
            tasks: Vec::new(),
        };
        Self { graph, state: 7 }
    }

    fn numbers(&mut self, n: usize) -> Vec<f32> {
        let mut next = || {
            self.state = self
                .state
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            (self.state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    pub(crate) fn dense(&mut self, inputs: usize, outputs: usize, activation: Activation) -> Layer {
        let (weight, bias) = (self.numbers(inputs * outputs), self.numbers(outputs));
        Layer::Dense(Dense {
            name: "made".into(),
            inputs,
            outputs,
            weight,
            bias,
            activation,
        })
    }

    /// A step that reads all of `src`; gives the value it makes.
    fn node(&mut self, op: Op, src: usize, outputs: usize, layers: Vec<Layer>) -> usize {
        let inputs = self.graph.width(src);
        self.slice(op, src, 0..inputs, outputs, layers)
    }

    fn slice(
        &mut self,
        op: Op,
        src: usize,
        read: std::ops::Range<usize>,
        outputs: usize,
        layers: Vec<Layer>,
    ) -> usize {
        self.graph.nodes.push(Node {
            op,
            src,
            start: read.start,
            inputs: read.len(),
            outputs,
            layers,
        });
        self.graph.nodes.len()
    }

    pub(crate) fn expert(&mut self, src: usize, outputs: usize) -> usize {
        let layer = self.dense(self.graph.width(src), outputs, Activation::Relu);
        self.node(Op::Expert, src, outputs, vec![layer])
    }

    pub(crate) fn gate(&mut self, src: usize, kind: GateKind, sees: &[usize]) -> usize {
        let (inputs, outputs) = (self.graph.width(src), self.graph.width(sees[0]));
        let layer = match kind {
            GateKind::Constant => Layer::Constant {
                weights: self.numbers(sees.len()).iter().map(|w| w.abs()).collect(),
            },
            _ => self.dense(inputs, kind.logits(sees.len()), Activation::Linear),
        };
        self.node(
            Op::Gate {
                kind,
                sees: sees.to_vec(),
                temperature: 1.0,
            },
            src,
            outputs,
            vec![layer],
        )
    }

    pub(crate) fn tower(
        &mut self,
        src: usize,
        width: usize,
        name: &str,
        output: fn(usize) -> Output,
    ) {
        let layer = self.dense(self.graph.width(src), width, Activation::Linear);
        let value = self.node(Op::Tower, src, width, vec![layer]);
        self.task(name, output(value));
    }

    pub(crate) fn task(&mut self, name: &str, output: Output) {
        self.graph.tasks.push(Task {
            name: name.into(),
            output,
        });
    }

    pub(crate) fn done(self) -> Graph {
        self.graph.check().unwrap();
        self.graph
    }
}

fn sigmoid(value: usize) -> Output {
    Output::Sigmoid { value }
}
fn linear(value: usize) -> Output {
    Output::Linear { value }
}
fn softmax(value: usize) -> Output {
    Output::Softmax { value }
}

/// A blob of a graph.
pub(crate) fn blob(graph: &Graph, conversion: impl Into<Conversion>) -> Vec<u8> {
    conversion.into().run(graph).unwrap().bytes().to_vec()
}

/// Every model: its name and its blob.
pub(crate) fn models() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("mmoe", blob(&mmoe(), Precision::W8)),
        ("omoe", blob(&omoe(), Precision::F32)),
        ("bottom", blob(&bottom(), Precision::F32)),
        ("independent", blob(&independent(), Precision::F32)),
        ("cgc", blob(&cgc(), Precision::W8)),
        ("ple", blob(&ple(), Precision::F32)),
        ("stack", blob(&stack(), Precision::F32)),
        ("mixed", blob(&mixed(true), Precision::F32)),
        ("product", blob(&product(), Precision::F32)),
        ("products", blob(&products(), Precision::F32)),
        ("mixed_i8", integers(mixed(false))),
        ("ple_i8", integers(ple())),
        ("records", blob(&records(), Precision::W8)),
        ("records_i8", blob(&records(), Precision::I8)),
        ("ranking", blob(&ranking(), Precision::I8)),
    ]
}

/// A blob of integers, for inputs in −2 to 2.
fn integers(mut graph: Graph) -> Vec<u8> {
    graph
        .inputs
        .iter_mut()
        .for_each(|i| (i.min, i.max) = (Some(-2.0), Some(2.0)));
    let conversion = Conversion {
        packing: Packing::Quad,
        ..Conversion::new(Precision::I8)
    };
    blob(&graph, conversion)
}

/// A record of every kind of field: a text that may be missing, a list of ids and an id that share a
/// table, a clipped logarithm, a number that is also in buckets, a whole number, and a hashed text.
pub(crate) fn records() -> Graph {
    let rows = |field, table, pool| Feature {
        field,
        makes: Makes::Rows { table, pool },
    };
    let number = |field, number| Feature {
        field,
        makes: Makes::Number(number),
    };
    let (mut countries, _) =
        Coder::tokens(["DE", "FR", "A"].map(String::from).into(), 3, true).unwrap();
    countries.missing = Some(4);
    let (items, _) = Coder::ids(&[7, 9, 1_000_000], 3).unwrap();
    let bounds = Bounds::F32(vec![18.0, 65.0]);
    let by = |by| Coder { by, missing: None };
    let mut history = Field::new("history", Given::Id);
    history.list = Some(List {
        max: 3,
        keep_last: false,
    });
    let mut devices = by(By::Named {
        tokens: ["phone", "big_screen"].map(String::from).into(),
        other: 2,
    });
    devices.missing = Some(0);
    let mut m = Maker::new("records", 12);
    let mut table = |name: &str, coder, rows: usize, width: usize| Table {
        name: name.into(),
        coder,
        rows: m.numbers(rows * width),
        width,
    };
    let tables = vec![
        table("countries", countries, 5, 2),
        table("items", items, 3, 2),
        table("ages", by(By::Buckets(bounds)), 3, 1),
        table("tags", by(By::Farm(5)), 5, 1),
        table("devices", devices, 3, 1),
    ];
    let price = Number {
        missing: 1.0,
        clip: Some((0.0, 100.0)),
        transform: Transform::Log1p,
    };
    let front = Front {
        fields: vec![
            Field::new("country", Given::Text),
            history,
            Field::new("item", Given::Id),
            Field::new("Price (k$)", Given::F32),
            Field::new("age", Given::F32),
            Field::new("count", Given::I32),
            Field::new("tag", Given::Text),
            Field::new("device", Given::Text),
        ],
        tables,
        features: vec![
            rows(0, 0, Pool::One),
            rows(1, 1, Pool::Mean),
            rows(2, 1, Pool::One),
            number(3, price),
            rows(4, 2, Pool::One),
            number(4, Number::default()),
            number(5, Number::default()),
            rows(6, 3, Pool::One),
            rows(7, 4, Pool::One),
        ],
    };
    m.graph.inputs = front.inputs();
    (m.graph.inputs[3].min, m.graph.inputs[3].max) = (Some(0.0), Some(5.0));
    (m.graph.inputs[5].min, m.graph.inputs[5].max) = (Some(0.0), Some(100.0));
    (m.graph.inputs[6].min, m.graph.inputs[6].max) = (Some(-100.0), Some(900.0));
    m.graph.feature_names = front.fields.iter().map(|f| f.name.clone()).collect();
    m.graph.front = Some(front);
    let experts: Vec<usize> = (0..2).map(|_| m.expert(0, 4)).collect();
    let gates = [0, 1].map(|_| m.gate(0, GateKind::Softmax, &experts));
    m.tower(gates[0], 1, "a", |value| Output::Sigmoid { value });
    m.tower(gates[1], 1, "b", |value| Output::Linear { value });
    m.done()
}

/// The same fields, the last two of which belong to a candidate.
pub(crate) fn ranking() -> Graph {
    let mut graph = records();
    graph.name = "ranking".into();
    let front = graph.front.as_mut().unwrap();
    front.fields[6..]
        .iter_mut()
        .for_each(|f| f.candidate = true);
    graph
}

/// Named features, names that are no identifiers, unlike towers.
pub(crate) fn mmoe() -> Graph {
    let mut m = Maker::new("feed ranker", 5);
    m.graph.feature_names = ["age", "Income (k$)", "2nd visit", "type", "age."]
        .map(String::from)
        .to_vec();
    m.graph.inputs = m
        .graph
        .feature_names
        .iter()
        .map(|n| Input::new(n, 1))
        .collect();
    let deep = |m: &mut Maker| {
        let layers = vec![
            m.dense(5, 6, Activation::LeakyRelu { slope: 0.1 }),
            m.dense(6, 7, Activation::Tanh),
            m.dense(7, 4, Activation::Relu),
        ];
        m.node(Op::Expert, 0, 4, layers)
    };
    let experts: Vec<usize> = (0..3).map(|_| deep(&mut m)).collect();
    let gates: Vec<usize> = (0..3)
        .map(|_| m.gate(0, GateKind::Softmax, &experts))
        .collect();
    m.tower(gates[0], 1, "click-through", sigmoid);
    m.tower(gates[1], 3, "type", softmax);
    m.tower(gates[2], 2, "u8", linear);
    m.done()
}

fn omoe() -> Graph {
    let mut m = Maker::new("omoe", 6);
    let experts = [m.expert(0, 3), m.expert(0, 3)];
    let gate = m.gate(0, GateKind::Sigmoid, &experts);
    m.tower(gate, 1, "a", sigmoid);
    m.tower(gate, 1, "b", linear);
    m.done()
}

fn bottom() -> Graph {
    let mut m = Maker::new("bottom", 4);
    let layers = (0..5).map(|_| m.dense(4, 4, Activation::Sigmoid)).collect();
    let shared = m.node(Op::Expert, 0, 4, layers);
    m.tower(shared, 1, "a", sigmoid);
    m.tower(shared, 1, "b", sigmoid);
    m.done()
}

fn independent() -> Graph {
    let mut m = Maker::new("independent", 4);
    m.tower(0, 1, "a", sigmoid);
    m.tower(0, 3, "b", softmax);
    m.done()
}

/// One CGC level's experts and gates on `src(k)` for task `k` of 2 and `src(2)` for the shared
/// ones: 2 own experts, 1 shared.
fn cgc_level(m: &mut Maker, src: impl Fn(usize) -> usize, shared_gate: bool) -> Vec<usize> {
    let own: Vec<usize> = (0..4).map(|i| m.expert(src(i / 2), 3)).collect();
    let shared = m.expert(src(2), 3);
    let mut gates: Vec<usize> = (0..2)
        .map(|k| {
            m.gate(
                src(k),
                GateKind::Softmax,
                &[own[2 * k], own[2 * k + 1], shared],
            )
        })
        .collect();
    if shared_gate {
        gates.push(m.gate(
            src(2),
            GateKind::Softmax,
            &[own.clone(), vec![shared]].concat(),
        ));
    }
    gates
}

fn cgc() -> Graph {
    let mut m = Maker::new("cgc", 4);
    let gates = cgc_level(&mut m, |_| 0, false);
    m.tower(gates[0], 1, "a", sigmoid);
    m.tower(gates[1], 1, "b", linear);
    m.done()
}

fn ple() -> Graph {
    let mut m = Maker::new("ple", 4);
    let first = cgc_level(&mut m, |_| 0, true);
    let second = cgc_level(&mut m, |k| first[k], false);
    m.tower(second[0], 1, "a", sigmoid);
    m.tower(second[1], 1, "b", linear);
    m.done()
}

/// Three levels of MMoE: two streams, two streams, one for all towers.
fn stack() -> Graph {
    let mut m = Maker::new("stack", 4);
    let experts = [m.expert(0, 3), m.expert(0, 3)];
    let first: Vec<usize> = (0..2)
        .map(|_| m.gate(0, GateKind::Softmax, &experts))
        .collect();
    let experts = [m.expert(first[0], 5), m.expert(first[1], 5)];
    let second: Vec<usize> = (0..2)
        .map(|k| m.gate(first[k], GateKind::Softmax, &experts))
        .collect();
    let experts = [m.expert(second[0], 2), m.expert(second[1], 2)];
    let last = m.gate(
        second[0],
        GateKind::TopK {
            k: 1,
            renormalise: false,
        },
        &experts,
    );
    m.tower(last, 1, "a", sigmoid);
    m.tower(last, 1, "b", linear);
    m.done()
}

/// Every kind of gate, unlike experts, slices, a mask, an empty tower, the odd layers; a layer
/// norm, which integers do not have, on request.
fn mixed(with_norm: bool) -> Graph {
    let mut m = Maker::new("mixed", 6);
    let slice = vec![
        m.dense(3, 4, Activation::Linear),
        Layer::PRelu {
            slope: m.numbers(4),
        },
    ];
    let a = m.slice(Op::Expert, 0, 2..5, 4, slice);
    let (gain, bias) = (m.numbers(4), m.numbers(4));
    let norm = Layer::Norm {
        by: Normalization::Layer { groups: 1 },
        gain: gain.clone(),
        bias: bias.clone(),
        epsilon: 1e-3,
    };
    let mut layers = vec![
        m.dense(6, 4, Activation::Linear),
        Layer::Affine { gain, bias },
    ];
    layers.extend(with_norm.then_some(norm));
    let b = m.node(Op::Expert, 0, 4, layers);
    let c = m.expert(0, 4);
    let hard = m.gate(0, GateKind::Hard, &[a, b, c]);
    let top = m.gate(
        0,
        GateKind::TopK {
            k: 2,
            renormalise: true,
        },
        &[a, b, c],
    );
    let select = m.gate(0, GateKind::DSelectK { k: 2 }, &[a, b, c]);
    let constant = m.gate(0, GateKind::Constant, &[a, b, c]);
    let hidden = vec![
        m.dense(6, 5, Activation::Relu),
        m.dense(5, 2, Activation::Linear),
    ];
    let sees = m.node(
        Op::Gate {
            kind: GateKind::Softmax,
            sees: vec![a, c],
            temperature: 1.0,
        },
        0,
        4,
        hidden,
    );
    m.tower(hard, 1, "hard", linear);
    m.tower(top, 1, "top", linear);
    m.tower(select, 1, "select", linear);
    let empty = m.node(Op::Tower, constant, 4, Vec::new());
    m.task("constant", Output::Linear { value: empty });
    m.tower(sees, 1, "sees", sigmoid);
    m.done()
}

fn product() -> Graph {
    let mut m = Maker::new("product", 4);
    let experts = [m.expert(0, 3), m.expert(0, 3)];
    let gates = [
        m.gate(0, GateKind::Softmax, &experts),
        m.gate(0, GateKind::Softmax, &experts),
    ];
    m.tower(gates[0], 1, "ctr", sigmoid);
    m.tower(gates[1], 1, "cvr", sigmoid);
    m.task("ctcvr", Output::Product { a: 0, b: 1 });
    m.done()
}

/// Two products of towers that stand beside unlike ones.
fn products() -> Graph {
    let mut m = Maker::new("products", 4);
    let experts = [m.expert(0, 3), m.expert(0, 3)];
    let gates: Vec<usize> = (0..4)
        .map(|_| m.gate(0, GateKind::Softmax, &experts))
        .collect();
    m.tower(gates[0], 1, "ctr", sigmoid);
    m.tower(gates[1], 3, "kind", softmax);
    m.tower(gates[2], 1, "cvr", sigmoid);
    m.tower(gates[3], 1, "dwell", linear);
    m.task("ctcvr", Output::Product { a: 0, b: 2 });
    m.task("squared", Output::Product { a: 2, b: 2 });
    m.done()
}
