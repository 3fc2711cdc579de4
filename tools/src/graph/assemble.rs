//! From a plan and the tensors that it names to a [`Graph`].

use crate::error::ModelError;
use crate::eval;
use crate::graph::fold::{self, Affine, Matrix, Step};
use crate::graph::rules::MAX_WIDTH;
use crate::graph::tensors::Tensors;
use crate::graph::{Activation, GateKind, Graph, Input, Layer, Node, Op, Output, Task};
use crate::import::Weights;
use crate::plan::{
    ActivationPlan, GateKindPlan, GatePlan, LayerPlan, Norm, NormKind, OutputPlan, Plan, Reads,
    TensorRef, Unit,
};

/// A graph, and what became of the tensors.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) graph: Graph,
    /// What was folded into what.
    pub(crate) folded: Vec<String>,
    /// Tensor → place, in the order of use.
    pub(crate) placement: Vec<(String, String)>,
    /// Tensors that nothing reads, with their shapes.
    pub(crate) unused: Vec<(String, Vec<usize>)>,
}

/// Makes the graph; with `fold_standardization` the inputs' means and deviations go into whatever
/// reads the input.
pub(crate) fn assemble(
    plan: &Plan,
    weights: Weights,
    fold_standardization: bool,
) -> Result<Assembled, ModelError> {
    let unknown = || ModelError::UnknownTasks {
        tasks: plan.tasks.iter().map(|t| t.name.clone()).collect(),
        also: Vec::new(),
    };
    let outputs: Vec<OutputPlan> = plan
        .tasks
        .iter()
        .map(|t| t.output)
        .collect::<Option<_>>()
        .ok_or_else(unknown)?;
    let mut tensors = Tensors::new(weights.tensors, plan);
    let plan = &*plan.settled();
    tensors.recount(plan);
    let inputs = if plan.inputs.is_empty() {
        vec![infer_input(plan, &tensors)?]
    } else {
        plan.inputs.clone()
    };
    let mut graph = Graph {
        name: plan.name.clone(),
        version: plan.version,
        feature_names: feature_names(&inputs),
        inputs,
        nodes: Vec::new(),
        tasks: Vec::new(),
    };
    let scaling = if fold_standardization {
        take_scaling(&mut graph.inputs)?
    } else {
        None
    };
    let mut a = Assembler {
        graph,
        tensors,
        scaling,
        folded: Vec::new(),
    };

    let mut streams: Vec<usize> = Vec::new();
    for (l, level) in plan.levels.iter().enumerate() {
        let first = a.graph.nodes.len() + 1;
        for expert in &level.experts {
            a.unit(expert, Op::Expert, &streams)?;
        }
        let gates = a.graph.nodes.len() + 1;
        for gate in &level.gates {
            a.gate(gate, first, &streams)?;
        }
        if level.gates.is_empty() && l + 1 < plan.levels.len() {
            a.hand_on(first..gates);
        }
        // Without gates, which only the last level may be, its experts are handed on.
        let from = if a.graph.nodes.len() < gates {
            first
        } else {
            gates
        };
        streams = (from..=a.graph.nodes.len()).collect();
    }
    let mut towers = plan.towers.iter();
    for (task, output) in plan.tasks.iter().zip(outputs) {
        let mut value = || -> Result<usize, ModelError> {
            let tower = towers.next().ok_or_else(|| ModelError::Invalid {
                place: format!("task `{}`", task.name),
                what: "it has no tower".into(),
                remedy: "give each task that is no product a tower".into(),
            })?;
            a.unit(tower, Op::Tower, &streams)?;
            Ok(a.graph.nodes.len())
        };
        let output = match output {
            OutputPlan::Linear => Output::Linear { value: value()? },
            OutputPlan::Sigmoid => Output::Sigmoid { value: value()? },
            OutputPlan::Softmax => Output::Softmax { value: value()? },
            OutputPlan::Product(a, b) => Output::Product { a, b },
            other => {
                return Err(ModelError::Unsupported {
                    place: format!("task `{}`", task.name),
                    what: format!("an output by `{}`", other.name()),
                    remedy: "outputs are linear, sigmoid, softmax or a product: take linear, and \
                             apply the function to the value on the device"
                        .into(),
                });
            }
        };
        a.graph.tasks.push(Task {
            name: task.name.clone(),
            output,
        });
    }
    a.graph.check()?;
    let unused = a
        .tensors
        .unused()
        .map(|(n, s)| (n.clone(), s.to_vec()))
        .collect();
    Ok(Assembled {
        graph: a.graph,
        folded: a.folded,
        placement: a.tensors.placement,
        unused,
    })
}

