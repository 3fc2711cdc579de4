//! What `inspect` says of a core and of a budget.

use std::fmt::Write as _;
use std::str::FromStr;

use anyhow::{Context, Result};
use mmoe::blob::{Blob, PackingKind};
use mmoe_tools::cost::Cost;
use mmoe_tools::cost::chips::{self, Chip};
use mmoe_tools::cost::cores::{CORES, CYCLES, Estimate, Measurements, packing_of};
use mmoe_tools::text::{grouped, rounded};
use serde_json::{Value, json};

use crate::commands::CheckFailed;

/// A core to estimate for.
#[derive(Debug, clap::Args)]
pub(super) struct DeviceArgs {
    /// Also estimate instructions, code and stack on this core, from what was measured in
    /// emulation.
    #[arg(long, value_name = "CORE", group = "device", ignore_case = true, value_parser = CORES.map(|(name, _)| name))]
    core: Option<String>,
    /// The same by the name of a chip, such as `stm32f405` or `nRF52840`, with the highest clock of its
    /// data sheet.
    #[arg(long, value_name = "CHIP", group = "device", value_parser = chip)]
    chip: Option<Chip>,
    /// The firmware's opt-level.
    #[arg(long, value_name = "LEVEL", ignore_case = true, value_parser = ["3", "s"], default_value = "3", requires = "device")]
    opt_level: String,
    /// Its clock, for a time.
    #[arg(long, value_name = "MHZ", value_parser = clock, requires = "device")]
    mhz: Option<f64>,
    /// Fail (exit code 1) where the model takes more: `flash=64k,ram=8k`. With a core flash counts
    /// the code too, and ram the whole stack.
    #[arg(long, value_name = "flash=N,ram=N")]
    budget: Option<Budget>,
}

impl DeviceArgs {
    /// Whether anything is to be estimated or held against a budget.
    pub(super) fn asked(&self) -> bool {
        self.core().is_some() || self.budget.is_some()
    }

    fn core(&self) -> Option<&str> {
        self.core.as_deref().or(self.chip.map(|chip| chip.core))
    }

    fn mhz(&self) -> Option<f64> {
        self.mhz.or(self.chip.map(|chip| chip.mhz))
    }
}

fn chip(text: &str) -> Result<Chip, String> {
    chips::find(text).ok_or_else(|| {
        let families: Vec<&str> = chips::CHIPS.iter().map(|chip| chip.begins).collect();
        format!(
            "a chip of another family; give its core by --core and its clock by --mhz. The families: {}",
            families.join(", ")
        )
    })
}

fn clock(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|mhz: &f64| *mhz > 0.0 && mhz.is_finite())
        .ok_or_else(|| "a clock in MHz, such as 64".into())
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Budget {
    flash: Option<u64>,
    ram: Option<u64>,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut budget = Self::default();
        for part in text.split(',') {
            let (key, amount) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is no `key=size`: write flash=64k,ram=8k"))?;
            let slot = match key.trim() {
                "flash" => &mut budget.flash,
                "ram" => &mut budget.ram,
                other => return Err(format!("there is no `{other}`: a budget has flash and ram")),
            };
            if slot.replace(size(amount.trim())?).is_some() {
                return Err(format!("`{key}` stands twice"));
            }
        }
        Ok(budget)
    }
}

/// Bytes, with k for 1,024 and M for 1,048,576.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1024),
        Some('m' | 'M') => (&text[..text.len() - 1], 1024 * 1024),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    bytes.ok_or_else(|| format!("`{text}` is no size: bytes, or with k or M, such as 64k"))
}

/// What a front end took where one was measured (`cargo run --release --bin fields` in
/// `tests/firmware/m4f` and `m0`, and the sections of its image): fields differ too much for an estimate
/// of every one.
const FRONT_END: &str = "not in these figures. One of 6 looked-up fields, a list of 20 ids and 4 numbers took \
                         2,500 instructions and 1,300 bytes of code on a Cortex-M4F, 8,300 and 2,300 on a Cortex-M0";

/// What a blob takes.
pub(super) struct Device<'a> {
    args: &'a DeviceArgs,
    cost: &'a Cost,
    /// Whether the blob takes records, whose look-ups no estimate has.
    records: bool,
    /// What the core is called in arguments and by people, and the estimate.
    core: Option<(&'static str, &'static str, Estimate)>,
    /// The packing of int8 weights that suits the core, and that of the blob, where it has any.
    packing: Option<(PackingKind, PackingKind)>,
}

impl<'a> Device<'a> {
    pub(super) fn new(args: &'a DeviceArgs, blob: &Blob<'_>, cost: &'a Cost) -> Result<Self> {
        let core = match args.core() {
            None => None,
            Some(wanted) => {
                let known = CORES
                    .iter()
                    .find(|(core, _)| core.eq_ignore_ascii_case(wanted));
                let (core, name) = known.with_context(|| format!("there is no core {wanted}"))?;
                let estimate = Measurements::built_in().estimate(core, &args.opt_level, blob, cost);
                let estimate = estimate
                    .with_context(|| format!("nothing like this model was measured on {core}"))?;
                Some((*core, *name, estimate))
            }
        };
        let packing = core.and_then(|(core, _, _)| {
            let suits = Measurements::built_in().packing(core)?;
            Some((suits, packing_of(blob)?))
        });
        Ok(Self {
            args,
            cost,
            records: !blob.features().is_empty(),
            core,
            packing,
        })
    }

    fn flash(&self) -> u64 {
        self.cost.blob as u64 + self.core.map_or(0, |(_, _, e)| e.code)
    }

