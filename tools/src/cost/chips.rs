//! Chips by name: which measured core each has, and how fast its data sheet lets it run.

/// A family of chips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chip {
    /// How the names of its members begin, in lower case.
    pub begins: &'static str,
    /// The core of [`CORES`](super::cores::CORES) whose instructions it runs.
    pub core: &'static str,
    /// What its core is, where it is not that one.
    pub runs: Option<&'static str>,
    /// The highest clock of its data sheet, in MHz.
    pub mhz: f64,
}

const fn chip(begins: &'static str, core: &'static str, mhz: f64) -> Chip {
    let runs = None;
    Chip {
        begins,
        core,
        runs,
        mhz,
    }
}

/// A chip whose core was not measured, but one that runs the same instructions was.
const fn like(chip: Chip, core: &'static str) -> Chip {
    let runs = Some(core);
    Chip { runs, ..chip }
}

/// The usual families; where one name begins with another's, the longer one is meant.
pub const CHIPS: [Chip; 46] = [
    chip("stm32f0", "m0", 48.0),
    chip("stm32f1", "m3", 72.0),
    chip("stm32f2", "m3", 120.0),
    chip("stm32f3", "m4f", 72.0),
    chip("stm32f401", "m4f", 84.0),
    chip("stm32f405", "m4f", 168.0),
    chip("stm32f407", "m4f", 168.0),
    chip("stm32f410", "m4f", 100.0),
    chip("stm32f411", "m4f", 100.0),
    chip("stm32f412", "m4f", 100.0),
    chip("stm32f413", "m4f", 100.0),
    chip("stm32f427", "m4f", 180.0),
    chip("stm32f429", "m4f", 180.0),
    chip("stm32f446", "m4f", 180.0),
    chip("stm32f469", "m4f", 180.0),
    like(chip("stm32f7", "m4f", 216.0), "Cortex-M7"),
    like(chip("stm32g0", "m0", 64.0), "Cortex-M0+"),
    chip("stm32g4", "m4f", 170.0),
    chip("stm32h5", "m33dsp", 250.0),
    like(chip("stm32h743", "m4f", 480.0), "Cortex-M7"),
    like(chip("stm32h750", "m4f", 480.0), "Cortex-M7"),
    like(chip("stm32l0", "m0", 32.0), "Cortex-M0+"),
    chip("stm32l1", "m3", 32.0),
    chip("stm32l4", "m4f", 80.0),
    chip("stm32l4r", "m4f", 120.0),
    chip("stm32l4s", "m4f", 120.0),
    chip("stm32l5", "m33dsp", 110.0),
    chip("stm32n6", "m55", 800.0),
    chip("stm32u5", "m33dsp", 160.0),
    chip("stm32wb5", "m4f", 64.0),
    chip("nrf51", "m0", 16.0),
    chip("nrf52833", "m4f", 64.0),
    chip("nrf52832", "m4f", 64.0),
    chip("nrf52840", "m4f", 64.0),
    chip("nrf5340", "m33dsp", 128.0),
    chip("nrf9160", "m33dsp", 64.0),
    like(chip("rp2040", "m0", 133.0), "Cortex-M0+"),
    chip("rp2350", "m33dsp", 150.0),
    like(chip("esp32-c2", "riscv", 120.0), "RISC-V RV32IMC"),
    like(chip("esp32-c3", "riscv", 160.0), "RISC-V RV32IMC"),
    chip("esp32-c6", "riscv", 160.0),
    chip("esp32-h2", "riscv", 96.0),
    like(chip("samd21", "m0", 48.0), "Cortex-M0+"),
    chip("samd51", "m4f", 120.0),
    chip("gd32vf103", "riscv", 108.0),
    chip("max32666", "m4f", 96.0),
];

/// The family of a chip, by the beginning of its name; case and hyphens do not matter.
#[must_use]
pub fn find(name: &str) -> Option<Chip> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let name = plain(name);
    let own = CHIPS.iter().filter(|c| name.starts_with(&plain(c.begins)));
    own.max_by_key(|chip| chip.begins.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::cores::CORES;

    #[test]
    fn the_longest_beginning_is_meant() {
        assert_eq!(find("STM32F405RGT6").unwrap().mhz, 168.0);
        assert_eq!(find("stm32l4r5zi").unwrap().mhz, 120.0);
        assert_eq!(find("ESP32C3").unwrap().core, "riscv");
        assert_eq!(find("nRF52840_xxAA").unwrap().core, "m4f");
        assert_eq!(find("stm32f4"), None);
    }

    #[test]
    fn every_chip_has_a_measured_core_and_a_name_of_its_own() {
        for chip in CHIPS {
            assert!(CORES.iter().any(|(core, _)| *core == chip.core), "{chip:?}");
            assert_eq!(find(chip.begins), Some(chip));
        }
    }
}
