//! The mathematics back end of the float paths.
//!
//! The integer paths (`I8`) use none of this.

use micromath::F32Ext;

/// Where `exp` and `sqrt` come from, for sigmoid, tanh, softmax and LayerNorm in `f32`.
///
/// The type is a parameter of the call, never of a model. With [`Libm`] the results have the same
/// bits on every target. A back end must pass NaN through, and give 0 for the exponential of −∞.
pub trait Math: 'static {
    /// e to the power of `x`; the kernels only ask for `x ≤ 0`.
    fn exp(x: f32) -> f32;
    /// The square root of `x`; the kernels only ask for `x > 0`.
    fn sqrt(x: f32) -> f32;
    /// The error function of `x`, for gelu.
    #[inline]
    fn erf(x: f32) -> f32 {
        libm::erff(x)
    }
    /// The natural logarithm of `1 + x`, for softplus; the kernels only ask for `0 ≤ x ≤ 1`.
    #[inline]
    fn ln_1p(x: f32) -> f32 {
        libm::log1pf(x)
    }
}

/// The default: the `libm` crate, within one unit in the last place.
#[derive(Debug)]
pub enum Libm {}

impl Math for Libm {
    #[inline]
    fn exp(x: f32) -> f32 {
        libm::expf(x)
    }
    #[inline]
    fn sqrt(x: f32) -> f32 {
        libm::sqrtf(x)
    }
}

/// Smaller and faster, less exact: the `micromath` crate, guarded.
///
/// Over −87 ..= 0 its exponential errs by at most 0.25 % of the result. On its own it gives +∞ for
/// NaN and nonsense far from zero, so NaN is passed through and whatever is below −87 counts as 0.
/// Its square root alone is off by up to 6 %; two Newton steps bring it within 0.0002 %.
#[derive(Debug)]
pub enum Micromath {}

impl Math for Micromath {
    #[inline]
    fn exp(x: f32) -> f32 {
        if x.is_nan() {
            x
        } else if x < -87.0 {
            0.0
        } else {
            F32Ext::exp(x.min(88.0))
        }
    }
    #[inline]
    fn sqrt(x: f32) -> f32 {
        let mut y = F32Ext::sqrt(x);
        y = 0.5 * (y + x / y);
        0.5 * (y + x / y)
    }
}