    fn ram(&self) -> u64 {
        self.core
            .map_or(self.cost.ram() as u64, |(_, _, e)| e.stack)
    }

    /// Milliseconds of a row, from and to.
    fn time(&self) -> Option<(f64, f64)> {
        let ((_, _, e), mhz) = self.core.zip(self.args.mhz())?;
        let at = |cycles: f64| self.instructions(e) * cycles / (1000.0 * mhz);
        Some((at(CYCLES.0), at(CYCLES.1)))
    }

    /// Instructions of a row: of records from the vector on, since no features are scaled to make it.
    fn instructions(&self, e: Estimate) -> f64 {
        if self.records { e.predict_q } else { e.predict }
    }

    /// Lines for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str, value: String| {
            let _ = writeln!(text, "{what:<12} {value}");
        };
        if let Some((core, name, e)) = self.core {
            let within = (100.0 * e.error).ceil();
            line(
                "core",
                format!(
                    "{name}, opt-level {}, estimated from measured models",
                    self.args.opt_level
                ),
            );
            if let Some(runs) = self.args.chip.and_then(|chip| chip.runs) {
                line(
                    "",
                    format!("the chip's {runs} was not measured; it runs the same instructions"),
                );
            }
            match self.packing {
                Some((suits, is)) if suits != is => line(
                    "packing",
                    format!(
                        "{}; {} suits this core: convert again with --core {core}",
                        is.name(),
                        suits.name()
                    ),
                ),
                Some((suits, _)) => {
                    line(
                        "packing",
                        format!("{}, which suits this core", suits.name()),
                    );
                }
                None => {}
            }
            line(
                "instructions",
                if self.records {
                    let instructions = grouped(rounded(self.instructions(e)));
                    format!("{instructions} a row behind its front end, within {within:.0} %")
                } else {
                    format!(
                        "{} a row, within {within:.0} %; {} from activations",
                        grouped(rounded(e.predict)),
                        grouped(rounded(e.predict_q))
                    )
                },
            );
            if self.records {
                line("front end", FRONT_END.to_owned());
            }
            if let (Some((low, high)), Some(mhz)) = (self.time(), self.args.mhz()) {
                line(
                    "time",
                    format!(
                        "{low:.2} to {high:.2} ms at {mhz} MHz ({} to {} cycles an instruction, \
                         no wait states)",
                        CYCLES.0, CYCLES.1
                    ),
                );
            }
            line(
                "code",
                format!(
                    "{} bytes beside the blob: {} of flash in all",
                    grouped(e.code),
                    grouped(self.flash())
                ),
            );
            line(
                "stack",
                format!(
                    "{} bytes with the calls' own, no static RAM",
                    grouped(e.stack)
                ),
            );
        }
        if let Some(budget) = self.args.budget {
            for (what, used, of) in self.uses(budget) {
                line(
                    "budget",
                    format!(
                        "{what}: {} of {} bytes, {:.0} %",
                        grouped(used),
                        grouped(of),
                        100.0 * used as f64 / of.max(1) as f64
                    ),
                );
            }
        }
        text
    }

    fn uses(&self, budget: Budget) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let all = [
            ("flash", self.flash(), budget.flash),
            ("ram", self.ram(), budget.ram),
        ];
        all.into_iter()
            .filter_map(|(what, used, of)| Some((what, used, of?)))
    }

    /// The same for programs; nothing where nothing was asked.
    pub(super) fn json(&self) -> Option<Value> {
        let (core, name, e) = self.core?;
        let time = self
            .time()
            .map(|(low, high)| json!({"mhz": self.args.mhz(), "ms": [low, high]}));
        Some(json!({
            "core": core,
            "name": name,
            "opt_level": self.args.opt_level,
            "packing": self.packing.map(|(suits, _)| suits.name()),
            "instructions": rounded(self.instructions(e)),
            "instructions_from_activations": rounded(e.predict_q),
            "error": e.error,
            "front_end_counted": !self.records,
            "time": time,
            "code": e.code,
            "flash": self.flash(),
            "stack": e.stack,
        }))
    }

    /// Whether it fits.
    pub(super) fn check(&self) -> Result<(), CheckFailed> {
        let over = self
            .args
            .budget
            .into_iter()
            .flat_map(|b| self.uses(b))
            .filter(|(_, used, of)| used > of);
        let over: Vec<String> = over
            .map(|(what, used, of)| {
                format!(
                    "{what} takes {} bytes, {} more than the {} there are",
                    grouped(used),
                    grouped(used - of),
                    grouped(of)
                )
            })
            .collect();
        if over.is_empty() {
            Ok(())
        } else {
            Err(CheckFailed(format!("over budget: {}", over.join("; "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets() {
        assert_eq!(
            "flash=64k,ram=8k".parse(),
            Ok(Budget {
                flash: Some(65_536),
                ram: Some(8192)
            })
        );
        assert_eq!(
            "ram=1000".parse(),
            Ok(Budget {
                flash: None,
                ram: Some(1000)
            })
        );
        assert_eq!(
            "flash=1M".parse(),
            Ok(Budget {
                flash: Some(1 << 20),
                ram: None
            })
        );
        for (text, says) in [
            ("flash", "no `key=size`"),
            ("rom=5k", "there is no `rom`: a budget has flash and ram"),
            ("flash=5q", "`5q` is no size"),
            ("flash=-1", "no size"),
            ("ram=1,ram=2", "stands twice"),
            ("flash=99999999999999999999", "no size"),
            ("flash=99999999999999999M", "no size"),
            ("", "no `key=size`"),
        ] {
            let error = text.parse::<Budget>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
