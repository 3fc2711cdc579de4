//! The model as a task of Embassy: records come to it over a channel, and its answers go out over
//! another one.
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
mod usart;

use cortex_m::peripheral::NVIC;
use embassy_executor::Spawner;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::pipe::Pipe;
use line::{Line, Reply};
use semihosting::{println, process};
use shop::Model;
use stm32_metapac::{Interrupt, interrupt};

/// Bytes that have come while the tasks were busy: a prediction takes as long as a few bytes.
static BYTES: Pipe<CriticalSectionRawMutex, 64> = Pipe::new();
static LINES: Channel<CriticalSectionRawMutex, Line, 1> = Channel::new();
static REPLIES: Channel<CriticalSectionRawMutex, Reply, 1> = Channel::new();

#[embassy_executor::main(entry = "cortex_m_rt::entry")]
async fn main(spawner: Spawner) {
    // Checked once, before any task can ask it; a reference into flash is all that a task needs.
    match shop::load() {
        Ok(model) => spawner.spawn(predict(model).expect("the only task of its kind")),
        Err(error) => {
            println!("{error}");
            process::exit(1)
        }
    }
    spawner.spawn(receive().expect("the only task of its kind"));
    spawner.spawn(send().expect("the only task of its kind"));
    usart::start();
    usart::write(b"ready\n");
    listen();
}

/// Lets the interrupt run, at once where a byte waits already.
fn listen() {
    // SAFETY: no critical section of this program relies on the interrupt being masked.
    unsafe { NVIC::unmask(Interrupt::USART1) };
    NVIC::pend(Interrupt::USART1);
}

#[interrupt]
fn USART1() {
    while !BYTES.is_full() {
        let Some(byte) = usart::read() else { return };
        let _ = BYTES.try_write(&[byte]);
    }
    // A byte may wait in the USART until `receive` has made room.
    NVIC::mask(Interrupt::USART1);
}

/// Makes lines of bytes.
#[embassy_executor::task]
async fn receive() {
    let mut arriving = Line::default();
    loop {
        let mut bytes = [0; 16];
        let count = BYTES.read(&mut bytes).await;
        listen();
        for byte in bytes.into_iter().take(count) {
            if let Some(line) = arriving.push(byte) {
                LINES.send(line).await;
            }
        }
    }
}

/// Answers lines. A prediction is one call that does not wait, so it holds the executor for its
/// time, which `mmoe inspect shop.mmoe --core m4f --mhz 16` estimates. Tasks that must not wait that
/// long belong on an interrupt executor above this one.
#[embassy_executor::task]
async fn predict(model: &'static Model) {
    loop {
        let line = LINES.receive().await;
        if line.quits() {
            process::exit(0)
        }
        REPLIES.send(line.answer(model)).await;
    }
}

/// Publishes the answers.
#[embassy_executor::task]
async fn send() {
    loop {
        usart::write(REPLIES.receive().await.as_bytes());
    }
}
