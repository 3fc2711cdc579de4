//! Executed instructions, from inside.

use crate::{Board, Failed, println};
use core::hint::black_box;

/// Counts executed instructions: by SysTick under QEMU's `-icount shift=0` on Arm, where one
/// instruction takes one nanosecond of emulated time; by `minstret` on RISC-V.
#[derive(Debug)]
pub struct Counter {
    #[cfg(target_arch = "arm")]
    per_four_ticks: u32,
}

#[cfg(target_arch = "arm")]
mod on_core {
    use super::Counter;
    use crate::Board;
    use cortex_m::peripheral::{SYST, syst::SystClkSource};

    impl Counter {
        /// Starts counting; the image must leave SysTick to it.
        #[must_use]
        pub fn new(board: &Board) -> Self {
            // SAFETY: nothing else in these images uses SysTick.
            let mut syst = unsafe { cortex_m::Peripherals::steal() }.SYST;
            syst.set_reload(0xff_ffff);
            syst.clear_current();
            syst.set_clock_source(SystClkSource::Core);
            syst.enable_counter();
            Self {
                per_four_ticks: board.per_four_ticks,
            }
        }

        pub(super) fn now(&self) -> u32 {
            SYST::get_current()
        }

        /// SysTick counts 24 bits down.
        pub(super) fn between(&self, before: u32, after: u32) -> u64 {
            u64::from(before.wrapping_sub(after) & 0xff_ffff)
        }

        pub(super) fn instructions(&self, ticks: u64) -> u64 {
            ticks * u64::from(self.per_four_ticks) / 4
        }
    }

    /// `2·n` instructions, `n` at least 1.
    #[inline(never)]
    pub(super) fn known(n: u32) {
        // SAFETY: a counting loop on a register.
        unsafe { core::arch::asm!("2:", "subs {0}, {0}, #1", "bne 2b", inout(reg) n => _) };
    }
}

#[cfg(target_arch = "riscv32")]
mod on_core {
    use super::Counter;
    use crate::Board;

    impl Counter {
        /// Starts counting.
        #[must_use]
        pub fn new(_: &Board) -> Self {
            Self {}
        }

        pub(super) fn now(&self) -> u32 {
            let n: u32;
            // SAFETY: reads a counter.
            unsafe { core::arch::asm!("csrr {0}, minstret", out(reg) n) };
            n
        }

        pub(super) fn between(&self, before: u32, after: u32) -> u64 {
            u64::from(after.wrapping_sub(before))
        }

        pub(super) fn instructions(&self, units: u64) -> u64 {
            units
        }
    }

    /// `2·n` instructions, `n` at least 1.
    #[inline(never)]
    pub(super) fn known(n: u32) {
        // SAFETY: a counting loop on a register.
        unsafe { core::arch::asm!("2:", "addi {0}, {0}, -1", "bnez {0}, 2b", inout(reg) n => _) };
    }
}

impl Counter {
    /// By how much two totals of equal work may differ: each is off by at most a tick, or exact.
    #[must_use]
    pub fn tolerance(&self) -> u64 {
        if cfg!(target_arch = "arm") {
            self.instructions(2)
        } else {
            0
        }
    }

    /// Instructions of one call of `f`, the mean of `repeats`, without the calls' own.
    pub fn count(&self, repeats: u32, f: &mut dyn FnMut()) -> u64 {
        let with = self.total(repeats, f);
        let without = self.total(repeats, &mut || {});
        (with.saturating_sub(without) + u64::from(repeats / 2)) / u64::from(repeats)
    }

    /// Instructions of `repeats` calls of `f` and of making them. Off by at most one tick.
    #[inline(never)]
    pub fn total(&self, repeats: u32, f: &mut dyn FnMut()) -> u64 {
        let f = black_box(f);
        let mut units = 0;
        let mut last = self.now();
        for _ in 0..repeats {
            f();
            // Read each time, so that one call may last almost a whole turn of the counter, and no
            // fraction of a tick is lost.
            let now = self.now();
            units += self.between(last, now);
            last = now;
        }
        self.instructions(units)
    }
}

/// Holds the method against loops of known length.
///
/// # Errors
///
/// Where it counts wrongly.
pub fn calibrate(board: &Board, counter: &Counter) -> Result<(), Failed> {
    let short = counter.count(64, &mut || on_core::known(black_box(10_000)));
    let long = counter.count(64, &mut || on_core::known(black_box(110_000)));
    println!(
        "{}: loops of 20000 and 220000 instructions count as {short} and {long} with their calls",
        board.name
    );
    let right = (long - short).abs_diff(200_000) <= 2 && (20_000..20_020).contains(&short);
    if right { Ok(()) } else { Err(Failed) }
}
