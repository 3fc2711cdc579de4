//! The libraries for C: built, reduced to what C calls, checked, and put where CMake and pkg-config find
//! them.

use crate::board::require_target;
use crate::shell::{output, workspace};
use anyhow::{Context, Result, bail, ensure};
use mmoe_tools::codegen::{self, c};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::text::grouped;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A target of the libraries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Rust's name, and that of the folder.
    pub(crate) name: &'static str,
    /// The `-C target-cpu` that it is built with.
    cpu: Option<&'static str>,
    /// Bytes of code and constants that the whole library for any blob may have.
    limit: u64,
}

const fn target(name: &'static str, cpu: Option<&'static str>, limit: u64) -> Target {
    Target { name, cpu, limit }
}

/// All of them, and what they may take: a library that grew by more than a tenth is noticed.
pub(crate) const TARGETS: [Target; 10] = [
    target("thumbv6m-none-eabi", None, 84_000),
    target("thumbv7m-none-eabi", None, 84_000),
    target("thumbv7em-none-eabi", None, 84_000),
    target("thumbv7em-none-eabihf", Some("cortex-m4"), 80_000),
    target("thumbv8m.main-none-eabi", None, 84_000),
    target("thumbv8m.main-none-eabihf", Some("cortex-m33"), 80_000),
    target("riscv32imc-unknown-none-elf", None, 110_000),
    target("riscv32imac-unknown-none-elf", None, 110_000),
    target("aarch64-unknown-linux-gnu", None, 190_000),
    target("x86_64-unknown-linux-gnu", None, 280_000),
];

/// Where everything is put.
pub(crate) fn out() -> PathBuf {
    workspace("target/c-lib")
}

/// One library that is asked for.
struct Library<'a> {
    target: Target,
    level: &'a str,
    /// The folder of its package.
    package: &'a Path,
    /// The name of its package.
    crate_name: &'a str,
    /// Its features.
    features: &'a [&'a str],
    /// The functions that C calls.
    functions: Vec<String>,
    /// The archive to write.
    archive: PathBuf,
}

/// Builds the library for any blob, for one target or for all of them.
pub(crate) fn erased(name: Option<&str>, level: &str) -> Result<()> {
    let header = fs::read_to_string(workspace("tools/c/include/mmoe.h"))?;
    let include = out().join("include");
    fs::create_dir_all(&include)?;
    for file in ["mmoe.h", "mmoe.hpp"] {
        fs::copy(workspace("tools/c/include").join(file), include.join(file))
            .with_context(|| format!("copying {file}"))?;
    }
    let targets = chosen(name)?;
    for target in targets {
        let folder = out().join("lib").join(target.name);
        let library = Library {
            target,
            level,
            package: &workspace("tools/c"),
            crate_name: "mmoe-c",
            features: &["standalone"],
            functions: declared(&header),
            archive: folder.join("libmmoe.a"),
        };
        let size = library.build()?;
        ensure!(
            level != "s" || size <= target.limit,
            "{}: {size} bytes of code and constants, more than the {} that are allowed",
            target.name,
            target.limit
        );
        pkg_config(&folder, target)?;
        let bytes = fs::metadata(&library.archive)?.len();
        println!(
            "{} at {level}: {} bytes of code and constants in a file of {}",
            target.name,
            grouped(size),
            grouped(bytes)
        );
    }
    let cmake = out().join("cmake");
    fs::create_dir_all(&cmake)?;
    fs::copy(
        workspace("tools/c/cmake/mmoe-config.cmake"),
        cmake.join("mmoe-config.cmake"),
    )?;
    println!("in {}", out().canonicalize()?.display());
    Ok(())
}

