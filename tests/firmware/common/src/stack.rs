//! Peak stack, by painting.

use core::hint::black_box;
use core::ptr::{addr_of, read_volatile, write_volatile};

const PAINT: u32 = 0x5aa5_c33c;
/// At most so many bytes are painted.
const ROOM: usize = 32 * 1024;
/// The painter's own frame may reach so far below the stack pointer that it reads.
const OWN: usize = 64;

/// What a call left of the paint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Painted {
    /// Bytes of stack at the deepest point, beyond those of an empty call.
    Bytes(usize),
    /// All the paint is gone.
    TooDeep,
}

fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe {
        #[cfg(target_arch = "arm")]
        core::arch::asm!("mov {0}, sp", out(reg) sp, options(nomem, nostack));
        #[cfg(target_arch = "riscv32")]
        core::arch::asm!("mv {0}, sp", out(reg) sp, options(nomem, nostack));
    }
    sp
}

/// The first address after all statics: both runtimes' linker scripts define it.
fn end_of_statics() -> usize {
    unsafe extern "C" {
        static __sheap: u32;
    }
    addr_of!(__sheap) as usize
}

/// The most stack that `f` has at any time.
pub fn paint(f: &mut dyn FnMut()) -> Painted {
    let mut pad = || {
        // More than the painter's own frame, so that an empty call leaves a mark.
        black_box(&mut [0u32; OWN / 2]);
    };
    match (deepest(f), deepest(&mut pad)) {
        (Some(with), Some(without)) => {
            Painted::Bytes((with + size_of::<[u32; OWN / 2]>()).saturating_sub(without))
        }
        _ => Painted::TooDeep,
    }
}

#[inline(never)]
fn deepest(f: &mut dyn FnMut()) -> Option<usize> {
    let f = black_box(f);
    let sp = stack_pointer() & !3;
    let top = sp - OWN;
    let bottom = (end_of_statics().max(top.saturating_sub(ROOM)) + 3) & !3;
    for at in (bottom..top).step_by(4) {
        // SAFETY: between the end of the statics and the stack pointer nothing lives, interrupts
        // are off.
        unsafe { write_volatile(at as *mut u32, PAINT) };
    }
    f();
    let mut at = bottom;
    // SAFETY: as above.
    while at < top && unsafe { read_volatile(at as *const u32) } == PAINT {
        at += 4;
    }
    (at != bottom).then_some(sp - at)
}
