//! Activations of dense layers.

use crate::blob::ActivationKind;
use crate::bytes::InPlace;
use crate::math::Math;
use crate::number::Element;

/// What a dense layer does to its outputs. The formulas and their errors are in `docs/numerics.md`.
pub trait Activation: 'static {
    /// How the layer's record calls it.
    const CODE: ActivationKind;
    /// What it stores behind the layer's weights.
    type Stored<A: Element>: InPlace;
    /// Whether the matrix itself can do it, by not letting outputs below 0 through.
    const RELU: bool = false;
    /// Applies it, unless the matrix did.
    fn apply<A: Element, M: Math>(stored: &Self::Stored<A>, y: &mut [A]);
}

/// `x`.
#[derive(Debug)]
pub enum Linear {}
/// `max(x, 0)`.
#[derive(Debug)]
pub enum Relu {}
/// `x < 0 ? slope·x : x` with one stored slope for the layer.
#[derive(Debug)]
pub enum LeakyRelu {}
/// Logistic function.
#[derive(Debug)]
pub enum Sigmoid {}
/// Hyperbolic tangent.
#[derive(Debug)]
pub enum Tanh {}

/// The activations that store numbers (float models) or a table (integer models).
macro_rules! curves {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl Activation for $name {
                const CODE: ActivationKind = ActivationKind::$name;
                type Stored<A: Element> = A::Curve;
                fn apply<A: Element, M: Math>(stored: &A::Curve, y: &mut [A]) {
                    A::curve::<M>(Self::CODE, stored, y);
                }
            }
        )+
    };
}

curves! {
    /// `x·(1 + erf(x / √2)) / 2`.
    Gelu;
    /// `x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2`.
    GeluTanh;
    /// `x·sigmoid(rate·x)`: swish.
    Silu;
    /// `x < 0 ? depth·(exp(rate·x) − 1) : slope·x`: elu, selu and celu.
    Elu;
    /// `ln(1 + exp(rate·x)) / rate`.
    Softplus;
    /// `x·tanh(ln(1 + exp(x)))`.
    Mish;
    /// `x / (1 + |x|)`.
    Softsign;
    /// `x·clip(x + 3, 0, 6) / 6`.
    HardSwish;
    /// `x` between two stored bounds: relu6 and hardtanh.
    Clip;
    /// `e^x`.
    Exp;
}

impl Activation for Linear {
    const CODE: ActivationKind = ActivationKind::Linear;
    type Stored<A: Element> = [u32; 0];
    fn apply<A: Element, M: Math>(_: &[u32; 0], _: &mut [A]) {}
}
impl Activation for Relu {
    const CODE: ActivationKind = ActivationKind::Relu;
    type Stored<A: Element> = [u32; 0];
    const RELU: bool = true;
    fn apply<A: Element, M: Math>(_: &[u32; 0], _: &mut [A]) {}
}
impl Activation for LeakyRelu {
    const CODE: ActivationKind = ActivationKind::LeakyRelu;
    type Stored<A: Element> = A::Slope;
    fn apply<A: Element, M: Math>(slope: &A::Slope, y: &mut [A]) {
        A::leaky_relu(y, slope);
    }
}
impl Activation for Sigmoid {
    const CODE: ActivationKind = ActivationKind::Sigmoid;
    type Stored<A: Element> = [u32; 0];
    fn apply<A: Element, M: Math>(_: &[u32; 0], y: &mut [A]) {
        A::sigmoid_all::<M>(y);
    }
}
impl Activation for Tanh {
    const CODE: ActivationKind = ActivationKind::Tanh;
    type Stored<A: Element> = [u32; 0];
    fn apply<A: Element, M: Math>(_: &[u32; 0], y: &mut [A]) {
        A::tanh_all::<M>(y);
    }
}
