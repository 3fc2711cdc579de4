//! Bare images: proof that no panic can be reached, and the size of loader and engine.

use crate::board::{Board, chosen};
use crate::shell::{output, workspace};
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};
use std::fs;
use std::process::{Command, Stdio};

/// The optimization levels, by cargo's profile.
pub(crate) const PROFILES: [(&str, &str); 2] = [("release", "3"), ("size", "s")];
/// What the no-panic check builds: both families of kernels, every kind of output.
const PROVEN: [&str; 8] = [
    "edge_f32",
    "edge_w8",
    "edge_i8",
    "edge_i8_quad",
    "edge_i8_pairs",
    "census_i8",
    "census_codes_f32",
    "census_codes_i8",
];
/// What it builds beside them, which is no plain model: ranking, everything that the erased view does,
/// front ends, and the store that updates models.
const PROVEN_TOO: [&str; 10] = [
    "ranking",
    "erased",
    "everything_f32",
    "everything_w8",
    "everything_i8",
    "everything_i16",
    "clicks_f32",
    "clicks_w8",
    "clicks_i8",
    "store",
];
/// What the size table builds.
pub(crate) const SIZED: [&str; 8] = [
    "census_f32",
    "census_w8",
    "census_i8",
    "edge_f32",
    "edge_w8",
    "edge_i8",
    "edge_i8_quad",
    "edge_i8_pairs",
];

/// The boards' targets and cores, each once, with the flags that its board builds with.
fn targets(board: Option<&str>) -> Result<Vec<Board>> {
    let mut boards = chosen(board)?;
    boards.dedup_by_key(|b| (b.target, b.cpu));
    Ok(boards)
}

/// Links an image; gives its bytes, or `None` where it does not link.
fn link(
    board: &Board,
    profile: &str,
    bin: &str,
    entry: &str,
    features: &[&str],
) -> Result<Option<Vec<u8>>> {
    let folder = workspace("tests/firmware/bare");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&folder)
        .args([
            "rustc",
            "--quiet",
            "--locked",
            "--profile",
            profile,
            "--target",
            board.target,
            "--bin",
            bin,
        ])
        .args(features);
    cargo.args(["--", "-C", &format!("link-arg=--entry={entry}")]);
    // For the build scripts too, which choose kernels by them.
    let cpu = board.cpu.map(|cpu| format!("-Ctarget-cpu={cpu}"));
    let features = board.features.map(|f| format!("-Ctarget-feature={f}"));
    let flags: Vec<String> = cpu.into_iter().chain(features).collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let done = cargo
        .stdin(Stdio::null())
        .output()
        .context("starting cargo")?;
    if done.status.success() {
        let path = workspace("tests/firmware/target")
            .join(board.target)
            .join(profile)
            .join(bin);
        return Ok(Some(
            fs::read(&path).with_context(|| format!("reading {}", path.display()))?,
        ));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    // The linker names the symbol; anything else is another mistake.
    if said.contains("a_panic_can_be_reached") {
        Ok(None)
    } else {
        bail!("{bin} for {}: {said}", board.target)
    }
}

/// Links an image for every core and level. An image from which a panic can be reached does not
/// link; none may hold code that its model does not use.
pub(crate) fn no_panic(board: Option<&str>) -> Result<()> {
    for board in targets(board)? {
        crate::board::require_target(board.target)?;
        for (profile, level) in PROFILES {
            if link(
                &board,
                profile,
                "control",
                "load_and_predict",
                &["--features", "control"],
            )?
            .is_some()
            {
                bail!(
                    "the control image panics, and yet it links for {}: the check is blind",
                    board.target
                );
            }
            for bin in PROVEN.into_iter().chain(PROVEN_TOO) {
                let Some(image) = link(&board, profile, bin, "load_and_predict", &[])? else {
                    bail!(
                        "{bin} for {} at opt-level {level} reaches a panic",
                        board.target
                    );
                };
                if PROVEN.contains(&bin) {
                    only_what_it_uses(&board, profile, bin)?;
                }
                println!(
                    "{} opt-level {level}: {bin}: no panic can be reached, {} bytes",
                    board.target,
                    flash(&image)?
                );
            }
        }
    }
    Ok(())
}

