//! The boards that QEMU emulates for us.

use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A folder of `tests/firmware`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board {
    /// The folder, package and image.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) core: &'static str,
    /// Rust's name of the target.
    pub(crate) target: &'static str,
    /// The `-C target-cpu` of its `.cargo/config.toml`.
    pub(crate) cpu: Option<&'static str>,
    /// The `-C target-feature` of the same file.
    pub(crate) features: Option<&'static str>,
    /// Has a measuring image.
    pub(crate) measures: bool,
    /// The emulator, and the Debian package that holds it.
    pub(crate) qemu: (&'static str, &'static str),
}

const ARM: (&str, &str) = ("qemu-system-arm", "qemu-system-arm");
const RISCV: (&str, &str) = ("qemu-system-riscv32", "qemu-system-misc");

/// All of them.
pub(crate) const BOARDS: &[Board] = &[
    Board {
        name: "microbit",
        core: "Cortex-M0 (micro:bit)",
        target: "thumbv6m-none-eabi",
        cpu: None,
        features: None,
        measures: false,
        qemu: ARM,
    },
    Board {
        name: "m0",
        core: "Cortex-M0",
        target: "thumbv6m-none-eabi",
        cpu: None,
        features: None,
        measures: true,
        qemu: ARM,
    },
    Board {
        name: "m3",
        core: "Cortex-M3",
        target: "thumbv7m-none-eabi",
        cpu: None,
        features: None,
        measures: true,
        qemu: ARM,
    },
    Board {
        name: "m4f",
        core: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        cpu: Some("cortex-m4"),
        features: None,
        measures: true,
        qemu: ARM,
    },
    Board {
        name: "m33",
        core: "Cortex-M33",
        target: "thumbv8m.main-none-eabihf",
        cpu: None,
        features: None,
        measures: true,
        qemu: ARM,
    },
    Board {
        name: "m33dsp",
        core: "Cortex-M33 with DSP",
        target: "thumbv8m.main-none-eabihf",
        cpu: Some("cortex-m33"),
        features: None,
        measures: true,
        qemu: ARM,
    },
    Board {
        name: "m55",
        core: "Cortex-M55",
        target: "thumbv8m.main-none-eabihf",
        cpu: Some("cortex-m55"),
        features: Some("-mve.fp"),
        measures: true,
        qemu: ARM,
    },
    Board {
        name: "riscv",
        core: "RISC-V RV32IMAC",
        target: "riscv32imac-unknown-none-elf",
        cpu: None,
        features: None,
        measures: true,
        qemu: RISCV,
    },
];

/// The boards asked for.
pub(crate) fn chosen(name: Option<&str>) -> Result<Vec<Board>> {
    let boards: Vec<Board> = BOARDS
        .iter()
        .filter(|b| name.is_none_or(|n| n == b.name))
        .copied()
        .collect();
    if boards.is_empty() {
        let known: Vec<&str> = BOARDS.iter().map(|b| b.name).collect();
        bail!(
            "there is no board `{}`; there are {}",
            name.unwrap_or_default(),
            known.join(", ")
        );
    }
    Ok(boards)
}

impl Board {
    /// Where its crate is.
    pub(crate) fn folder(&self) -> PathBuf {
        crate::shell::workspace("tests/firmware").join(self.name)
    }

    /// Fails with the command to type where the emulator or the target is missing.
    pub(crate) fn require(&self) -> Result<()> {
        let (program, package) = self.qemu;
        if Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            bail!(
                "{}: `{program}` is not installed. On Debian and Ubuntu: apt-get install \
                 --no-install-recommends {package}",
                self.name
            );
        }
        require_target(self.target)
    }
}

/// Fails with the command to type where Rust's target is missing.
pub(crate) fn require_target(target: &str) -> Result<()> {
    let out = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output()?;
    let path = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    if !out.status.success() || !path.is_dir() {
        bail!("Rust's target {target} is not installed: rustup target add {target}");
    }
    Ok(())
}
