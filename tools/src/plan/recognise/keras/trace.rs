//! Follows a Keras configuration from its inputs to its outputs, and tells the mixtures among what
//! it meets: stacks of experts that softmaxes weigh, whatever layers spell them.

use indexmap::IndexMap;
use serde_json::Value;

use super::config::{Layer, Model, REMEDY, Tensor};
use super::lambda::lambda_says;
use super::layer::{self, Kind, Step};
use super::{Mixture, mixture_at};
use crate::error::ModelError;
use crate::plan::OutputPlan;
use crate::plan::recognise::names::Names;

/// What a chain of layers starts from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Base {
    /// A tensor before all that is understood: the model's input.
    Raw(String),
    /// A mixture, by number.
    Mix(usize),
}

/// Layers one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    pub(super) base: Base,
    pub(super) steps: Vec<Step>,
}

/// A sum of experts' values, each times its weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mix {
    /// Its weights; the last step's `outer` is its kind.
    pub(super) gate: Chain,
    pub(super) experts: Vec<Chain>,
    /// Whether the file leaves the kind of gate open.
    pub(super) open: bool,
}

/// What a tensor of the graph is.
#[derive(Debug, Clone, PartialEq)]
enum Value_ {
    Vector(Chain),
    /// Experts side by side.
    Stack(Vec<Chain>),
    /// Experts side by side, each times its weight.
    Weighed(Chain, Vec<Chain>),
    /// One weight of a gate.
    Weight(Chain, usize),
    /// One expert times its weight.
    WeighedOne(Chain, usize, Chain),
    /// The product of two probabilities.
    Product(Chain, Chain),
}

/// A model that was followed to its end.
#[derive(Debug, Default)]
pub(super) struct Traced {
    pub(super) mixes: Vec<Mix>,
    /// Per output: its layer's name or its key, and what makes it.
    pub(super) outputs: Vec<(String, End)>,
    /// Names of the layers that stand before what is understood.
    pub(super) before: Vec<String>,
}

/// What makes an output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    Chain(Chain),
    Product(Chain, Chain),
}

pub(super) struct Tracer<'n, 'a> {
    names: &'n Names<'a>,
    values: IndexMap<Tensor, Value_>,
    done: Traced,
}

/// How deep models may stand in models.
const DEEPEST: usize = 16;

impl<'n, 'a> Tracer<'n, 'a> {
    pub(super) fn trace(names: &'n Names<'a>, model: &Model<'a>) -> Result<Traced, ModelError> {
        let mut tracer = Self {
            names,
            values: IndexMap::new(),
            done: Traced::default(),
        };
        let ends = tracer.run(model, None, 0)?;
        for ((tensor, key), value) in model.outputs.iter().zip(ends) {
            let end = match value {
                Value_::Vector(chain) => End::Chain(chain),
                Value_::Product(a, b) => End::Product(a, b),
                _ => {
                    return Err(names.wrong(
                        &format!("output `{}` is a stack of experts", tensor.0),
                        REMEDY,
                    ));
                }
            };
            tracer
                .done
                .outputs
                .push((key.clone().unwrap_or_else(|| tensor.0.clone()), end));
        }
        Ok(tracer.done)
    }