/// Flash of checking and loading, and of inference, for one image.
pub(crate) fn sizes(board: &Board, profile: &str, bin: &str) -> Result<(u64, u64)> {
    let linked = |entry| {
        link(board, profile, bin, entry, &[])?
            .with_context(|| format!("{bin} for {} reaches a panic", board.target))
    };
    let (load, both) = (
        flash(&linked("only_load")?)?,
        flash(&linked("load_and_predict")?)?,
    );
    Ok((load, both - load))
}

/// Prints every symbol of an image, largest first, and both parts' sizes.
pub(crate) fn size(board: &str, bin: &str) -> Result<()> {
    for board in targets(Some(board))? {
        for (profile, level) in PROFILES {
            let (load, infer) = sizes(&board, profile, bin)?;
            println!(
                "{} opt-level {level}: {bin}: loading {load} bytes, inference {infer} bytes more",
                board.target
            );
            let image = fs::read(
                workspace("tests/firmware/target")
                    .join(board.target)
                    .join(profile)
                    .join(bin),
            )?;
            let file = object::File::parse(&*image)?;
            let mut symbols: Vec<(u64, String)> = file
                .symbols()
                .filter(|s| matches!(s.kind(), SymbolKind::Text | SymbolKind::Data) && s.size() > 0)
                .map(|s| {
                    (
                        s.size(),
                        format!("{:#}", rustc_demangle::demangle(s.name().unwrap_or("?"))),
                    )
                })
                .collect();
            symbols.sort_by(|a, b| b.cmp(a));
            for (size, name) in symbols {
                println!("{size:6}  {name}");
            }
        }
    }
    Ok(())
}

/// Kernels and wirings that a plain MMoE of dense layers with relu and softmax gates has no use
/// for.
const UNUSED: [&str; 12] = [
    "top_k",
    "hard",
    "d_select",
    "layer_norm",
    "affine",
    "prelu",
    "leaky",
    "tanh",
    "sigmoid_gate",
    "CgcLevel",
    "ExtractionLevel",
    "dynamic",
];

/// Fails where an image holds code that its model does not use.
pub(crate) fn only_what_it_uses(board: &Board, profile: &str, bin: &str) -> Result<()> {
    let image = fs::read(
        workspace("tests/firmware/target")
            .join(board.target)
            .join(profile)
            .join(bin),
    )?;
    let file = object::File::parse(&*image)?;
    for symbol in file.symbols().filter(|s| s.kind() == SymbolKind::Text) {
        let name = format!(
            "{:#}",
            rustc_demangle::demangle(symbol.name().unwrap_or_default())
        );
        if let Some(unused) = UNUSED.iter().find(|u| name.contains(**u)) {
            bail!(
                "{bin} for {}: a plain MMoE has no use for `{name}` ({unused})",
                board.target
            );
        }
    }
    Ok(())
}

/// Bytes of all sections that lie in memory. Fails where there are writable ones: the engine has no
/// static RAM.
fn flash(image: &[u8]) -> Result<u64> {
    let file = object::File::parse(image)?;
    let mut sum = 0;
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            continue;
        };
        if sh_flags & object::elf::SHF_ALLOC == object::elf::SectionFlags(0) || section.size() == 0
        {
            continue;
        }
        if sh_flags & object::elf::SHF_WRITE != object::elf::SectionFlags(0) {
            bail!(
                "the image has {} bytes of static RAM in {}",
                section.size(),
                section.name()?
            );
        }
        sum += section.size();
    }
    Ok(sum)
}

/// The compiler that built all of it, for documents.
pub(crate) fn compiler() -> Result<String> {
    Ok(output(
        &workspace("."),
        Command::new("rustc").arg("--version"),
        "rustc",
    )?
    .trim()
    .to_owned())
}