/// One input as wide as the first layer that reads all of it.
fn infer_input(plan: &Plan, tensors: &Tensors) -> Result<Input, ModelError> {
    let units = plan
        .units()
        .filter(|u| u.reads == Reads::Input && u.slice.is_none());
    for unit in units {
        // A layer without a tensor of its own is as wide as the one behind it.
        let mut layers = unit.layers.iter().enumerate();
        let count = layers.find_map(|(l, layer)| {
            let place = |what: &str| format!("{}, layer {l}: {what}", unit.name);
            if let Some(weight) = &layer.weight {
                return Some(tensors.columns(weight, layer.layout, &place("weight")));
            }
            let norms = [&layer.before, &layer.after].into_iter().flatten();
            let vector = norms
                .flat_map(Norm::references)
                .find(|r| !r.parts().is_empty())?;
            Some(tensors.length(vector, &place("norm")))
        });
        let Some(count) = count.transpose()? else {
            continue;
        };
        return Ok(Input::new("x", count));
    }
    Err(ModelError::MissingKey {
        place: "the spec".into(),
        key: "[[inputs]]".into(),
        remedy: "no layer reads the whole input, so nothing says how wide it is: [[inputs]] with \
                 name = \"x\" and count = 64"
            .into(),
    })
}

/// Features are named where the inputs are told apart.
fn feature_names(inputs: &[Input]) -> Vec<String> {
    if inputs.len() < 2 || inputs.iter().map(|i| i.count).sum::<usize>() > MAX_WIDTH {
        return Vec::new();
    }
    let of = |i: &Input| -> Vec<String> {
        if i.count == 1 {
            vec![i.name.clone()]
        } else {
            (0..i.count).map(|n| format!("{}_{n}", i.name)).collect()
        }
    };
    inputs.iter().flat_map(of).collect()
}

/// `(x − mean) / std` as an affine step per feature, for the layers that read the input; the
/// inputs are marked as folded. `None` where there is nothing to do.
fn take_scaling(inputs: &mut [Input]) -> Result<Option<Affine>, ModelError> {
    if let Some(bad) = inputs.iter().find(|i| {
        i.std.is_some_and(|s| s <= 0.0 || !s.is_finite()) || i.mean.is_some_and(|m| !m.is_finite())
    }) {
        return Err(ModelError::Invalid {
            place: format!("input `{}`", bad.name),
            what: "mean and std must be finite, std above 0".into(),
            remedy: "leave a constant feature unscaled".into(),
        });
    }
    if inputs.iter().all(|i| i.mean.is_none() && i.std.is_none()) {
        return Ok(None);
    }
    let mut affine = Affine {
        gain: Vec::new(),
        bias: Vec::new(),
    };
    for input in inputs {
        let (mean, std) = input.scaling();
        input.folded = true;
        affine
            .gain
            .extend(std::iter::repeat_n(1.0 / std, input.count));
        affine
            .bias
            .extend(std::iter::repeat_n(-mean / std, input.count));
    }
    Ok(Some(affine))
}

struct Assembler {
    graph: Graph,
    tensors: Tensors,
    scaling: Option<Affine>,
    folded: Vec<String>,
}

impl Assembler {
    /// An expert or a tower.
    fn unit(&mut self, unit: &Unit, op: Op, streams: &[usize]) -> Result<(), ModelError> {
        let (src, start, inputs) = self.source(unit, streams)?;
        let steps = self.steps(unit, src, start, inputs)?;
        let steps = self.simplify(steps, &unit.name);
        let layers = finish(steps, inputs, &unit.name)?;
        let outputs = width(&layers, inputs);
        self.graph.nodes.push(Node {
            op,
            src,
            start,
            inputs,
            outputs,
            layers,
        });
        Ok(())
    }

