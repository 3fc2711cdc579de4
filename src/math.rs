//! Where the float models take `exp`, `sqrt` and their kin from.
//!
//! Integer models ([`I8`](crate::I8)) use none of this: their curves are tables and integer
//! arithmetic.

use micromath::F32Ext;

/// A source of `exp`, `sqrt`, `erf` and `ln_1p`, for the activation functions, softmax and
/// normalizations of float models.
///
/// The type is a parameter of the call, as in
/// [`predict_with`](crate::Model::predict_with), and never of a model: one model in flash serves all
/// of them. With [`Libm`] the results have the same bits on every target. A back end of your own must
/// pass NaN through, and return 0 for the exponential of −∞.
///
/// ```
/// use mmoe::layer::Layer;
/// use mmoe::math::{Libm, Math};
/// use mmoe::{Binary, F32, Logits, precision::MatrixF32};
///
/// /// The exponential of the platform's own library, and `libm` for the rest.
/// enum Platform {}
/// impl Math for Platform {
///     fn exp(x: f32) -> f32 {
///         x.exp()
///     }
///     fn sqrt(x: f32) -> f32 {
///         Libm::sqrt(x)
///     }
/// }
///
/// // `sigmoid(0.5·x − 1)`
/// let matrix = MatrixF32 { bias: [-1.0], weights: [[0.5]] };
/// let tower = Binary(Logits::<1, 1, F32> { matrix });
/// let (mut exact, mut platform) = (0.0, 0.0);
/// tower.forward::<Libm>(&[4.0], &mut exact);
/// tower.forward::<Platform>(&[4.0], &mut platform);
/// assert!((exact - 0.731_058_6).abs() < 1e-6);
/// assert!((exact - platform).abs() < 1e-6);
/// ```
pub trait Math: 'static {
    /// Returns e to the power of `x`. All but the activation [`Exp`](crate::Exp) only ask for `x ≤ 0`.
    fn exp(x: f32) -> f32;
    /// Returns the square root of `x`. The kernels only ask for `x > 0`.
    fn sqrt(x: f32) -> f32;
    /// Returns the error function of `x`, which gelu needs.
    #[inline]
    fn erf(x: f32) -> f32 {
        libm::erff(x)
    }
    /// Returns the natural logarithm of `1 + x`, which softplus needs. The kernels only ask for
    /// `0 ≤ x ≤ 1`.
    #[inline]
    fn ln_1p(x: f32) -> f32 {
        libm::log1pf(x)
    }
}

/// The default: the `libm` crate, whose results are within one unit in the last place.
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

/// Smaller, faster and less exact than [`Libm`]: the `micromath` crate, made safe at the edges.
///
/// From −87 to 0 its exponential errs by at most 0.25 % of the result. The crate alone returns +∞ for
/// NaN and meaningless numbers far from zero. So NaN is passed through here, and the exponential of
/// whatever is below −87 is 0. Its square root alone is off by up to 6 %; two Newton iterations bring
/// it within 0.0002 %.
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
