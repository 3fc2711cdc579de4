//! Trying answers: computes the outputs of a plan for some rows under one answer to each question.
//!
//! Thousands of combinations differ in a few nodes each. So the value of a node is kept under the
//! answers that it depends on, and every combination that shares these reuses it: many towers are tried
//! on experts that were evaluated once.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use indexmap::IndexMap;

use crate::error::ModelError;
use crate::eval::{self, Exact};
use crate::graph::assemble::assemble;
use crate::graph::{Graph, Node, Op, Output};
use crate::import::{Tensor, Weights};
use crate::plan::open::At;
use crate::plan::{Plan, TensorRef};

use super::space::Space;

/// How many weights of nodes are kept; those beyond are computed again when they are needed.
const KEPT: usize = 24_000_000;

/// How many values of nodes are kept; beyond that, those of towers are computed again.
const KEPT_VALUES: usize = 150_000;

/// One answer to each question, by its place among the choices.
pub(super) type Answers = Vec<u8>;

/// The answers that reach a place, and the place.
type Key = (usize, Box<[u8]>);

/// The values of a node, row by row.
type Values = Rc<Vec<Vec<f64>>>;

/// Evaluates a plan under different answers on the same rows.
pub(super) struct Trial {
    space: Rc<Space>,
    weights: Weights,
    rows: Vec<Vec<f64>>,
    wiring: Wiring,
    layers: HashMap<Key, Rc<Node>>,
    kept: usize,
    values: HashMap<Key, Values>,
    kinds: HashMap<Key, Output>,
    /// How much was computed, in multiplications.
    pub(super) work: u64,
}

/// Which questions reach which node and task.
#[derive(Default)]
pub(super) struct Wiring {
    /// Questions about a node's own layers.
    own: Vec<Vec<usize>>,
    /// Questions about these, and about all that the node reads.
    reach: Vec<Vec<usize>>,
    /// What each node reads.
    reads: Vec<Vec<usize>>,
    /// The first tower's node.
    towers: usize,
    /// Questions about how each task's output is made.
    tasks: Vec<Vec<usize>>,
    /// For each task the questions that reach it and no other; none for products.
    pub(super) alone: Vec<Vec<usize>>,
}

impl Trial {
    /// Prepares a space of answers for rows of raw features; `weights`: what is [`needed`].
    ///
    /// # Errors
    ///
    /// What keeps the first answers from being a model.
    pub(super) fn new(
        space: &Rc<Space>,
        weights: &Weights,
        rows: &[Vec<f64>],
    ) -> Result<Self, ModelError> {
        let mut trial = Self {
            space: Rc::clone(space),
            weights: weights.clone(),
            rows: Vec::new(),
            wiring: Wiring::default(),
            layers: HashMap::new(),
            kept: 0,
            values: HashMap::new(),
            kinds: HashMap::new(),
            work: 0,
        };
        let graph = trial.graph(&space.first)?;
        trial.rows = rows.iter().map(|x| graph.standardized(x)).collect();
        trial.wiring = Wiring::new(space, &graph);
        Ok(trial)
    }

    /// The graph under these answers.
    fn graph(&mut self, answers: &[u8]) -> Result<Graph, ModelError> {
        let numbers: usize = self.weights.tensors.values().map(|t| t.data.len()).sum();
        self.work += 4 * numbers as u64;
        let plan = self.space.plan_of(answers);
        assemble(&plan, self.weights.clone(), false).map(|a| a.graph)
    }

    /// The outputs of a task under these answers, row by row.
    pub(super) fn task(
        &mut self,
        task: usize,
        answers: &[u8],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        let kind = (task, narrow(answers, &self.wiring.tasks[task]));
        if !self.kinds.contains_key(&kind) {
            self.make(answers)?;
        }
        let output = self.kinds[&kind];
        let outputs = if let Output::Product { a, b } = output {
            let (a, b) = (self.task(a, answers)?, self.task(b, answers)?);
            a.iter()
                .zip(b.iter())
                .map(|(a, b)| {
                    let factors = [a, b];
                    eval::output::<Exact>(Output::Product { a: 0, b: 1 }, &|_| &[], &|t| factors[t])
                })
                .collect()
        } else {
            let value = read(output);
            let values = self.value(value, answers)?;
            let made = values
                .iter()
                .map(|v| eval::output::<Exact>(output, &|_| v, &|_| &[]));
            made.collect::<Vec<_>>()
        };
        Ok(outputs)
    }