    /// A gate of weight 1 behind each of these values: a level that others read has gates.
    fn hand_on(&mut self, values: std::ops::Range<usize>) {
        for value in values {
            let Node {
                src,
                start,
                inputs,
                outputs,
                ..
            } = self.graph.nodes[value - 1];
            let op = Op::Gate {
                kind: GateKind::Constant,
                sees: vec![value],
                temperature: 1.0,
            };
            self.graph.nodes.push(Node {
                op,
                src,
                start,
                inputs,
                outputs,
                layers: constant(std::iter::once(1.0)),
            });
            self.folded.push(format!(
                "{}: no gate, and the next level reads it → a constant gate of weight 1",
                self.graph.node_name(value - 1)
            ));
        }
    }

    fn gate(&mut self, gate: &GatePlan, first: usize, streams: &[usize]) -> Result<(), ModelError> {
        let name = &gate.unit.name;
        let (src, start, inputs) = self.source(&gate.unit, streams)?;
        let hidden = |i: usize| gate.priors.get(i) == Some(&f64::NEG_INFINITY);
        // Positions among the logits, in ascending order of the experts that stay.
        let mut order: Vec<usize> = (0..gate.sees.len()).filter(|i| !hidden(*i)).collect();
        order.sort_by_key(|i| gate.sees[*i]);
        let sees: Vec<usize> = order.iter().map(|i| first + gate.sees[*i]).collect();
        if sees.is_empty() {
            return Err(ModelError::Invalid {
                place: name.clone(),
                what: "priors of −∞ hide every expert".into(),
                remedy: "leave at least one finite".into(),
            });
        }
        if sees.len() < gate.sees.len() {
            self.folded.push(format!(
                "{name}: {} experts hidden by a prior of −∞ → left out of what it sees",
                gate.sees.len() - sees.len()
            ));
        }
        let (kind, layers) = if let GateKindPlan::Constant(weights) = &gate.kind {
            (
                GateKind::Constant,
                constant(order.iter().map(|i| weights[*i])),
            )
        } else {
            self.logits(gate, &order, src, start, inputs)?
        };
        #[expect(clippy::cast_possible_truncation, reason = "kept for read-out")]
        let temperature = gate.temperature as f32;
        let outputs = self.graph.width(sees[0]);
        self.graph.nodes.push(Node {
            op: Op::Gate {
                kind,
                sees,
                temperature,
            },
            src,
            start,
            inputs,
            outputs,
            layers,
        });
        Ok(())
    }

