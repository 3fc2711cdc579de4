//! Activation functions: the last parameter of a dense layer.

use crate::blob::ActivationKind;
use crate::bytes::InPlace;
use crate::math::Math;
use crate::number::Element;

/// An activation function: what a [`Dense`](super::Dense) layer does to its outputs, element by element.
///
/// `docs/numerics.md` has the formulas and their errors. In integer models sigmoid and tanh are
/// computed in integers, and the functions that store a curve read it from a table of 257 values.
pub trait Activation: 'static {
    /// The code of the function in a layer's record.
    const CODE: ActivationKind;
    /// What it stores behind the layer's weights, such as a slope.
    type Stored<A: Element>: InPlace;
    /// Whether it is relu, which the matrix does by itself when it saturates.
    const RELU: bool = false;
    /// Applies the function to each element of `y`, unless the matrix did so already.
    fn apply<A: Element, M: Math>(stored: &Self::Stored<A>, y: &mut [A]);
}

/// The identity: `x`.
#[derive(Debug)]
pub enum Linear {}
/// The rectifier: `max(x, 0)`.
#[derive(Debug)]
pub enum Relu {}
/// The leaky rectifier: `x < 0 ? slope·x : x`, with one stored slope for the layer.
#[derive(Debug)]
pub enum LeakyRelu {}
/// The logistic function: `1 / (1 + e^−x)`.
#[derive(Debug)]
pub enum Sigmoid {}
/// The hyperbolic tangent.
#[derive(Debug)]
pub enum Tanh {}

/// Defines the functions that store up to three numbers in float models and a table in integer
/// models. They share one implementation: the kernel is chosen by the code of the function.
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
    /// Gelu: `x·(1 + erf(x / √2)) / 2`.
    Gelu;
    /// Gelu in its approximate form: `x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2`.
    GeluTanh;
    /// Silu, also called swish: `x·sigmoid(rate·x)`.
    Silu;
    /// Elu, selu and celu: `x < 0 ? depth·(exp(rate·x) − 1) : slope·x`.
    Elu;
    /// Softplus: `ln(1 + exp(rate·x)) / rate`.
    Softplus;
    /// Mish: `x·tanh(ln(1 + exp(x)))`.
    Mish;
    /// Softsign: `x / (1 + |x|)`.
    Softsign;
    /// Hard swish: `x·clip(x + 3, 0, 6) / 6`.
    HardSwish;
    /// Relu6, hard tanh and their kin: `x` clipped to two stored bounds.
    Clip;
    /// The exponential: `e^x`.
    Exp;
    /// The square: `x²`. A product of two numbers is a difference of squares.
    Square;
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
