//! The minimal firmware example: it prints what the host computes; what each profile makes of it.

use crate::board::{BOARDS, Board};
use crate::shell::{mmoe, output, workspace};
use anyhow::{Context, Result, ensure};
use mmoe_tools::text::grouped;
use object::{Object, ObjectSection, SectionFlags, SectionKind};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const FOLDER: &str = "examples/firmware/minimal";
const BLOB: &str = "examples/firmware/minimal/src/edge.mmoe";
/// The document that has the table, between lines that no table has.
const DOCUMENT: &str = "examples/README.md";
const HEADING: &str = "| profile |";

fn board() -> Result<Board> {
    let board = BOARDS.iter().find(|b| b.name == "m4f");
    let board = *board.context("no board m4f")?;
    board.require()?;
    Ok(board)
}

/// Runs the example as its reader would, and compares the outputs with the tool's.
pub(crate) fn run() -> Result<()> {
    board()?;
    let printed = output(
        &workspace(FOLDER),
        Command::new("cargo").args(["run", "--release", "--quiet", "--locked"]),
        "the minimal example",
    )?;
    let here = host()?;
    let last = printed.lines().last().unwrap_or_default();
    ensure!(
        last == here,
        "the minimal example prints\n{printed}and the host's last line would be\n{here}"
    );
    print!("{printed}");
    println!("as `mmoe run` on this host, to the last digit");
    Ok(())
}

/// The line that the example ends with, made of what `mmoe run` prints for the same features.
fn host() -> Result<String> {
    let row: Vec<String> = (0..64).map(|i| (f64::from(i) / 64.0).to_string()).collect();
    let features = workspace("target").join("minimal.csv");
    fs::write(&features, row.join(","))
        .with_context(|| format!("writing {}", features.display()))?;
    let features = features.to_str().context("a path that is text")?;
    let text = mmoe(&["run", BLOB, "--output", "-", "--input", features])?;
    let mut lines = text.lines();
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        anyhow::bail!("`mmoe run` printed\n{text}")
    };
    let outputs = names.split(',').zip(values.split(','));
    let outputs: Vec<String> = outputs
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    Ok(outputs.join(", "))
}

/// A way to build, as the document calls it.
struct Profile {
    title: &'static str,
    name: &'static str,
    settings: &'static [&'static str],
}

const PROFILES: [Profile; 7] = [
    Profile {
        title: "release, `opt-level = 3`, `lto = true` (the example's)",
        name: "release",
        settings: &[],
    },
    Profile {
        title: "release, `opt-level = \"s\"`, `lto = true`",
        name: "release",
        settings: &["opt-level=\"s\""],
    },
    Profile {
        title: "release, `opt-level = \"z\"`, `lto = true`",
        name: "release",
        settings: &["opt-level=\"z\""],
    },
    Profile {
        title: "release as cargo has it: no `lto`, 16 codegen units",
        name: "release",
        settings: &["lto=false", "codegen-units=16"],
    },
    Profile {
        title: "dev, `[profile.dev.package.mmoe] opt-level = 3` (the example's)",
        name: "dev",
        settings: &["package.mmoe.opt-level=3"],
    },
    Profile {
        title: "dev, `[profile.dev.package.\"*\"] opt-level = 3`",
        name: "dev",
        settings: &["package.\"*\".opt-level=3"],
    },
    Profile {
        title: "dev as cargo has it",
        name: "dev",
        settings: &["package.mmoe.opt-level=0"],
    },
];

impl Profile {
    /// `cargo` with this profile, for both images.
    fn cargo(&self, action: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .args(action)
            .args(["--quiet", "--locked", "--profile", self.name]);
        for setting in self.settings {
            cargo
                .arg("--config")
                .arg(format!("profile.{}.{setting}", self.name));
        }
        cargo
    }

    /// Bytes of flash of the example without its blob.
    fn size(&self, board: &Board, blob: u64) -> Result<u64> {
        output(
            &workspace(FOLDER),
            &mut self.cargo(&["build"]),
            "the minimal example",
        )?;
        let folder = if self.name == "dev" {
            "debug"
        } else {
            self.name
        };
        let image = workspace(FOLDER)
            .join("target")
            .join(board.target)
            .join(folder)
            .join("minimal");
        let image = fs::read(&image).with_context(|| format!("reading {}", image.display()))?;
        let file = object::File::parse(&*image)?;
        let mut sum = 0;
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let allocated = sh_flags & object::elf::SHF_ALLOC != object::elf::SectionFlags(0);
            if allocated && section.kind() != SectionKind::UninitializedData {
                sum += section.size();
            }
        }
        sum.checked_sub(blob).context("an image without its blob")
    }

    /// Instructions of `load` and of `predict`.
    fn instructions(&self, board: &Board) -> Result<(u64, u64)> {
        let text = output(
            &board.folder(),
            &mut self.cargo(&["run", "--bin", "m4f-profile"]),
            "the image that counts",
        )?;
        let number = |key: &str| {
            text.split_whitespace()
                .find_map(|word| word.strip_prefix(key)?.parse().ok())
                .with_context(|| format!("no {key} in\n{text}"))
        };
        Ok((number("load=")?, number("predict=")?))
    }
}

/// Writes the table of profiles into the examples' README.
pub(crate) fn profiles() -> Result<()> {
    let board = board()?;
    let blob = fs::metadata(workspace(BLOB))
        .with_context(|| format!("reading {BLOB}"))?
        .len();
    let mut table = format!(
        "{HEADING} flash beside the blob, bytes | instructions of `load` | of `predict` |\n\
         |---|---|---|---|\n"
    );
    for profile in &PROFILES {
        eprintln!("{}", profile.title);
        let size = grouped(profile.size(&board, blob)?);
        let (load, predict) = profile.instructions(&board)?;
        writeln!(
            table,
            "| {} | {size} | {} | {} |",
            profile.title,
            grouped(load),
            grouped(predict)
        )?;
    }
    let path = workspace(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let (before, rest) = text
        .split_once(HEADING)
        .with_context(|| format!("{DOCUMENT} has no table that begins with `{HEADING}`"))?;
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    fs::write(&path, format!("{before}{table}\n{after}"))
        .with_context(|| format!("writing {}", path.display()))
}
