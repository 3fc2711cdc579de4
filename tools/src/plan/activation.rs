//! The activations that trained files use, under every name that frameworks and people give them.
//!
//! A plan can say all of them; which of them a graph can hold is for
//! [`crate::graph::assemble`] to say, and what it cannot hold is refused by name there.

use super::{Norm, TensorRef};

/// An activation of a layer, with the numbers and tensors that it needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ActivationPlan {
    /// `x`.
    #[default]
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x ≥ 0 ? x : slope·x`.
    LeakyRelu(f64),
    /// The same with trained slopes: one, or one per unit.
    PRelu(TensorRef),
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x ≥ 0 ? x : alpha·(e^x − 1)`.
    Elu(f64),
    /// One of the functions without numbers of their own.
    Pointwise(Pointwise),
    /// `p·x + alpha·(1 − p)·x` with `p = sigmoid(norm(x))`.
    Dice(Box<Dice>),
}

/// Functions of one number that nothing parametrises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointwise {
    /// `x·sigmoid(x)`, also called swish.
    Silu,
    /// `x·Φ(x)` by the error function.
    Gelu,
    /// The approximation of [`Pointwise::Gelu`] by a hyperbolic tangent.
    GeluTanh,
    /// `ln(1 + e^x)`.
    Softplus,
    /// ELU with the two constants that keep a variance of one.
    Selu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x·relu6(x + 3) / 6`.
    Hardswish,
    /// `relu6(x + 3) / 6`, as PyTorch and Keras 3 have it.
    HardSigmoid,
    /// `min(max(0.2·x + 0.5, 0), 1)`, as Keras 2 has it.
    HardSigmoidKeras2,
    /// `min(max(x, −1), 1)`.
    Hardtanh,
    /// `x·tanh(softplus(x))`.
    Mish,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `e^x`.
    Exp,
    /// `x²`.
    Square,
}

/// What a Dice layer learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Dice {
    /// The slope below: one, or one per unit.
    pub alpha: TensorRef,
    /// The batch norm whose sigmoid decides; `None`: the row itself is normalised over its units,
    /// as torch-rechub does, with `epsilon` added to each square.
    pub norm: Option<Norm>,
    /// Only where `norm` is missing.
    pub epsilon: f64,
}

/// Each function's name in a spec, and what frameworks call it besides.
const NAMES: &[(Pointwise, &str, &[&str])] = &[
    (Pointwise::Silu, "silu", &["swish"]),
    (Pointwise::Gelu, "gelu", &["gelu_erf", "gelu_exact"]),
    (
        Pointwise::GeluTanh,
        "gelu_tanh",
        &["gelu_approximate", "gelu_new"],
    ),
    (Pointwise::Softplus, "softplus", &[]),
    (Pointwise::Selu, "selu", &[]),
    (Pointwise::Relu6, "relu6", &["relu_6"]),
    (
        Pointwise::Hardswish,
        "hardswish",
        &["hard_swish", "hard_silu", "hardsilu"],
    ),
    (Pointwise::HardSigmoid, "hardsigmoid", &["hard_sigmoid"]),
    (Pointwise::HardSigmoidKeras2, "hardsigmoid_keras2", &[]),
    (Pointwise::Hardtanh, "hardtanh", &["hard_tanh"]),
    (Pointwise::Mish, "mish", &[]),
    (Pointwise::Softsign, "softsign", &["soft_sign"]),
    (Pointwise::Exp, "exp", &["exponential"]),
    (Pointwise::Square, "square", &[]),
];

/// Every name that a spec takes, for messages.
pub const SPEC_NAMES: &str = "linear, relu, leaky_relu, prelu, sigmoid, tanh, elu, silu, gelu, \
                              gelu_tanh, softplus, selu, relu6, hardswish, hardsigmoid, hardtanh, \
                              mish, softsign, exp, square, dice";

impl Pointwise {
    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(f, ..)| *f == self)
            .map_or("?", |(_, name, _)| name)
    }
}

impl ActivationPlan {
    /// The activation of this name that needs neither a number nor a tensor, as specs and
    /// frameworks spell it. LeakyReLU, PReLU and Dice need more than a name.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Some(match text {
            "linear" => Self::Linear,
            "relu" => Self::Relu,
            "sigmoid" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            "elu" => Self::Elu(1.0),
            other => Self::Pointwise(
                NAMES
                    .iter()
                    .find(|(_, name, more)| *name == other || more.contains(&other))?
                    .0,
            ),
        })
    }

    /// The name in a spec that an unknown word looks like: `ReLU` → `relu`.
    #[must_use]
    pub fn near(text: &str) -> Option<&'static str> {
        let bare = |s: &str| s.to_lowercase().replace(['_', '-', ' '], "");
        let known = SPEC_NAMES.split(", ").chain(["softmax"]);
        let wanted = bare(text);
        known.clone().find(|n| bare(n) == wanted).or_else(|| {
            known
                .filter(|n| strsim::osa_distance(&bare(n), &wanted) <= 1)
                .min_by_key(|n| n.len())
        })
    }

    /// Its name in a spec.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::PRelu(_) => "prelu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Elu(_) => "elu",
            Self::Pointwise(f) => f.name(),
            Self::Dice(_) => "dice",
        }
    }

    /// Whether trained tensors stand in it, so that no other function can be meant.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        matches!(self, Self::PRelu(_) | Self::Dice(_))
    }
}

#[cfg(test)]
mod tests {
    use super::ActivationPlan;

    #[test]
    fn names_are_taken_and_wrong_case_is_understood() {
        for name in super::SPEC_NAMES.split(", ") {
            if !["leaky_relu", "prelu", "dice"].contains(&name) {
                let plan = ActivationPlan::named(name).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(plan.name(), name);
            }
        }
        for (text, near) in [
            ("ReLU", "relu"),
            ("GELU", "gelu"),
            ("hard-swish", "hardswish"),
            ("rleu", "relu"),
        ] {
            assert_eq!(ActivationPlan::named(text), None, "{text}");
            assert_eq!(ActivationPlan::near(text), Some(near), "{text}");
        }
        assert_eq!(ActivationPlan::near("quadratic"), None);
    }
}
