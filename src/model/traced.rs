//! What a prediction reports beside its outputs.

use crate::input::InputCounts;

/// How much work a prediction did, and how usable its features were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Run {
    /// How many experts ran. Experts that no requested task weighs are left out.
    pub experts: u32,
    /// How many features were NaN or out of range. Integer models count them; in float models both
    /// are 0, since a NaN passes through to the outputs.
    pub input: InputCounts,
}

/// A prediction together with its gate weights and what it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traced<Y, G> {
    /// The outputs.
    pub tasks: Y,
    /// Every gate's weights, level by level: of an [`Mmoe`](crate::Mmoe)
    /// `[[weight; EXPERTS]; TASKS]`, where a weight is f32 or [`Q15`](crate::Q15).
    pub gates: G,
    /// The number of experts that ran, and of unusable features.
    pub run: Run,
}
