//! Fixed-point numbers, named after their fractional bits.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::bytes::Buffer;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident($int:ty), $bits:literal, $value:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// How many of its bits are fractional.
            pub const BITS: u32 = $bits;

            /// Returns the value as f32. It is rounded where it has more than 24 significant bits.
            #[must_use]
            pub fn to_f32(self) -> f32 {
                const STEP: f32 = 1.0 / (1u64 << $bits) as f32;
                $value(self.0) as f32 * STEP
            }
        }

        impl From<$name> for f32 {
            fn from(v: $name) -> f32 {
                v.to_f32()
            }
        }
    };
}

fixed!(
    /// A gate weight of an integer model: 32768 stands for 1. The weights of a softmax gate add up to
    /// exactly 32768. What is above 32768 stands for a negative weight, which a linear gate alone
    /// gives: 65535 for −1/32768, and so on.
    ///
    /// ```
    /// assert_eq!(mmoe::Q15(8192).to_f32(), 0.25);
    /// assert_eq!(mmoe::Q15(57344).to_f32(), -0.25);
    /// ```
    Q15(u16), 15, crate::kernel::signed_q15
);
fixed!(
    /// A logit of an integer model: signed, and 65536 stands for 1.
    ///
    /// ```
    /// assert_eq!(mmoe::Q16(-98304).to_f32(), -1.5);
    /// ```
    Q16(i32), 16, core::convert::identity
);
fixed!(
    /// A probability of an integer model: unsigned, and 2³¹ stands for 1.
    ///
    /// ```
    /// assert_eq!(mmoe::Q31(1 << 30).to_f32(), 0.5);
    /// ```
    Q31(u32), 31, core::convert::identity
);

impl Buffer for Q16 {
    const LEN: usize = 1;
}
impl Buffer for Q31 {
    const LEN: usize = 1;
}
