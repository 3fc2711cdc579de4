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