    /// A value of the graph (1: the first node's) under these answers.
    fn value(&mut self, value: usize, answers: &[u8]) -> Result<Values, ModelError> {
        let at = value - 1;
        let key = (at, narrow(answers, &self.wiring.reach[at]));
        if let Some(values) = self.values.get(&key) {
            return Ok(Rc::clone(values));
        }
        let own = (at, narrow(answers, &self.wiring.own[at]));
        if !self.layers.contains_key(&own) {
            self.make(answers)?;
        }
        if let Some(values) = self.values.get(&key) {
            return Ok(Rc::clone(values));
        }
        let node = Rc::clone(&self.layers[&own]);
        let values = self.run(at, &node, answers)?;
        if self.values.len() > KEPT_VALUES {
            let towers = self.wiring.towers;
            self.values.retain(|(at, _), _| *at < towers);
        }
        self.values.insert(key, Rc::clone(&values));
        Ok(values)
    }

    fn run(&mut self, at: usize, node: &Node, answers: &[u8]) -> Result<Values, ModelError> {
        let mut read: HashMap<usize, Values> = HashMap::new();
        for value in self.wiring.reads[at].clone().into_iter().filter(|v| *v > 0) {
            read.insert(value, self.value(value, answers)?);
        }
        self.work += (numbers(node) * self.rows.len()) as u64;
        let row = |r: usize| {
            let value = |v: usize| -> &[f64] { if v == 0 { &self.rows[r] } else { &read[&v][r] } };
            eval::node::<Exact>(node, at, &value, &mut ()).0
        };
        Ok(Rc::new((0..self.rows.len()).map(row).collect()))
    }

    /// Assembles the graph under these answers and keeps what is new of it: of a node that only
    /// its own answers reach the values, of others the layers, which more combinations will ask
    /// for.
    fn make(&mut self, answers: &[u8]) -> Result<(), ModelError> {
        if self.kept > KEPT {
            self.layers.clear();
            self.kept = 0;
        }
        let graph = self.graph(answers)?;
        for (t, task) in graph.tasks.iter().enumerate() {
            let key = (t, narrow(answers, &self.wiring.tasks[t]));
            self.kinds.insert(key, task.output);
        }
        for (at, node) in graph.nodes.into_iter().enumerate() {
            let own = (at, narrow(answers, &self.wiring.own[at]));
            if self.wiring.own[at] == self.wiring.reach[at] {
                if !self.values.contains_key(&own) {
                    let values = self.run(at, &node, answers)?;
                    self.values.insert(own, values);
                }
            } else if !self.layers.contains_key(&own) {
                self.kept += numbers(&node);
                self.layers.insert(own, Rc::new(node));
            }
        }
        Ok(())
    }
}

/// The tensors that a plan names, of all that a file has: each trial copies them.
pub(super) fn needed(plan: &Plan, weights: &Weights) -> Weights {
    let mut tensors: IndexMap<String, Tensor> = IndexMap::new();
    for part in plan.references().flat_map(TensorRef::parts) {
        if let Some(tensor) = weights.tensors.get(&part.name) {
            tensors.insert(part.name.clone(), tensor.clone());
        }
    }
    Weights {
        tensors,
        ..Weights::default()
    }
}

