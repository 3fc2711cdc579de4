//! From the steps of a chain to the layers of a plan, and their tensors.

use super::vectors::Step;
use super::wiring::Wiring;
use super::{Refusal, Unary};
use crate::import::Tensor;
use crate::plan::{ActivationPlan, LayerPlan, Norm, NormKind, Pointwise, TensorRef};

impl Wiring<'_, '_> {
    /// Layers of these steps.
    pub(super) fn layers(
        &mut self,
        steps: &[Step],
        vector: usize,
    ) -> Result<Vec<LayerPlan>, Refusal> {
        let mut layers: Vec<LayerPlan> = Vec::new();
        // How far the last layer is: matrix, norm, activation, norm.
        let mut filled = usize::MAX;
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            let slot = match step {
                Step::Dense(_) => 0,
                Step::Activation(_) | Step::PRelu(_) => 2,
                Step::Scale(..) | Step::Norm { .. } if filled < 1 => 1,
                Step::Scale(..) | Step::Norm { .. } => 3,
            };
            if filled >= slot {
                layers.push(LayerPlan::default());
            }
            filled = slot;
            let name = self.layer_name(steps, at);
            let norm = match step {
                Step::Norm { rms, epsilon } => {
                    let kind = if *rms { NormKind::Rms } else { NormKind::Layer };
                    // The factors and addends that follow are its own.
                    let scale = match steps.get(at) {
                        Some(Step::Scale(gain, offset)) => {
                            at += 1;
                            Some((gain, offset))
                        }
                        _ => None,
                    };
                    let (gamma, beta) = scale.map_or((None, None), |(gain, offset)| {
                        let gain = self.vector(&format!("{name} norm gain"), gain);
                        (
                            Some(gain),
                            Some(self.vector(&format!("{name} norm bias"), offset)),
                        )
                    });
                    Some(Norm {
                        gamma,
                        beta,
                        kind,
                        epsilon: *epsilon,
                    })
                }
                Step::Scale(gain, offset) => {
                    let gamma = Some(self.vector(&format!("{name} scale"), gain));
                    let beta = Some(self.vector(&format!("{name} offset"), offset));
                    Some(Norm {
                        gamma,
                        beta,
                        kind: NormKind::Scale,
                        epsilon: 0.0,
                    })
                }
                _ => None,
            };
            let (weight, bias) = match step {
                Step::Dense(d) => {
                    let shape = vec![d.bias.len(), d.inputs];
                    let weight = self.tensor(&format!("{} weight", d.name), shape, &d.weight);
                    let some = d.bias.iter().any(|b| *b != 0.0);
                    let bias = some.then(|| self.vector(&format!("{} bias", d.name), &d.bias));
                    (Some(weight), bias)
                }
                _ => (None, None),
            };
            let activation = match step {
                Step::Activation(f) => Some(self.activation(*f, vector)?),
                Step::PRelu(slopes) => Some(ActivationPlan::PRelu(
                    self.vector(&format!("{name} slopes"), slopes),
                )),
                _ => None,
            };
            let Some(layer) = layers.last_mut() else {
                break;
            };
            match slot {
                0 => (layer.weight, layer.bias) = (weight, bias),
                1 => layer.before = norm,
                2 => layer.activation = activation.unwrap_or_default(),
                _ => layer.after = norm,
            }
        }
        Ok(layers)
    }

    /// What a layer's other tensors are called: after the matrix before them, or behind.
    fn layer_name(&self, steps: &[Step], at: usize) -> String {
        let name = |s: &Step| match s {
            Step::Dense(d) => Some(d.name.clone()),
            _ => None,
        };
        let before = steps[..at].iter().rev().find_map(name);
        let behind = || {
            steps[at..]
                .iter()
                .find_map(name)
                .map(|n| format!("before {n}"))
        };
        before.or_else(behind).unwrap_or_else(|| "input".into())
    }

    fn activation(&self, f: Unary, vector: usize) -> Result<ActivationPlan, Refusal> {
        Ok(match f {
            Unary::Relu => ActivationPlan::Relu,
            Unary::LeakyRelu(slope) => ActivationPlan::LeakyRelu(slope),
            Unary::Sigmoid => ActivationPlan::Sigmoid,
            Unary::Tanh => ActivationPlan::Tanh,
            Unary::Elu(alpha) => ActivationPlan::Elu(alpha),
            Unary::Silu => ActivationPlan::Pointwise(Pointwise::Silu),
            Unary::Gelu => ActivationPlan::Pointwise(Pointwise::Gelu),
            Unary::GeluTanh => ActivationPlan::Pointwise(Pointwise::GeluTanh),
            Unary::Softplus => ActivationPlan::Pointwise(Pointwise::Softplus),
            Unary::Softsign => ActivationPlan::Pointwise(Pointwise::Softsign),
            Unary::Mish => ActivationPlan::Pointwise(Pointwise::Mish),
            Unary::Hardswish => ActivationPlan::Pointwise(Pointwise::Hardswish),
            Unary::Exp => ActivationPlan::Pointwise(Pointwise::Exp),
            Unary::Power(2.0) => ActivationPlan::Pointwise(Pointwise::Square),
            Unary::Selu { .. } => ActivationPlan::Pointwise(Pointwise::Selu),
            Unary::Clip { min: 0.0, max: 6.0 } => ActivationPlan::Pointwise(Pointwise::Relu6),
            Unary::Clip {
                min: -1.0,
                max: 1.0,
            } => ActivationPlan::Pointwise(Pointwise::Hardtanh),
            _ => match hard_sigmoid(f) {
                Some(f) => ActivationPlan::Pointwise(f),
                None => {
                    return Err(self.refuse(vector, "has an activation that layers do not have"));
                }
            },
        })
    }

    fn vector(&mut self, name: &str, numbers: &[f64]) -> TensorRef {
        self.tensor(name, vec![numbers.len()], numbers)
    }

    /// Puts a tensor among the named ones. The same name with other numbers gets a number.
    #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
    fn tensor(&mut self, name: &str, shape: Vec<usize>, numbers: &[f64]) -> TensorRef {
        let data = numbers.iter().map(|v| *v as f32).collect();
        let mut unique = name.to_owned();
        let mut count = 1;
        while self.tensors.contains_key(&unique) {
            count += 1;
            unique = format!("{name} #{count}");
        }
        self.tensors.insert(unique.clone(), Tensor { shape, data });
        TensorRef::name(unique)
    }
}

/// Which of the frameworks' hard sigmoids a function is.
pub(super) fn hard_sigmoid(f: Unary) -> Option<Pointwise> {
    let Unary::HardSigmoid { alpha, beta } = f else {
        return None;
    };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    if !near(beta, 0.5) {
        None
    } else if near(alpha, 1.0 / 6.0) {
        Some(Pointwise::HardSigmoid)
    } else if near(alpha, 0.2) {
        Some(Pointwise::HardSigmoidKeras2)
    } else {
        None
    }
}