    /// The layers of a gate whose weights come from logits; `order`: which logits stay, in which
    /// order.
    fn logits(
        &mut self,
        gate: &GatePlan,
        order: &[usize],
        src: usize,
        start: usize,
        inputs: usize,
    ) -> Result<(GateKind, Vec<Layer>), ModelError> {
        let name = &gate.unit.name;
        let kind = match gate.kind {
            GateKindPlan::Softmax => GateKind::Softmax,
            GateKindPlan::Sigmoid => GateKind::Sigmoid,
            GateKindPlan::Hard => GateKind::Hard,
            GateKindPlan::TopK { k, renormalise } => GateKind::TopK { k, renormalise },
            GateKindPlan::DSelectK { k } => GateKind::DSelectK { k },
            GateKindPlan::Constant(_) => GateKind::Constant,
            GateKindPlan::Linear => {
                return Err(ModelError::Unsupported {
                    place: name.clone(),
                    what: "a gate whose weights are its logits (`linear`)".into(),
                    remedy: "gates are softmax, sigmoid, hard, top_k, dselect_k or constant".into(),
                });
            }
        };
        if let GateKind::TopK { k, .. } | GateKind::DSelectK { k } = kind
            && (k == 0 || k > order.len())
        {
            return Err(ModelError::Invalid {
                place: name.clone(),
                what: format!("k = {k} with {} experts seen", order.len()),
                remedy: "k lies in 1 to the number of experts".into(),
            });
        }
        let dselect = matches!(kind, GateKind::DSelectK { .. });
        if dselect && (gate.temperature != 1.0 || !gate.priors.is_empty() || !gate.sees.is_sorted())
        {
            return Err(ModelError::Unsupported {
                place: name.clone(),
                what: "a temperature, priors, or a `sees` out of order with DSelect-k".into(),
                remedy: "its selectors code the experts' indices: list them in ascending order \
                         and leave temperature and priors out"
                    .into(),
            });
        }
        if let [
            LayerPlan {
                weight: None,
                bias: Some(bias),
                before: None,
                after: None,
                activation: ActivationPlan::Linear,
                ..
            },
        ] = gate.unit.layers.as_slice()
        {
            let place = format!("{name}, layer 0: bias");
            let all = self
                .tensors
                .vector(bias, kind.logits(gate.sees.len()), &place)?;
            let tempered = all
                .iter()
                .enumerate()
                .map(|(i, z)| z / gate.temperature + gate.priors.get(i).copied().unwrap_or(0.0));
            let all: Vec<f64> = tempered.collect();
            let logits: Vec<f64> = if dselect {
                all
            } else {
                order.iter().map(|i| all[*i]).collect()
            };
            self.folded.push(format!(
                "{name}: its logits do not depend on the input → a constant gate"
            ));
            return Ok((
                GateKind::Constant,
                constant(eval::gate_weights(kind, order.len(), &logits).into_iter()),
            ));
        }
        let mut steps = self.steps(&gate.unit, src, start, inputs)?;
        let made = steps
            .iter()
            .rev()
            .find_map(|s| {
                if let Step::Dense(d) = s {
                    Some(d.outputs)
                } else {
                    None
                }
            })
            .unwrap_or(inputs);
        let expected = kind.logits(gate.sees.len());
        if made != expected {
            return Err(ModelError::Invalid {
                place: name.clone(),
                what: format!(
                    "its layers make {made} logits, {} experts seen need {expected}",
                    gate.sees.len()
                ),
                remedy: "correct the number of experts, or list in `sees` those that the gate \
                         mixes"
                    .into(),
            });
        }
        if gate.temperature != 1.0 {
            steps.push(Step::Affine(
                Affine {
                    gain: vec![1.0 / gate.temperature; made],
                    bias: vec![0.0; made],
                },
                format!("temperature {}", gate.temperature),
            ));
        }
        if gate.priors.iter().any(|p| p.is_finite() && *p != 0.0) {
            let bias = gate
                .priors
                .iter()
                .map(|p| if p.is_finite() { *p } else { 0.0 })
                .collect();
            steps.push(Step::Affine(
                Affine {
                    gain: vec![1.0; made],
                    bias,
                },
                "priors".into(),
            ));
        }
        let mut steps = self.simplify(steps, name);
        let Some(Step::Dense(last)) = steps.last_mut() else {
            return Err(ModelError::Unsupported {
                place: name.clone(),
                what: "a gate whose last layer is not dense".into(),
                remedy: "a gate ends in a dense layer with one row per expert".into(),
            });
        };
        if !dselect {
            last.select(order);
        }
        if last.is_constant() {
            let weights = eval::gate_weights(kind, order.len(), &last.bias);
            self.folded.push(format!(
                "{name}: its kernel `{}` is zero, so its weights are the same for every input → a \
                 constant gate",
                last.name
            ));
            return Ok((GateKind::Constant, constant(weights.into_iter())));
        }
        Ok((kind, finish(steps, inputs, name)?))
    }