impl Wiring {
    pub(super) fn new(space: &Space, graph: &Graph) -> Self {
        let nodes = places(&space.plan);
        let mut own = vec![Vec::new(); graph.nodes.len()];
        let mut kinds = vec![Vec::new(); graph.tasks.len()];
        for (q, asked) in space.asked.iter().enumerate() {
            for at in &asked.question.at {
                let mut node = nodes.get(at).copied();
                if let At::Task(t) = at {
                    kinds[*t].push(q);
                    // Some outputs are made by the tower's last layer.
                    node = read(graph.tasks[*t].output).checked_sub(1);
                }
                if let Some(list) = node.and_then(|n| own.get_mut(n))
                    && list.last() != Some(&q)
                {
                    list.push(q);
                }
            }
        }
        let reads: Vec<Vec<usize>> = graph
            .nodes
            .iter()
            .map(|n| {
                let mut reads = vec![n.src];
                if let Op::Gate { sees, .. } = &n.op {
                    reads.extend(sees);
                }
                reads
            })
            .collect();
        let mut reach: Vec<Vec<usize>> = Vec::new();
        for (at, own) in own.iter().enumerate() {
            let below = reads[at].iter().filter(|v| **v > 0);
            let below = below.flat_map(|v| reach[*v - 1].clone());
            let all = sorted(own.iter().copied().chain(below));
            reach.push(all);
        }
        let all: Vec<Vec<usize>> = graph
            .tasks
            .iter()
            .zip(&kinds)
            .map(|(task, own)| match read(task.output) {
                0 => Vec::new(),
                value => sorted(own.iter().chain(&reach[value - 1]).copied()),
            })
            .collect();
        let alone = |t: usize| {
            let others = all.iter().enumerate().filter(|(other, _)| *other != t);
            let others: HashSet<usize> = others.flat_map(|(_, q)| q.iter().copied()).collect();
            let own = all[t].iter().copied();
            own.filter(|q| !others.contains(q)).collect()
        };
        Self {
            own,
            alone: (0..all.len()).map(alone).collect(),
            reach,
            reads,
            towers: graph.nodes.iter().filter(|n| n.op != Op::Tower).count(),
            tasks: kinds,
        }
    }
}

/// The value that an output is made of; 0 for a product.
fn read(output: Output) -> usize {
    match output {
        Output::Linear { value } | Output::Sigmoid { value } | Output::Softmax { value } => value,
        Output::Product { .. } => 0,
    }
}

/// The node that each place of a plan becomes, in the order in which graphs are assembled.
fn places(plan: &Plan) -> HashMap<At, usize> {
    let settled = plan.settled();
    // A front that becomes a level of its own has no questions and comes before all the others.
    let below = settled.levels.len() - plan.levels.len();
    let mut places = HashMap::new();
    let mut node = 0;
    for (l, level) in settled.levels.iter().enumerate() {
        let own = l.checked_sub(below);
        for (e, unit) in level.experts.iter().enumerate() {
            if let Some(l) = own {
                let layers = 0..unit.layers.len();
                places.extend(layers.map(|i| (At::Expert(l, e, i), node)));
            }
            node += 1;
        }
        for (g, gate) in level.gates.iter().enumerate() {
            if let Some(l) = own {
                let layers = 0..gate.unit.layers.len();
                places.extend(layers.map(|i| (At::Logits(l, g, i), node)));
                places.insert(At::Gate(l, g), node);
            }
            node += 1;
        }
        if level.gates.is_empty() && l + 1 < settled.levels.len() {
            node += level.experts.len();
        }
    }
    for (t, unit) in settled.towers.iter().enumerate() {
        places.extend((0..unit.layers.len()).map(|i| (At::Tower(t, i), node + t)));
    }
    places
}

fn narrow(answers: &[u8], questions: &[usize]) -> Box<[u8]> {
    questions.iter().map(|q| answers[*q]).collect()
}

fn sorted(all: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut all: Vec<usize> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn numbers(node: &Node) -> usize {
    use crate::graph::Layer;
    let of = |layer: &Layer| match layer {
        Layer::Dense(d) => d.weight.len(),
        _ => node.outputs,
    };
    node.layers.iter().map(of).sum()
}