    /// Follows a model; `given` are the values that enter one that stands in another.
    fn run(
        &mut self,
        model: &Model<'a>,
        given: Option<Vec<Value_>>,
        depth: usize,
    ) -> Result<Vec<Value_>, ModelError> {
        if depth == DEEPEST {
            return Err(self
                .names
                .wrong("models stand in models without end", REMEDY));
        }
        let outer = std::mem::take(&mut self.values);
        if let Some(given) = given {
            for (tensor, value) in model.inputs.iter().zip(given) {
                self.values.insert(tensor.clone(), value);
            }
        }
        // Layers may stand in any order: whatever has all its sources is next.
        let mut left: Vec<(&Layer<'a>, usize)> = model
            .layers
            .iter()
            .flat_map(|l| (0..l.calls.len().max(1)).map(move |c| (l, c)))
            .collect();
        while !left.is_empty() {
            let before = left.len();
            let mut still = Vec::new();
            for (layer, call) in left {
                let none = Vec::new();
                let sources = layer.calls.get(call).unwrap_or(&none);
                if sources.iter().all(|s| self.values.contains_key(s)) {
                    self.layer(layer, call, sources, depth)?;
                } else {
                    still.push((layer, call));
                }
            }
            if still.len() == before {
                // What is left serves no output, or is broken.
                break;
            }
            left = still;
        }
        let ends = model.outputs.iter().map(|(t, _)| {
            self.values.get(t).cloned().ok_or_else(|| {
                self.names
                    .wrong(&format!("nothing makes its output `{}`", t.0), REMEDY)
            })
        });
        let ends = ends.collect();
        self.values = outer;
        ends
    }

    fn set(&mut self, layer: &Layer<'_>, call: usize, index: usize, value: Value_) {
        self.values.insert((layer.name.clone(), call, index), value);
    }

    fn layer(
        &mut self,
        layer: &Layer<'a>,
        call: usize,
        sources: &[Tensor],
        depth: usize,
    ) -> Result<(), ModelError> {
        let key = (layer.name.clone(), call, 0);
        if self.values.contains_key(&key) {
            return Ok(());
        }
        let given: Vec<Value_> = sources
            .iter()
            .filter_map(|s| self.values.get(s).cloned())
            .collect();
        if layer.class == "InputLayer" {
            self.set(layer, call, 0, raw(layer));
            return Ok(());
        }
        if let Some(first) = given.first()
            && let Value_::Vector(chain) = first
            && let Some(mixture) = mixture_at(self.names, layer)?
        {
            self.mixture(layer, call, chain.clone(), mixture);
            return Ok(());
        }
        if matches!(layer.class, "Functional" | "Sequential" | "Model") {
            let containers = layer
                .paths
                .iter()
                .flat_map(|p| [format!("{p}/layers"), p.clone()]);
            let containers: Vec<String> = containers.collect();
            let inner = Model::read(self.names, layer.class, layer.config, &containers)?;
            let ends = if layer.class == "Sequential" && given.len() == 1 {
                self.sequence(&inner, given, depth)?
            } else {
                self.run(&inner, Some(given), depth + 1)?
            };
            for (index, value) in ends.into_iter().enumerate() {
                self.set(layer, call, index, value);
            }
            return Ok(());
        }
        let value = self.value(layer, &given)?;
        self.set(layer, call, 0, value);
        Ok(())
    }

    /// A sequence of layers on one value; its own input layer, where it has one, is passed.
    fn sequence(
        &mut self,
        inner: &Model<'a>,
        given: Vec<Value_>,
        depth: usize,
    ) -> Result<Vec<Value_>, ModelError> {
        let outer = std::mem::take(&mut self.values);
        let mut value = given;
        for layer in inner.layers.iter().filter(|l| l.class != "InputLayer") {
            let source: Tensor = (String::new(), 0, 0);
            if let Some(one) = value.first() {
                self.values.insert(source.clone(), one.clone());
            }
            self.layer(layer, 0, std::slice::from_ref(&source), depth + 1)?;
            value = self
                .values
                .get(&(layer.name.clone(), 0, 0))
                .cloned()
                .into_iter()
                .collect();
            self.values.clear();
        }
        self.values = outer;
        Ok(value)
    }

    /// A layer that holds a whole mixture.
    fn mixture(&mut self, layer: &Layer<'_>, call: usize, from: Chain, mixture: Mixture) {
        let behind = |plans: Vec<crate::plan::LayerPlan>, name: String, outer| {
            let mut chain = from.clone();
            let end = plans.len();
            for (i, plan) in plans.into_iter().enumerate() {
                let outer = if i + 1 == end { outer } else { None };
                chain.steps.push(Step {
                    name: format!("{name}[{i}]"),
                    plan,
                    outer,
                });
            }
            chain
        };
        let experts: Vec<Chain> = mixture
            .level
            .experts
            .into_iter()
            .enumerate()
            .map(|(e, unit)| behind(unit.layers, format!("{}.expert{e}", layer.name), None))
            .collect();
        for (t, gate) in mixture.level.gates.into_iter().enumerate() {
            let outer = match gate.kind {
                crate::plan::GateKindPlan::Softmax => Some(OutputPlan::Softmax),
                crate::plan::GateKindPlan::Sigmoid => Some(OutputPlan::Sigmoid),
                _ => None,
            };
            let chain = behind(gate.unit.layers, format!("{}.gate{t}", layer.name), outer);
            let mix = self.mix(chain, experts.clone(), gate.open);
            self.set(layer, call, t, mix);
        }
    }

    /// Notes a mixture, and gives its value.
    fn mix(&mut self, gate: Chain, experts: Vec<Chain>, open: bool) -> Value_ {
        let mix = Mix {
            gate,
            experts,
            open,
        };
        let number = self
            .done
            .mixes
            .iter()
            .position(|m| *m == mix)
            .unwrap_or_else(|| {
                self.done.mixes.push(mix);
                self.done.mixes.len() - 1
            });
        Value_::Vector(Chain {
            base: Base::Mix(number),
            steps: Vec::new(),
        })
    }

    fn value(&mut self, layer: &Layer<'a>, given: &[Value_]) -> Result<Value_, ModelError> {
        if layer.class == "PredictionLayer"
            && let [Value_::Vector(chain)] = given
        {
            return self.prediction(layer, chain.clone());
        }
        if let [Value_::Vector(chain)] = given {
            match layer::read(self.names, layer)? {
                Kind::Nothing => return Ok(Value_::Vector(chain.clone())),
                Kind::Steps(steps) => {
                    let mut chain = chain.clone();
                    chain.steps = chain.steps.into_iter().map(Step::inside).collect();
                    chain.steps.extend(steps);
                    return Ok(Value_::Vector(chain));
                }
                Kind::Other => {}
            }
        }
        if let Some(value) = self.mixing(layer, given)? {
            return Ok(value);
        }
        // What only prepares the input: embeddings, concatenations, lookups.
        let input = |v: &Value_| {
            matches!(
                v,
                Value_::Vector(Chain {
                    base: Base::Raw(_),
                    ..
                })
            )
        };
        if given.iter().all(input) {
            self.done.before.push(layer.name.clone());
            return Ok(raw(layer));
        }
        Err(ModelError::Unsupported {
            place: format!("layer `{}`", layer.name),
            what: format!("the Keras layer `{}` behind a mixture", layer.class),
            remedy: "there are Dense, BatchNormalization, LayerNormalization, Activation, ReLU, \
                     LeakyReLU, PReLU, Dropout, Flatten, Sequential, and Multiply for the product \
                     of two outputs"
                .into(),
        })
    }

    /// DeepCTR's last layer: a bias, and a sigmoid where the task is binary.
    fn prediction(&self, layer: &Layer<'_>, mut chain: Chain) -> Result<Value_, ModelError> {
        let bias = layer.paths.iter().find_map(|p| {
            [
                format!("{p}/global_bias:0"),
                format!("{p}/global_bias"),
                format!("{p}/vars/0"),
            ]
            .into_iter()
            .find(|n| self.names.has(n))
        });
        let outer = match layer.config.get("task").and_then(Value::as_str) {
            Some("binary") => Some(OutputPlan::Sigmoid),
            Some("regression") => None,
            other => {
                return Err(ModelError::Unsupported {
                    place: format!("layer `{}`", layer.name),
                    what: format!("the task {other:?}"),
                    remedy: "tasks are binary or regression".into(),
                });
            }
        };
        let unfit = || {
            self.names
                .wrong(&format!("layer `{}` follows no Dense", layer.name), REMEDY)
        };
        let last = chain.steps.last_mut().ok_or_else(unfit)?;
        if let Some(bias) = bias {
            if last.plan.bias.is_some() || last.plan.weight.is_none() {
                return Err(unfit());
            }
            last.plan.bias = Some(crate::plan::TensorRef::name(bias));
        }
        last.outer = outer;
        last.name = format!("{}+{}", last.name, layer.name);
        Ok(Value_::Vector(chain))
    }

    /// The ways in which functional models weigh experts and add them up.
    fn mixing(
        &mut self,
        layer: &Layer<'_>,
        given: &[Value_],
    ) -> Result<Option<Value_>, ModelError> {
        let class = layer.class;
        let does = |what: &[&str]| what.contains(&class) || lambda_says(layer, what);
        let gate = |c: &Chain| c.steps.last().is_some_and(|s| s.outer.is_some());
        let chains = || -> Option<Vec<Chain>> {
            given
                .iter()
                .map(|v| {
                    if let Value_::Vector(c) = v {
                        Some(c.clone())
                    } else {
                        None
                    }
                })
                .collect()
        };
        Ok(match given {
            // Shapes alone: a row or a column of a vector, a transposed stack.
            [Value_::Vector(chain)]
                if does(&[
                    "Reshape",
                    "ExpandDims",
                    "RepeatVector",
                    "expand_dims",
                    "reshape",
                    "Squeeze",
                ]) && !(raw_alone(chain)) =>
            {
                Some(Value_::Vector(chain.clone()))
            }
            [same @ (Value_::Stack(_) | Value_::Weighed(..))]
                if does(&[
                    "Reshape",
                    "ExpandDims",
                    "Permute",
                    "Transpose",
                    "transpose",
                    "expand_dims",
                ]) =>
            {
                Some(same.clone())
            }
            // One weight out of a gate.
            [Value_::Vector(chain)] if gate(chain) && class == "GetItem" => {
                index_of(layer).map(|i| Value_::Weight(chain.clone(), i))
            }
            [Value_::Weighed(gate, experts)]
                if does(&["Sum", "GlobalAveragePooling1D", "reduce_sum", "sum"])
                    && !does(&["reduce_mean", "mean"]) =>
            {
                if class == "GlobalAveragePooling1D" {
                    return Ok(None);
                }
                Some(self.mix(gate.clone(), experts.clone(), false))
            }
            [Value_::Stack(experts), Value_::Vector(chain)]
            | [Value_::Vector(chain), Value_::Stack(experts)]
                if gate(chain) && !does(&["reduce_mean", "mean", "reduce_max"]) =>
            {
                let summed = does(&["Dot", "Matmul", "MatMul", "Einsum", "BatchDot"])
                    || lambda_says(
                        layer,
                        &["reduce_sum", "matmul", "einsum", "batch_dot", "sum"],
                    );
                if summed {
                    Some(self.mix(chain.clone(), experts.clone(), false))
                } else if does(&["Multiply", "multiply"]) {
                    Some(Value_::Weighed(chain.clone(), experts.clone()))
                } else {
                    None
                }
            }
            [Value_::Weight(gate, i), Value_::Vector(expert)]
            | [Value_::Vector(expert), Value_::Weight(gate, i)]
                if class == "Multiply" =>
            {
                Some(Value_::WeighedOne(gate.clone(), *i, expert.clone()))
            }
            [Value_::Vector(a), Value_::Vector(b)] if class == "Multiply" && gate(a) && gate(b) => {
                let one =
                    |c: &Chain| c.steps.last().and_then(|s| s.outer) == Some(OutputPlan::Sigmoid);
                (one(a) && one(b)).then(|| Value_::Product(a.clone(), b.clone()))
            }
            [Value_::WeighedOne(..), ..] if does(&["Add", "add", "add_n"]) => self.added(given),
            _ if does(&["Stack", "Concatenate", "stack", "concat"]) && given.len() > 1 => {
                chains().filter(|list| stackable(list)).map(Value_::Stack)
            }
            _ => None,
        })
    }

    /// A sum of experts that were weighed one by one, all by the same gate.
    fn added(&mut self, given: &[Value_]) -> Option<Value_> {
        let mut parts: Vec<(usize, Chain)> = Vec::new();
        let mut whole: Option<Chain> = None;
        for value in given {
            let Value_::WeighedOne(gate, i, expert) = value else {
                return None;
            };
            if whole.get_or_insert_with(|| gate.clone()) != gate {
                return None;
            }
            parts.push((*i, expert.clone()));
        }
        parts.sort_by_key(|(i, _)| *i);
        let complete = parts.iter().map(|(i, _)| *i).eq(0..parts.len());
        let experts = parts.into_iter().map(|(_, e)| e).collect();
        whole
            .filter(|_| complete)
            .map(|gate| self.mix(gate, experts, false))
    }
}

fn raw(layer: &Layer<'_>) -> Value_ {
    Value_::Vector(Chain {
        base: Base::Raw(layer.name.clone()),
        steps: Vec::new(),
    })
}

/// A tensor before all that is understood, without a layer behind it.
fn raw_alone(chain: &Chain) -> bool {
    matches!(chain.base, Base::Raw(_)) && chain.steps.is_empty()
}

/// Chains that stand side by side as experts: each computes something, all from one place or from
/// mixtures.
fn stackable(chains: &[Chain]) -> bool {
    chains.iter().all(|c| !raw_alone(c))
        && chains
            .iter()
            .all(|c| c.steps.iter().any(|s| s.plan.weight.is_some()))
}

/// Which element a `GetItem` along the last axis takes.
fn index_of(layer: &Layer<'_>) -> Option<usize> {
    let text = layer
        .config
        .get("key")
        .or_else(|| layer.config.get("indices"))?;
    let list = text.as_array()?;
    list.iter()
        .rev()
        .find_map(Value::as_u64)
        .and_then(|i| usize::try_from(i).ok())
}
