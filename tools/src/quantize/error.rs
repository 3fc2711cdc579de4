//! Why a model cannot be converted to integers.

/// Why a model cannot be converted to integers. Each message names the layer and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A normalization whose numbers do not fit.
    #[error("`{0}`: the norm has {1}, which i8 models cannot hold: convert with `--precision w8`")]
    Norm(String, &'static str),
    /// A slope that Q14 cannot hold.
    #[error(
        "`{0}`: i8 models can hold slopes from −2 to 2, and this one is {1}: convert with \
         `--precision w8`"
    )]
    Slope(String, f32),
    /// An alpha that Q12 cannot hold.
    #[error(
        "`{0}`: i8 models can hold alphas from −8 to 8, and this one is {1}: convert with \
         `--precision w8`"
    )]
    Alpha(String, f32),
    /// A constant gate weight outside 0 to 1.
    #[error(
        "`{0}`: i8 models can hold constant gate weights from 0 to 1, and this one is {1}: convert \
         with `--precision w8`"
    )]
    Weight(String, f32),
    /// An affine layer whose factors do not fit.
    #[error("`{0}`: the affine layer's factors do not fit 16 bits: convert with `--precision w8`")]
    Affine(String),
    /// A sum of experts of a fixed scale that 32 bits may not hold.
    #[error(
        "`{0}`: its weights do not add up to one, and {1} experts of a fixed scale (sigmoid, \
         tanh, or values passed on) could pass 32 bits in its mixture: convert with `--precision \
         w8`"
    )]
    Mixture(String, usize),
    /// Values too large for the scale that they have to share.
    #[error(
        "`{0}`: values up to {1} would have to share a scale with sigmoid or tanh outputs of the \
         same level, which ends at 1: convert with `--precision w8`"
    )]
    Scale(String, f64),
    /// An expert or a tower without layers, or with a PReLU alone, reads rows of a table.
    #[error(
        "a part of the model passes on the vector as it is, and the rows of a record's tables have \
         a scale of their own there: convert with `--precision w8`"
    )]
    Passed,
    /// No such layer.
    #[error("`--keep-wide {0}`: there is no such layer; there are {1}")]
    NoLayer(String, String),
    /// Nothing says what values the inputs take.
    #[error(
        "integers need to know what values the inputs take: give `--calibration ROWS.npz`, or \
         `min` and `max` (or `mean` and `std`) in the spec's [[inputs]] for `{0}`"
    )]
    NoRange(String),
    /// Calibration rows of another width.
    #[error("the calibration rows have {found} features, the model takes {expected}")]
    Width {
        /// Features of the model.
        expected: usize,
        /// Features of the rows.
        found: usize,
    },
    /// No calibration rows.
    #[error("the calibration file has no rows")]
    Empty,
    /// A calibration value that is no number.
    #[error("calibration row {row}, feature {feature} is {value}: leave such rows out")]
    NotFinite {
        /// Which row.
        row: usize,
        /// Which feature.
        feature: usize,
        /// What it is.
        value: f32,
    },
    /// The rounding error of a layer passes what was allowed.
    #[error(
        "`{layer}`: int8 weights cost {loss:.4} of its output, more than `--max-loss {allowed}`: \
         widen it with `--keep-wide {layer}`, or leave `--max-loss` out and it is widened by \
         itself"
    )]
    Loss {
        /// The layer.
        layer: String,
        /// Root of noise power over signal power.
        loss: f64,
        /// What was allowed.
        allowed: f64,
    },
    /// A narrow layer that cannot be.
    #[error(
        "`{layer}` cannot have int8 weights ({why}) and `--max-loss` forbids widening it by \
         itself: `--keep-wide {layer}`"
    )]
    MustWiden {
        /// The layer.
        layer: String,
        /// Why.
        why: &'static str,
    },
    /// A layer that is narrow in an earlier blob, and cannot be any more.
    #[error(
        "`{layer}` has int8 weights in the earlier blob and cannot have them now ({why}): without \
         `--like` it gets 16-bit weights, which is another Rust type"
    )]
    Kept {
        /// The layer.
        layer: String,
        /// Why.
        why: &'static str,
    },
}
