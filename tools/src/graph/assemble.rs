//! Assembles a [`Graph`] from a plan and the tensors that it names.
//!
//! What the blob does not have is turned into what it has on the way: normalizations with stored
//! statistics, temperatures and priors fold into dense layers, and a gate that cannot depend on the
//! input becomes a constant one.

use std::borrow::Cow;

use crate::error::ModelError;
use crate::eval;
use crate::graph::fold::{self, Affine, Matrix, Step};
use crate::graph::front;
use crate::graph::residual;
use crate::graph::rules::MAX_WIDTH;
use crate::graph::tensors::Tensors;
use crate::graph::{
    Activation, GateKind, Graph, Input, Layer, Node, Normalization, Op, Output, Task,
};
use crate::import::Weights;
use crate::plan::{
    ActivationPlan, Dice, GateKindPlan, GatePlan, LayerPlan, Norm, NormKind, OutputPlan, Plan,
    Pointwise, Reads, TensorRef, Unit,
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

/// Assembles the graph. With `fold_standardization` the means and deviations of the inputs go into
/// whatever reads the input.
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
    let record = match (&plan.fields, &plan.record) {
        (Some(fields), _) => Some(Cow::Owned(front::record(fields, &mut tensors)?)),
        (None, record) => record.as_ref().map(Cow::Borrowed),
    };
    // The layers first read the vector of the framework, before which the record is put at the end.
    let inputs = match &record {
        Some(record) => {
            record.fits(infer_input(plan, &tensors).ok())?;
            let whole = || vec![Input::new("x", record.wide())];
            record.vector().unwrap_or_else(whole)
        }
        None if plan.inputs.is_empty() => vec![infer_input(plan, &tensors)?],
        None => plan.inputs.clone(),
    };
    let mut graph = Graph {
        name: plan.name.clone(),
        version: plan.version,
        feature_names: feature_names(&inputs),
        inputs,
        front: None,
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
            a.unit(expert, Op::Expert, &streams, None)?;
        }
        let gates = a.graph.nodes.len() + 1;
        for gate in &level.gates {
            a.gate(gate, first, &streams)?;
        }
        if level.gates.is_empty() && l + 1 < plan.levels.len() {
            a.hand_on(first..gates);
        }
        // The streams of a level are its mixtures, or its experts' values where it has no gates, which
        // only the last level may lack.
        let from = if a.graph.nodes.len() < gates {
            first
        } else {
            gates
        };
        streams = (from..=a.graph.nodes.len()).collect();
    }
    let mut towers = plan.towers.iter();
    for (task, output) in plan.tasks.iter().zip(outputs) {
        let mut value = |activation: Option<Activation>| -> Result<usize, ModelError> {
            let tower = towers.next().ok_or_else(|| ModelError::Invalid {
                place: format!("task `{}`", task.name),
                what: "it has no tower".into(),
                remedy: "give each task that is no product a tower".into(),
            })?;
            a.unit(tower, Op::Tower, &streams, activation)?;
            Ok(a.graph.nodes.len())
        };
        let output = match output {
            OutputPlan::Linear => Output::Linear {
                value: value(None)?,
            },
            OutputPlan::Sigmoid => Output::Sigmoid {
                value: value(None)?,
            },
            OutputPlan::Softmax => Output::Softmax {
                value: value(None)?,
            },
            OutputPlan::Product(a, b) => Output::Product { a, b },
            OutputPlan::Relu => Output::Linear {
                value: value(Some(Activation::Relu))?,
            },
            OutputPlan::Softplus => Output::Linear {
                value: value(Some(Activation::Softplus { rate: 1.0 }))?,
            },
            OutputPlan::Exp => Output::Linear {
                value: value(Some(Activation::Exp))?,
            },
            OutputPlan::Tanh => Output::Linear {
                value: value(Some(Activation::Tanh))?,
            },
            #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
            OutputPlan::Clip { min, max } => Output::Linear {
                value: value(Some(Activation::Clip {
                    low: min as f32,
                    high: max as f32,
                }))?,
            },
        };
        a.graph.tasks.push(Task {
            name: task.name.clone(),
            output,
        });
    }
    if let Some(record) = &record {
        record.put_before(&mut a.graph, fold_standardization)?;
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

/// Returns `(x − mean) / std` as an affine operation on the features, for the layers that read the
/// input, and marks the inputs as folded. `None` where there is nothing to do.
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
    /// An expert or a tower, `last` behind its layers.
    fn unit(
        &mut self,
        unit: &Unit,
        op: Op,
        streams: &[usize],
        last: Option<Activation>,
    ) -> Result<(), ModelError> {
        let (src, start, inputs) = self.source(unit, streams)?;
        let mut steps = self.steps(unit, src, start, inputs)?;
        steps.extend(last.map(Step::Activation));
        let steps = self.simplify(steps, &unit.name);
        let layers = fold::finish(steps, inputs);
        let outputs = layers.iter().fold(inputs, |n, layer| layer.outputs(n));
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

    /// Puts a constant gate of weight 1 behind each of these values. A level without gates can only
    /// be the last one in the types, and the gate changes no bit.
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
        // A blob stores a mask of experts, so the weights of a gate lie in ascending order of the
        // experts. The logits are brought into that order here, by moving rows of the last layer.
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
            GateKindPlan::Linear => GateKind::Linear,
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
        // What does not depend on the input is stored; a linear gate's weights might not fit.
        if last.is_constant() && kind != GateKind::Linear {
            let weights = eval::gate_weights(kind, order.len(), &last.bias);
            self.folded.push(format!(
                "{name}: its kernel `{}` is zero, so its weights are the same for every input → a \
                 constant gate",
                last.name
            ));
            return Ok((GateKind::Constant, constant(weights.into_iter())));
        }
        Ok((kind, fold::finish(steps, inputs)))
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
        // Where the steps of each layer start, and how much it reads; nowhere inside a finished block.
        let mut starts: Vec<Option<(usize, usize)>> = Vec::new();
        for (l, layer) in unit.layers.iter().enumerate() {
            starts.push(Some((steps.len(), width)));
            let place = format!("{}, layer {l}", unit.name);
            self.layer(layer, &place, &mut width, &mut steps)?;
            if layer.residual {
                let of = layer.spans.max(1);
                let first = (l + 1)
                    .checked_sub(of)
                    .and_then(|first| starts.get_mut(first));
                let Some((start, reads)) = first.and_then(|first| *first) else {
                    return Err(ModelError::Invalid {
                        place,
                        what: format!("a residual over {of} layers"),
                        remedy: format!(
                            "{} layers end here, and a residual that goes over another one goes \
                             over all of it",
                            l + 1
                        ),
                    });
                };
                starts[l + 2 - of..].fill(None);
                let block = steps.split_off(start);
                steps.extend(residual::carried(block, reads, width, &place)?);
                self.folded.push(format!(
                    "{place}: it adds what {of} layers read → units that are carried along, and a \
                     matrix that adds them"
                ));
            }
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
                weight
                    .parts()
                    .first()
                    .map_or_else(|| "blocks".into(), |part| part.name.clone()),
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
        if let Some(norm) = &layer.before {
            steps.push(self.norm(norm, *width, place)?);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
        let activation = match &layer.activation {
            ActivationPlan::Linear => None,
            ActivationPlan::Relu => Some(Step::Activation(Activation::Relu)),
            ActivationPlan::LeakyRelu(slope) => Some(Step::Activation(Activation::LeakyRelu {
                slope: *slope as f32,
            })),
            ActivationPlan::Sigmoid => Some(Step::Activation(Activation::Sigmoid)),
            ActivationPlan::Tanh => Some(Step::Activation(Activation::Tanh)),
            ActivationPlan::Elu(depth) => Some(Step::Activation(Activation::Elu {
                depth: *depth as f32,
                rate: 1.0,
                slope: 1.0,
            })),
            ActivationPlan::Pointwise(function) => {
                let (before, activation) = pointwise(*function);
                if let Some((gain, bias)) = before {
                    let affine = Affine {
                        gain: vec![gain; *width],
                        bias: vec![bias; *width],
                    };
                    steps.push(Step::Affine(
                        affine,
                        format!("the line of {}", function.name()),
                    ));
                }
                Some(Step::Activation(activation))
            }
            ActivationPlan::Dice(dice) => Some(self.dice(dice, *width, place)?),
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
        };
        steps.extend(activation);
        if let Some(norm) = &layer.after {
            steps.push(self.norm(norm, *width, place)?);
        }
        Ok(())
    }

    /// A Dice by a batch norm's statistics, or by those of the row itself.
    fn dice(&mut self, dice: &Dice, width: usize, place: &str) -> Result<Step, ModelError> {
        let at = format!("{place}: alpha");
        let scalar = self.tensors.length(&dice.alpha, &at)? == 1;
        let alpha = self
            .tensors
            .vector(&dice.alpha, if scalar { 1 } else { width }, &at)?;
        let unsupported = |what: &str| ModelError::Unsupported {
            place: place.into(),
            what: what.into(),
            remedy: "a dice has a batch norm and one alpha or one per unit, or normalizes its row \
                     and has one alpha"
                .into(),
        };
        let Some(norm) = &dice.norm else {
            let &[alpha] = alpha.as_slice() else {
                return Err(unsupported("a dice over the row with an alpha per unit"));
            };
            #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
            #[expect(clippy::cast_precision_loss, reason = "a width is far below 2^52")]
            return Ok(Step::Layer(Layer::RowDice {
                width,
                alpha: alpha as f32,
                epsilon: (dice.epsilon * width as f64) as f32,
            }));
        };
        let Step::Affine(affine, _) = self.norm(norm, width, place)? else {
            return Err(unsupported(
                "a dice by a norm that has no running statistics",
            ));
        };
        let alpha = if scalar { vec![alpha[0]; width] } else { alpha };
        Ok(Step::Layer(Layer::Dice {
            gain: narrow(affine.gain),
            bias: narrow(affine.bias),
            alpha: narrow(alpha),
        }))
    }

    fn norm(&mut self, norm: &Norm, width: usize, place: &str) -> Result<Step, ModelError> {
        let kind = match norm.kind {
            NormKind::Batch(..) => "batch norm",
            NormKind::Layer => "layer norm",
            NormKind::Scale => "scale",
            NormKind::Rms => "rms norm",
            NormKind::Group(_) => "group norm",
            NormKind::L2 => "l2 norm",
        };
        let place = format!("{place}: {kind}");
        let optional = |a: &mut Self, r: &Option<TensorRef>, default: f64| {
            r.as_ref().map_or(Ok(vec![default; width]), |r| {
                a.tensors.vector(r, width, &place)
            })
        };
        let gamma = optional(self, &norm.gamma, 1.0)?;
        let beta = optional(self, &norm.beta, 0.0)?;
        let by = |by: Normalization, epsilon: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
            Ok(Step::Layer(Layer::Norm {
                by,
                gain: narrow(gamma.iter().copied()),
                bias: narrow(beta.iter().copied()),
                epsilon: epsilon as f32,
            }))
        };
        let (mean, variance) = match &norm.kind {
            NormKind::Batch(mean, variance) => (mean, variance),
            NormKind::Layer => return by(Normalization::Layer { groups: 1 }, norm.epsilon),
            NormKind::Group(groups) => {
                if *groups == 0 || *groups > 256 || !width.is_multiple_of(*groups) {
                    return Err(ModelError::Invalid {
                        place,
                        what: format!("{groups} groups of {width} units"),
                        remedy: "groups have equally many units, and there are 1 to 256".into(),
                    });
                }
                return by(Normalization::Layer { groups: *groups }, norm.epsilon);
            }
            NormKind::Rms => return by(Normalization::Rms, norm.epsilon),
            // Frameworks bound the length by ε; the layer bounds the sum of squares. Not 0, which
            // would make NaN of a row of zeros.
            NormKind::L2 => {
                let least = (norm.epsilon * norm.epsilon).max(f64::from(f32::MIN_POSITIVE));
                return by(Normalization::Unit, least);
            }
            NormKind::Scale => {
                return Ok(Step::Affine(
                    Affine {
                        gain: gamma,
                        bias: beta,
                    },
                    place,
                ));
            }
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

/// A function without parameters: what stands before it (factor and addend), and the activation.
fn pointwise(function: Pointwise) -> (Option<(f64, f64)>, Activation) {
    let unit = Activation::Clip {
        low: 0.0,
        high: 1.0,
    };
    let plain = match function {
        Pointwise::HardSigmoid => return (Some((1.0 / 6.0, 0.5)), unit),
        Pointwise::HardSigmoidKeras2 => return (Some((0.2, 0.5)), unit),
        Pointwise::Silu => Activation::Silu { rate: 1.0 },
        Pointwise::Gelu => Activation::Gelu,
        Pointwise::GeluTanh => Activation::GeluTanh,
        Pointwise::Softplus => Activation::Softplus { rate: 1.0 },
        // λ·α and λ of the paper on self-normalizing networks.
        Pointwise::Selu => Activation::Elu {
            depth: 1.758_099_3,
            rate: 1.0,
            slope: 1.050_701,
        },
        Pointwise::Relu6 => Activation::Clip {
            low: 0.0,
            high: 6.0,
        },
        Pointwise::Hardtanh => Activation::Clip {
            low: -1.0,
            high: 1.0,
        },
        Pointwise::Hardswish => Activation::HardSwish,
        Pointwise::Mish => Activation::Mish,
        Pointwise::Softsign => Activation::Softsign,
        Pointwise::Exp => Activation::Exp,
        Pointwise::Square => Activation::Square,
    };
    (None, plain)
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