/// Builds a library for one model.
pub(crate) fn typed(
    model: &Path,
    name: Option<&str>,
    level: &str,
    prefix: Option<&str>,
) -> Result<()> {
    let bytes = BlobBytes::read(model).with_context(|| model.display().to_string())?;
    let runner = Runner::load(&bytes).with_context(|| model.display().to_string())?;
    let blob = runner.model.blob();
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let prefix = match (prefix, blob.id().name) {
        (Some(prefix), _) => c::prefix(prefix),
        (None, "") => c::prefix(&stem),
        (None, name) => c::prefix(name),
    };
    // Built in a folder of its own, which cargo takes for a workspace.
    let folder = workspace("target/c-lib-typed").join(&prefix);
    let source = folder.join("src");
    fs::create_dir_all(&source)?;
    let engine = workspace(".").canonicalize()?;
    let manifest = format!(
        "[package]\nname = \"{0}-c\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\nname = \"typed_c\"\n\n[dependencies]\nmmoe = {{ path = {1:?} }}\n\
         mmoe-c = {{ path = {2:?}, features = [\"standalone\"] }}\n\n\
         [profile.c]\ninherits = \"release\"\nlto = true\ncodegen-units = 1\npanic = \"abort\"\n\n\
         [workspace]\n",
        prefix.replace('_', "-"),
        engine,
        engine.join("tools/c")
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(workspace("Cargo.lock"), folder.join("Cargo.lock"))?;
    let (module, _) = codegen::source(&runner, &codegen::Source::Given)?;
    fs::write(source.join("model.rs"), module)?;
    fs::write(source.join("lib.rs"), c::typed_crate(blob, &prefix))?;
    let include = out().join("include");
    fs::create_dir_all(&include)?;
    fs::copy(workspace("tools/c/include/mmoe.h"), include.join("mmoe.h"))?;
    let header = include.join(format!("{prefix}.h"));
    let own = bytes.get(..blob.total_len() as usize).unwrap_or(&bytes);
    let text = c::header(blob, own, &prefix, c::Array::Header, c::Flavour::Typed)?;
    fs::write(&header, text)?;
    for target in chosen(name)? {
        let library = Library {
            target,
            level,
            package: &folder,
            crate_name: &format!("{}-c", prefix.replace('_', "-")),
            features: &[],
            functions: c::typed_functions(&prefix),
            archive: out()
                .join("lib")
                .join(target.name)
                .join(format!("lib{prefix}.a")),
        };
        let size = library.build()?;
        println!(
            "{} at {level}: lib{prefix}.a, {} bytes of code and constants; its header is {}",
            target.name,
            grouped(size),
            header.canonicalize()?.display()
        );
    }
    Ok(())
}

fn chosen(name: Option<&str>) -> Result<Vec<Target>> {
    let targets: Vec<Target> = TARGETS
        .iter()
        .filter(|t| name.is_none_or(|n| n == t.name))
        .copied()
        .collect();
    if targets.is_empty() {
        let known: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
        bail!("there is no such target; there are {}", known.join(", "));
    }
    Ok(targets)
}

/// The functions that the header declares.
fn declared(header: &str) -> Vec<String> {
    let words = header
        .lines()
        .filter(|l| !l.starts_with([' ', '/']) && !l.starts_with("static"));
    let mut found: Vec<String> = words
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("mmoe_"))
        .map(str::to_owned)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

impl Library<'_> {
    /// Builds the library and writes its archive. Returns its bytes of code and constants.
    fn build(&self) -> Result<u64> {
        require_target(self.target.name)?;
        let built = self.compile()?;
        let folder = self
            .archive
            .parent()
            .context("an archive without a folder")?;
        fs::create_dir_all(folder)?;
        let object = folder.join(format!("{}.o", self.crate_name));
        self.reduce(&built, &object)?;
        let bytes = fs::read(&object)?;
        let file = object::File::parse(&*bytes)?;
        self.check(&file)?;
        if self.archive.exists() {
            fs::remove_file(&self.archive)?;
        }
        output(
            &workspace("."),
            Command::new("ar")
                .arg("rcsD")
                .arg(&self.archive)
                .arg(&object),
            "ar",
        )?;
        fs::remove_file(&object)?;
        let kept = file.sections().filter(|s| {
            matches!(
                s.kind(),
                SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString
            )
        });
        Ok(kept.map(|s| s.size()).sum())
    }

    /// Compiles all Rust of the library to one object, in an archive.
    fn compile(&self) -> Result<PathBuf> {
        let mut cargo = Command::new("cargo");
        cargo.args(["rustc", "--quiet", "--lib", "--profile", "c"]);
        cargo.args(["--crate-type", "staticlib", "--target", self.target.name]);
        cargo.args([
            "--config",
            &format!("profile.c.opt-level={}", level(self.level)?),
        ]);
        if !self.features.is_empty() {
            cargo.arg("--features").arg(self.features.join(","));
        }
        let at = workspace("target/c-build");
        cargo.arg("--target-dir").arg(&at);
        let cpu = self.target.cpu.map(|cpu| format!("-Ctarget-cpu={cpu}"));
        cargo.env("CARGO_ENCODED_RUSTFLAGS", cpu.unwrap_or_default());
        output(self.package, &mut cargo, "cargo rustc")?;
        let file = match self.crate_name {
            "mmoe-c" => "libmmoe_c.a",
            _ => "libtyped_c.a",
        };
        Ok(at.join(self.target.name).join("c").join(file))
    }

    /// Takes the engine's object out of the archive, drops what none of the functions needs, and makes every
    /// other name local, so that two such libraries fit into one program. Rust's own library of arithmetic
    /// stays outside: every C compiler brings one (libgcc).
    fn reduce(&self, archive: &Path, object: &Path) -> Result<()> {
        let here = workspace(".");
        let listed = output(&here, Command::new("ar").arg("t").arg(archive), "ar")?;
        let own: Vec<&str> = listed
            .lines()
            .filter(|l| !l.starts_with("compiler_builtins-"))
            .collect();
        let folder = object.with_extension("objects");
        fs::create_dir_all(&folder)?;
        let archive = archive.canonicalize()?;
        output(
            &folder,
            Command::new("ar").arg("x").arg(&archive).args(&own),
            "ar",
        )?;
        let tools = rust_tools()?;
        let whole = folder.join("whole.o");
        let mut lld = Command::new(tools.join("rust-lld"));
        lld.args(["-flavor", "gnu", "-r", "--gc-sections", "--strip-debug"]);
        for function in &self.functions {
            lld.args(["--undefined", function]);
        }
        lld.arg("-o").arg(&whole).args(&own);
        output(&folder, &mut lld, "rust-lld")?;
        let mut copy = Command::new(tools.join("rust-objcopy"));
        // Its own libraries lie where rustc has them.
        copy.env("LD_LIBRARY_PATH", sysroot()?.join("lib"));
        copy.args(["--strip-unneeded", "--remove-section=.comment"]);
        for function in &self.functions {
            copy.arg(format!("--keep-global-symbol={function}"));
        }
        output(&here, copy.arg(&whole).arg(object), "rust-objcopy")?;
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())
    }

    /// Fails where the library holds a panic, has memory of its own, lacks a function, or shows or needs a name
    /// that a C program would not expect.
    fn check(&self, file: &object::File<'_>) -> Result<()> {
        let name = self.target.name;
        let device = !name.contains("linux");
        let mut shown = Vec::new();
        for symbol in file.symbols() {
            let text = symbol.name().unwrap_or_default();
            if symbol.is_undefined() {
                // A host is asked what its processor has.
                let system = !device && text == "getauxval";
                let arithmetic = ARITHMETIC.iter().any(|start| text.starts_with(start));
                let known = text.is_empty() || system || arithmetic;
                ensure!(
                    known,
                    "{name}: the library needs `{text}`, which no C program has"
                );
            } else if symbol.is_global() {
                shown.push(text.to_owned());
            }
            // Kernels of hosts are not proven to be free of panics as those of devices are.
            let panics = text.contains("9panicking") || text.contains("a_panic_can_be_reached");
            ensure!(
                !(device && panics),
                "{name}: a panic can be reached ({text})"
            );
        }
        shown.sort_unstable();
        let mut wanted = self.functions.clone();
        wanted.sort_unstable();
        ensure!(
            shown == wanted,
            "{name}: it shows {shown:?}, and should {wanted:?}"
        );
        for section in file.sections() {
            let data = matches!(
                section.kind(),
                SectionKind::Data | SectionKind::UninitializedData
            );
            ensure!(
                !(device && data && section.size() > 0),
                "{name}: it has {} bytes of memory of its own in {}",
                section.size(),
                section.name()?
            );
        }
        Ok(())
    }
}

