//! The model in an RTIC application: an interrupt takes the bytes, a task of lower priority makes
//! lines of them and answers.
//!
//! It is a program for an STM32F405, which QEMU runs as a Netduino Plus 2. Lines of text arrive over
//! USART1, as in `../records`. `cargo xtask records` compares the answers with those of `mmoe run`.
#![no_std]
#![no_main]

#[path = "../../records/src/line.rs"]
mod line;
#[rustfmt::skip]
#[path = "../../records/src/shop.rs"]
mod shop;
#[path = "../../embassy/src/usart.rs"]
mod usart;

use semihosting as _;

#[rtic::app(device = stm32_metapac, peripherals = false, dispatchers = [EXTI0])]
mod app {
    use crate::line::Line;
    use crate::shop::{self, Model};
    use crate::usart;
    use cortex_m::peripheral::NVIC;
    use rtic_sync::channel::{Receiver, Sender};
    use rtic_sync::make_channel;
    use semihosting::{println, process};
    use stm32_metapac::Interrupt;

    /// Bytes that have come while a prediction ran.
    const BYTES: usize = 64;

    #[shared]
    struct Shared {}

    #[local]
    struct Local {
        bytes: Sender<'static, u8, BYTES>,
    }

    #[init]
    fn init(_: init::Context) -> (Shared, Local) {
        let (bytes, arrived) = make_channel!(u8, BYTES);
        // Checked once, before any task can ask it; a reference into flash is all that a task needs.
        match shop::load() {
            Ok(model) => answer::spawn(model, arrived).expect("the only task of its kind"),
            Err(error) => {
                println!("{error}");
                process::exit(1)
            }
        }
        usart::start();
        usart::write(b"ready\n");
        (Shared {}, Local { bytes })
    }

    /// Takes bytes as they come, in the middle of a prediction too.
    #[task(binds = USART1, priority = 2, local = [bytes])]
    fn receive(cx: receive::Context) {
        while !cx.local.bytes.is_full() {
            let Some(byte) = usart::read() else { return };
            let _ = cx.local.bytes.try_send(byte);
        }
        // A byte may wait in the USART until `answer` has made room.
        NVIC::mask(Interrupt::USART1);
    }

    /// Answers lines.
    #[task(priority = 1)]
    async fn answer(
        _: answer::Context,
        model: &'static Model,
        mut arrived: Receiver<'static, u8, BYTES>,
    ) {
        let mut arriving = Line::default();
        while let Ok(byte) = arrived.recv().await {
            // SAFETY: no resource is shared with the interrupt, so nothing relies on its being masked.
            unsafe { NVIC::unmask(Interrupt::USART1) };
            NVIC::pend(Interrupt::USART1);
            let Some(line) = arriving.push(byte) else {
                continue;
            };
            if line.quits() {
                process::exit(0)
            }
            usart::write(line.answer(model).as_bytes());
        }
    }
}
