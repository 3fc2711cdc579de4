//! From reset to the body and to the exit code.

use semihosting::{eprintln, println, process::exit};

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;

/// What the shared code has to know about a board.
#[derive(Debug)]
pub struct Board {
    /// Its folder.
    pub name: &'static str,
    /// Instructions that pass in four ticks of SysTick under `-icount shift=0` (one instruction a
    /// nanosecond): 4·10⁹ / its clock. Unused where the core counts instructions itself.
    pub per_four_ticks: u32,
    /// Multiplies and adds floats in hardware.
    pub fpu: bool,
    /// Has room for all models; the others check what fits 256 KB of flash and 16 KB of RAM.
    pub roomy: bool,
}

/// Something that was checked is not so; it has been printed.
#[derive(Debug)]
pub struct Failed;

/// Runs the body and leaves the emulator: with 0, or with 1 where the body failed.
pub fn run(board: &Board, body: fn(&Board) -> Result<(), Failed>) -> ! {
    match body(board) {
        Ok(()) => {
            println!("{}: ok", board.name);
            exit(0)
        }
        Err(Failed) => {
            eprintln!("{}: FAILED", board.name);
            exit(1)
        }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    exit(101)
}

#[cfg(target_arch = "arm")]
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    eprintln!("hard fault at {:#010x}", frame.pc());
    exit(102)
}

/// The name that riscv-rt looks for.
#[cfg(target_arch = "riscv32")]
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(_: &riscv_rt::TrapFrame) -> ! {
    eprintln!("exception");
    exit(102)
}