/// What C compilers and C libraries bring: names of libgcc's arithmetic begin with two underscores.
const ARITHMETIC: [&str; 6] = ["__", "memcpy", "memset", "memmove", "memcmp", "bcmp"];

fn level(level: &str) -> Result<String> {
    match level {
        "2" | "3" => Ok(level.to_owned()),
        "s" | "z" => Ok(format!("\"{level}\"")),
        _ => bail!("there is no level `{level}`; there are 2, 3, s and z"),
    }
}

fn sysroot() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let text = output(&workspace("."), rustc.args(["--print", "sysroot"]), "rustc")?;
    Ok(PathBuf::from(text.trim()))
}

/// Where rustc has its linker and its copy of objcopy.
fn rust_tools() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let text = output(&workspace("."), rustc.arg("-vV"), "rustc")?;
    let host = text.lines().find_map(|l| l.strip_prefix("host: "));
    let host = host.context("rustc names no host")?;
    let tools = sysroot()?.join("lib/rustlib").join(host).join("bin");
    ensure!(
        tools.join("rust-objcopy").is_file(),
        "{}: no rust-objcopy; it comes with the toolchains of rustup since Rust 1.85",
        tools.display()
    );
    Ok(tools)
}

/// What `pkg-config` reads. Its folder says for which target it is.
fn pkg_config(folder: &Path, target: Target) -> Result<()> {
    let place = folder.join("pkgconfig");
    fs::create_dir_all(&place)?;
    let text = format!(
        "prefix=${{pcfiledir}}/../../..\n\nName: mmoe\nDescription: Multi-task mixture-of-experts models, {}\n\
         Version: {}\nCflags: -I${{prefix}}/include\nLibs: -L${{prefix}}/lib/{} -lmmoe\n",
        target.name,
        env!("CARGO_PKG_VERSION"),
        target.name
    );
    fs::write(place.join("mmoe.pc"), text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::declared;

    #[test]
    fn functions_are_those_that_the_header_declares() {
        let header = "// mmoe_not(this)\nstatic inline mmoe_value mmoe_nor(void) {\n\
                      mmoe_status mmoe_open(struct mmoe_model *model);\nconst char *mmoe_error_name(mmoe_status x);\n";
        assert_eq!(declared(header), ["mmoe_error_name", "mmoe_open"]);
    }
}
