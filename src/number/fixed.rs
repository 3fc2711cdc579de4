//! Fixed-point numbers, named after their fractional bits.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::bytes::Buffer;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident($int:ty), $bits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// Fractional bits.
            pub const BITS: u32 = $bits;

            /// The value as f32 (rounded where it has more than 24 significant bits).
            #[must_use]
            pub fn to_f32(self) -> f32 {
                const STEP: f32 = 1.0 / (1u64 << $bits) as f32;
                self.0 as f32 * STEP
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
    /// A gate weight of an integer model: unsigned, 32768 is one. The weights of a softmax gate add up to exactly 32768.
    Q15(u16), 15
);
fixed!(
    /// A logit of an integer model: signed, 65536 is one.
    Q16(i32), 16
);
fixed!(
    /// A probability of an integer model: unsigned, 2³¹ is one.
    Q31(u32), 31
);

impl Buffer for Q16 {
    const LEN: usize = 1;
}
impl Buffer for Q31 {
    const LEN: usize = 1;
}
