//! USART1 of an STM32F405, by its registers: PA9 sends, PA10 receives, 115,200 baud from the 16 MHz
//! that the chip starts with. Your HAL has one to put in its place.

use stm32_metapac::gpio::vals::Moder;
use stm32_metapac::{GPIOA, RCC, USART1};

/// 16 MHz over 115,200 baud, in the register's 16ths.
const DIVIDER: u32 = 16_000_000 / 115_200;

/// Switches it on; each byte that comes is an interrupt.
pub fn start() {
    RCC.ahb1enr().modify(|w| w.set_gpioaen(true));
    RCC.apb2enr().modify(|w| w.set_usart1en(true));
    for pin in [9, 10] {
        // Alternate function 7 is USART1.
        GPIOA.afr(1).modify(|w| w.set_afr(pin - 8, 7));
        GPIOA.moder().modify(|w| w.set_moder(pin, Moder::ALTERNATE));
    }
    USART1.brr().write(|w| w.0 = DIVIDER);
    USART1.cr1().write(|w| {
        w.set_ue(true);
        w.set_te(true);
        w.set_re(true);
        w.set_rxneie(true);
    });
}

/// The byte that has come, if one has.
pub fn read() -> Option<u8> {
    USART1
        .sr()
        .read()
        .rxne()
        .then(|| USART1.dr().read().0 as u8)
}

/// Sends bytes, each as soon as it can go.
pub fn write(bytes: &[u8]) {
    for byte in bytes {
        while !USART1.sr().read().txe() {}
        USART1.dr().write(|w| w.0 = u32::from(*byte));
    }
}