    /// The value, the first element and the number of elements that a unit reads.
    fn source(&self, unit: &Unit, streams: &[usize]) -> Result<(usize, usize, usize), ModelError> {
        let wrong = |what: String, remedy: &str| ModelError::Invalid {
            place: unit.name.clone(),
            what,
            remedy: remedy.into(),
        };
        let src = match unit.reads {
            Reads::Input => 0,
            Reads::Stream(i) => *streams.get(i).ok_or_else(|| {
                wrong(
                    format!(
                        "it reads value {i} of the level before, which makes {}",
                        streams.len()
                    ),
                    "correct `reads`",
                )
            })?,
        };
        let width = self.graph.width(src);
        let (start, count) = unit.slice.map_or((0, width), |s| (s.start, s.count));
        if count == 0 || start.saturating_add(count) > width {
            return Err(wrong(
                format!(
                    "the slice from {start} with {count} elements lies outside the {width} that \
                     it reads"
                ),
                "correct start and count",
            ));
        }
        Ok((src, start, count))
    }

    fn simplify(&mut self, steps: Vec<Step>, name: &str) -> Vec<Step> {
        let folded = &mut self.folded;
        fold::simplify(steps, &mut |what| folded.push(format!("{name}: {what}")))
    }

    /// The steps of a unit, as the plan lists them.
    fn steps(
        &mut self,
        unit: &Unit,
        src: usize,
        start: usize,
        inputs: usize,
    ) -> Result<Vec<Step>, ModelError> {
        let mut steps = Vec::new();
        if let Some(all) = self.scaling.as_ref().filter(|_| src == 0) {
            let part = |v: &[f64]| v[start..start + inputs].to_vec();
            steps.push(Step::Affine(
                Affine {
                    gain: part(&all.gain),
                    bias: part(&all.bias),
                },
                "standardization".into(),
            ));
        }
        let mut width = inputs;
        for (l, layer) in unit.layers.iter().enumerate() {
            self.layer(
                layer,
                &format!("{}, layer {l}", unit.name),
                &mut width,
                &mut steps,
            )?;
        }
        Ok(steps)
    }

    fn layer(
        &mut self,
        layer: &LayerPlan,
        place: &str,
        width: &mut usize,
        steps: &mut Vec<Step>,
    ) -> Result<(), ModelError> {
        if let Some(weight) = &layer.weight {
            let rows =
                self.tensors
                    .matrix(weight, layer.layout, *width, &format!("{place}: weight"))?;
            let bias = match &layer.bias {
                None => vec![0.0; rows.outputs],
                Some(bias) => self
                    .tensors
                    .vector(bias, rows.outputs, &format!("{place}: bias"))?,
            };
            *width = rows.outputs;
            steps.push(Step::Dense(Matrix::new(
                weight.parts()[0].name.clone(),
                rows.inputs,
                rows.outputs,
                rows.data,
                bias,
            )));
        } else if layer.bias.is_some() {
            return Err(ModelError::MissingKey {
                place: place.into(),
                key: "weight".into(),
                remedy: "name the matrix; a bias alone can only be the one layer of a gate, whose \
                         weights are then constant"
                    .into(),
            });
        }
        if layer.residual {
            return Err(ModelError::Unsupported {
                place: place.into(),
                what: "a layer that adds its input to its output".into(),
                remedy: "layers follow one another".into(),
            });
        }
        if let Some(norm) = &layer.before {
            steps.push(self.norm(norm, *width, place)?);
        }
        let missing = |what: &str| {
            Err(ModelError::Unsupported {
                place: place.into(),
                what: format!("activation `{what}`"),
                remedy: "the engine has linear, relu, leaky_relu, prelu, sigmoid and tanh".into(),
            })
        };
        steps.extend(match &layer.activation {
            ActivationPlan::Linear => None,
            ActivationPlan::Relu => Some(Step::Activation(Activation::Relu)),
            #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
            ActivationPlan::LeakyRelu(slope) => Some(Step::Activation(Activation::LeakyRelu {
                slope: *slope as f32,
            })),
            ActivationPlan::Sigmoid => Some(Step::Activation(Activation::Sigmoid)),
            ActivationPlan::Tanh => Some(Step::Activation(Activation::Tanh)),
            other @ (ActivationPlan::Elu(_)
            | ActivationPlan::Pointwise(_)
            | ActivationPlan::Dice(_)) => return missing(other.name()),
            ActivationPlan::PRelu(slope) => {
                let place = format!("{place}: slope");
                let scalar = self.tensors.length(slope, &place)? == 1;
                let slope = narrow(self.tensors.vector(
                    slope,
                    if scalar { 1 } else { *width },
                    &place,
                )?);
                Some(if scalar {
                    Step::Activation(Activation::LeakyRelu { slope: slope[0] })
                } else {
                    Step::PRelu(slope)
                })
            }
        });
        if let Some(norm) = &layer.after {
            steps.push(self.norm(norm, *width, place)?);
        }
        Ok(())
    }

