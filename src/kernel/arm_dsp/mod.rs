//! Cortex-M cores with the DSP extension: M4, M7, and M33 or M35P where they have it.

/// What stands at the start of the function: assembly in a naked function does not see the target's
/// features where link-time optimization builds the crate, unless the target always has them.
#[cfg(mmoe_arm_v8m)]
macro_rules! cpu {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(mmoe_arm_v8m))]
macro_rules! cpu {
    () => {
        ""
    };
}

/// Two words of weights, in `$a` and `$b` (used up): two columns of four rows on the two inputs in
/// `$x`. Rows 0 and 1 have their sums in r8 and r9:r10, rows 2 and 3 in r11 and r12:lr.
macro_rules! columns2 {
    ($a:literal, $b:literal, $x:literal) => {
        concat!(
            "smlald r9, r10, ",
            $a,
            ", ",
            $x,
            "\n",
            "sxtb16 ",
            $a,
            ", ",
            $a,
            "\n",
            "smlald r12, lr, ",
            $b,
            ", ",
            $x,
            "\n",
            "sxtb16 ",
            $b,
            ", ",
            $b,
            "\n",
            "smlad r8, ",
            $a,
            ", ",
            $x,
            ", r8\n",
            "smlad r11, ",
            $b,
            ", ",
            $x,
            ", r11\n",
        )
    };
}

/// Σ q·x = (Σ h·x − Σ p·x) / 256: the sums of the four rows in r8, r9, r11 and r12.
macro_rules! sums_of_rows {
    () => {
        "subs r9, r9, r8
        sbc r10, r10, r8, asr #31
        lsr r9, r9, #8
        orr r9, r9, r10, lsl #24
        subs r12, r12, r11
        sbc lr, lr, r11, asr #31
        lsr r12, r12, #8
        orr r12, r12, lr, lsl #24"
    };
}

/// The most columns of one walk: Σ p·x has to fit an i32, and 511·128·32768 < 2³¹ for any weights and
/// inputs. A multiple of 4, so that every segment but the last is whole blocks.
const SEGMENT: usize = 508;

mod active;
#[cfg(not(mmoe_arm_mve))]
mod gemv_i8_pairs;

pub use active::accumulate_active_i8_pairs;
#[cfg(not(mmoe_arm_mve))]
pub use gemv_i8_pairs::{accumulate_i8_pairs, dense_i8_pairs, logits_i8_pairs};