    fn norm(&mut self, norm: &Norm, width: usize, place: &str) -> Result<Step, ModelError> {
        let kind = match norm.kind {
            NormKind::Batch(..) => "batch norm",
            NormKind::Layer => "layer norm",
            NormKind::Scale => "scale",
            NormKind::Rms | NormKind::Group(_) | NormKind::L2 => {
                return Err(ModelError::Unsupported {
                    place: place.into(),
                    what: "an RMS norm, group norm or L2 norm".into(),
                    remedy: "norms are batch norms and layer norms".into(),
                });
            }
        };
        let place = format!("{place}: {kind}");
        let optional = |a: &mut Self, r: &Option<TensorRef>, default: f64| {
            r.as_ref().map_or(Ok(vec![default; width]), |r| {
                a.tensors.vector(r, width, &place)
            })
        };
        let gamma = optional(self, &norm.gamma, 1.0)?;
        let beta = optional(self, &norm.beta, 0.0)?;
        if norm.kind == NormKind::Scale {
            return Ok(Step::Affine(
                Affine {
                    gain: gamma,
                    bias: beta,
                },
                place,
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
        let NormKind::Batch(mean, variance) = &norm.kind else {
            return Ok(Step::LayerNorm {
                gain: narrow(gamma),
                bias: narrow(beta),
                epsilon: norm.epsilon as f32,
            });
        };
        let name = mean.parts().first().map_or("", |p| p.name.as_str());
        let prefix = name
            .rsplit_once(['.', '/'])
            .map_or(name, |(prefix, _)| prefix);
        let what = format!(
            "batch norm `{}`",
            prefix.strip_suffix("/vars").unwrap_or(prefix)
        );
        let (mean, variance) = (
            self.tensors.vector(mean, width, &place)?,
            self.tensors.vector(variance, width, &place)?,
        );
        if let Some(bad) = variance.iter().find(|v| **v + norm.epsilon <= 0.0) {
            return Err(ModelError::Invalid {
                place,
                what: format!("its variance is {bad}"),
                remedy: "a variance is 0 or more: mean and variance may be exchanged".into(),
            });
        }
        let gain: Vec<f64> = gamma
            .iter()
            .zip(&variance)
            .map(|(g, v)| g / (v + norm.epsilon).sqrt())
            .collect();
        let bias = beta
            .iter()
            .zip(mean.iter().zip(&gain))
            .map(|(b, (m, g))| b - m * g)
            .collect();
        Ok(Step::Affine(Affine { gain, bias }, what))
    }
}

fn finish(steps: Vec<Step>, inputs: usize, name: &str) -> Result<Vec<Layer>, ModelError> {
    fold::finish(steps, inputs).map_err(|activation| ModelError::Unsupported {
        place: name.into(),
        what: format!("{activation:?} that does not follow a dense layer"),
        remedy: "behind a norm there may be relu, leaky_relu, prelu or nothing".into(),
    })
}

fn width(layers: &[Layer], inputs: usize) -> usize {
    layers.iter().fold(inputs, |width, layer| match layer {
        Layer::Dense(d) => d.outputs,
        Layer::Constant { weights } => weights.len(),
        _ => width,
    })
}

fn constant(weights: impl Iterator<Item = f64>) -> Vec<Layer> {
    vec![Layer::Constant {
        weights: narrow(weights),
    }]
}

#[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
fn narrow(numbers: impl IntoIterator<Item = f64>) -> Vec<f32> {
    numbers.into_iter().map(|x| x as f32).collect()
}
