//! The C interface, tried from C: on this host under sanitizers, on AArch64, and on two cores in emulation,
//! against what the engine gives here; the examples as their page has them; and what the libraries take.

use crate::c_lib;
use crate::shell::{output, workspace};
use anyhow::{Context, Result, bail, ensure};
use firmware_models::{Rng, fill};
use mmoe::{Dynamic, Value};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::text::grouped;
use object::{Object, ObjectSection, SectionFlags};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BLOBS: &str = "tests/firmware/models/blobs";
const EDGE: &str = "examples/firmware/minimal/src/edge.mmoe";
pub(crate) const SHOP: &str = "examples/firmware/records/src/shop.mmoe";
/// Rows of each digest; an M0 in emulation computes floats in software.
pub(crate) const ROWS: usize = 25;
/// How C is compiled here: every complaint is an error, and so is what a sanitizer finds.
const STRICT: [&str; 8] = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-g",
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
];

/// A core in emulation: its library, its compiler's flags, and its memory.
struct Core {
    name: &'static str,
    target: &'static str,
    flags: &'static [&'static str],
    machine: &'static str,
}

const CORES: [Core; 2] = [
    Core {
        name: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        flags: &["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
        machine: "mps2-an386",
    },
    Core {
        name: "Cortex-M0",
        target: "thumbv6m-none-eabi",
        flags: &["-mcpu=cortex-m0", "-mfloat-abi=soft"],
        machine: "mps2-an385",
    },
];
const HOST: &str = "x86_64-unknown-linux-gnu";
const ARM64: &str = "aarch64-unknown-linux-gnu";

/// Runs everything.
pub(crate) fn run() -> Result<()> {
    for (program, package) in [
        (
            "arm-none-eabi-gcc",
            "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        ),
        (
            "aarch64-linux-gnu-gcc",
            "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        ),
        ("qemu-aarch64", "qemu-user"),
        ("qemu-system-arm", "qemu-system-arm"),
        ("cmake", "cmake"),
        ("g++", "g++"),
    ] {
        let found = Command::new(program).arg("--version").output();
        ensure!(
            found.is_ok(),
            "`{program}` is not installed. On Debian and Ubuntu: apt-get install \
             --no-install-recommends {package}"
        );
    }
    for target in [HOST, ARM64, CORES[0].target, CORES[1].target] {
        c_lib::erased(Some(target), "s")?;
    }
    let at = workspace("target/c-tests");
    fs::create_dir_all(&at)?;
    let at = at.canonicalize()?;
    let tool = tool()?;
    for (blob, header) in [(EDGE, "edge.h"), (SHOP, "shop.h")] {
        let mut codegen = Command::new(&tool);
        codegen
            .arg("codegen")
            .arg(workspace(blob))
            .arg("--c")
            .arg(at.join(header));
        output(&at, &mut codegen, "mmoe codegen --c")?;
    }
    let blobs = blobs()?;
    let expected = digests(&blobs)?;
    on_host(&at, &blobs, &expected)?;
    on_arm64(&at, &blobs, &expected)?;
    for core in &CORES {
        in_emulation(core, &at, &blobs, &expected)?;
    }
    examples(&at, &tool)?;
    sizes(&at)
}

/// The tool, for its `codegen`.
fn tool() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "mmoe-tools",
        "--bin",
        "mmoe",
    ]);
    output(&workspace("."), &mut cargo, "cargo build")?;
    Ok(workspace("target/debug/mmoe").canonicalize()?)
}

/// The blobs of the test firmware: every precision, every packing.
pub(crate) fn blobs() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(workspace(BLOBS))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "mmoe") {
            found.push(path.canonicalize()?);
        }
    }
    found.sort();
    ensure!(found.len() > 10, "{BLOBS} holds {} blobs", found.len());
    Ok(found)
}

/// What C must print: the engine's own digests.
pub(crate) fn digests(blobs: &[PathBuf]) -> Result<String> {
    let mut lines = String::new();
    for path in blobs {
        let bytes = BlobBytes::read(path)?;
        let model = Dynamic::load(&bytes)?;
        let (mut x, mut y) = (vec![0.0; model.inputs()], vec![0.0; model.outputs()]);
        let mut scratch = vec![0; model.scratch_words()];
        let (mut rng, mut sum) = (Rng::new(2018), 0xcbf2_9ce4_8422_2325_u64);
        let mut digest = |numbers: &[f32]| {
            for byte in numbers.iter().flat_map(|n| n.to_bits().to_le_bytes()) {
                sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for _ in 0..ROWS {
            fill(&mut rng, &mut x);
            model.predict(&x, &mut scratch, &mut y)?;
            digest(&y);
            for gate in 0..model.gates().count() {
                let mut weights = [0.0; 128];
                let written = model.gate_weights(&scratch, gate, &mut weights);
                digest(&weights[..written]);
            }
        }
        lines += &format!("{sum:016x}\n");
    }
    Ok(lines)
}

fn source(name: &str) -> PathBuf {
    workspace("tools/c/tests/c").join(name)
}

/// A compiler with the library of a target.
fn compile(
    compiler: &str,
    flags: &[&str],
    sources: &[PathBuf],
    target: &str,
    to: &Path,
) -> Result<()> {
    let mut cc = Command::new(compiler);
    cc.args(flags).arg("-I").arg(c_lib::out().join("include"));
    cc.args(sources);
    cc.arg(c_lib::out().join("lib").join(target).join("libmmoe.a"));
    let at = to.parent().context("a program without a folder")?;
    cc.arg("-I").arg(at).arg("-o").arg(to);
    if target == HOST || target == ARM64 {
        cc.arg("-lm");
    }
    output(at, &mut cc, compiler).map(|_| ())
}

fn on_host(at: &Path, blobs: &[PathBuf], expected: &str) -> Result<()> {
    let c99 = [&["-std=c99"], &STRICT[..]].concat();
    let check = at.join("check");
    compile("cc", &c99, &[source("check.c")], HOST, &check)?;
    verify(
        at,
        Command::new(&check)
            .args(["digests", &ROWS.to_string()])
            .args(blobs),
        expected,
        "C on this host",
    )?;
    let small = workspace(BLOBS).join("small.i8.mmoe");
    let mut faults = Command::new(&check);
    faults.arg("faults").arg(workspace(EDGE)).arg(&small);
    verify(at, &mut faults, "faults ok\n", "mistakes in C on this host")?;
    let records = at.join("records");
    compile("cc", &c99, &[source("records.c")], HOST, &records)?;
    verify(
        at,
        &mut Command::new(&records),
        &shop_lines()?,
        "records in C on this host",
    )?;
    let cpp = [&["-std=c++11"], &STRICT[..]].concat();
    let wrapper = at.join("wrapper");
    compile("g++", &cpp, &[source("wrapper.cpp")], HOST, &wrapper)?;
    verify(
        at,
        &mut Command::new(&wrapper),
        &edge_line()?,
        "the C++ wrapper on this host",
    )?;
    println!(
        "this host: {} blobs, mistakes, records and C++ under sanitizers: as the engine",
        blobs.len()
    );
    Ok(())
}

fn on_arm64(at: &Path, blobs: &[PathBuf], expected: &str) -> Result<()> {
    let check = at.join("check-arm64");
    let flags = ["-std=c99", "-O1", "-static"];
    compile(
        "aarch64-linux-gnu-gcc",
        &flags,
        &[source("check.c")],
        ARM64,
        &check,
    )?;
    let mut qemu = Command::new("qemu-aarch64");
    qemu.arg(&check)
        .args(["digests", &ROWS.to_string()])
        .args(blobs);
    verify(at, &mut qemu, expected, "C on AArch64")?;
    println!("AArch64: {} blobs: as the engine", blobs.len());
    Ok(())
}

fn in_emulation(core: &Core, at: &Path, blobs: &[PathBuf], expected: &str) -> Result<()> {
    let example = workspace("examples/c").canonicalize()?;
    let script = format!("-T{}", example.join("flash.ld").display());
    let flags = [
        core.flags,
        &[
            "-std=c11",
            "-mthumb",
            "-Os",
            "-ffunction-sections",
            "--specs=rdimon.specs",
            &script,
            "-Wl,--defsym=FLASH_SIZE=4M,--defsym=RAM_SIZE=4M",
            "-Wl,--gc-sections",
            "-Wl,--no-warn-execstack",
            "-u",
            "_printf_float",
        ],
    ]
    .concat();
    let start = example.join("start.c");
    for program in ["check", "records"] {
        let image = at.join(format!("{program}-{}", core.target));
        let sources = [source(&format!("{program}.c")), start.clone()];
        compile("arm-none-eabi-gcc", &flags, &sources, core.target, &image)?;
        let qemu = |arguments: &[&str]| {
            let mut config = "enable=on,target=native".to_owned();
            for argument in arguments {
                config += &format!(",arg={argument}");
            }
            let mut qemu = Command::new("qemu-system-arm");
            qemu.args([
                "-machine",
                core.machine,
                "-nographic",
                "-semihosting-config",
                &config,
            ]);
            qemu.arg("-kernel").arg(&image);
            qemu
        };
        if program == "records" {
            let what = format!("records in C on {}", core.name);
            verify(at, &mut qemu(&["records"]), &shop_lines()?, &what)?;
            continue;
        }
        // Semihosting keeps a command line short.
        for (path, line) in blobs.iter().zip(expected.lines()) {
            let path = path.to_str().context("a path that is no text")?;
            let what = format!("{path} in C on {}", core.name);
            let rows = ROWS.to_string();
            verify(
                at,
                &mut qemu(&["check", "digests", &rows, path]),
                &format!("{line}\n"),
                &what,
            )?;
        }
        let (edge, small) = (
            workspace(EDGE).canonicalize()?,
            workspace(BLOBS).join("small.i8.mmoe"),
        );
        let (edge, small) = (
            edge.display().to_string(),
            small.canonicalize()?.display().to_string(),
        );
        let what = format!("mistakes in C on {}", core.name);
        verify(
            at,
            &mut qemu(&["check", "faults", &edge, &small]),
            "faults ok\n",
            &what,
        )?;
    }
    println!(
        "{}: {} blobs, mistakes and records: as the engine",
        core.name,
        blobs.len()
    );
    Ok(())
}

/// Runs a program and compares what it prints.
fn verify(at: &Path, command: &mut Command, expected: &str, what: &str) -> Result<()> {
    let printed = output(at, command, what)?;
    ensure!(
        printed == expected,
        "{what} printed\n{printed}and should print\n{expected}"
    );
    Ok(())
}

/// The line that the example prints: features 0, 1/64, 2/64 and so on.
fn edge_line() -> Result<String> {
    let bytes = BlobBytes::read(&workspace(EDGE))?;
    let model = Dynamic::load(&bytes)?;
    let x: [f32; 64] = std::array::from_fn(|i| i as f32 / 64.0);
    let mut y = [0.0; 3];
    model.predict(&x, &mut vec![0; model.scratch_words()], &mut y)?;
    let names = ["y0", "y1", "y2"];
    let shown: Vec<String> = names
        .iter()
        .zip(y)
        .map(|(n, y)| format!("{n} {}", nine_digits(y)))
        .collect();
    Ok(shown.join(", ") + "\n")
}

/// A number as C's `%.9g` prints it, for numbers between 0.0001 and 1: nine digits from the first that is no
/// zero on, and no zeros at the end.
fn nine_digits(y: f32) -> String {
    let mut decimals = 9;
    while decimals < 13 && f64::from(y).abs() * 10f64.powi(decimals - 9) < 0.1 {
        decimals += 1;
    }
    let text = format!("{:.*}", decimals as usize, f64::from(y));
    text.trim_end_matches('0').to_owned()
}

/// What `records.c` prints: a line per record, with its outputs' bits.
pub(crate) fn shop_lines() -> Result<String> {
    let bytes = BlobBytes::read(&workspace(SHOP))?;
    let model = Dynamic::load(&bytes)?;
    // In the order of the model's fields.
    let mut record = [
        Value::Number(38.5),
        Value::Text(b"de"),
        Value::Number(2.25),
        Value::Id(12345),
        Value::Text(b"spring"),
        Value::Text(b"u-17"),
        Value::Ids(&[4, 1, 7]),
        Value::Id(5),
        Value::Texts(&[b"sport"]),
        Value::Number(0.5),
        Value::Number(-0.5),
        Value::Number(3.0),
        Value::Number(19.99),
        Value::Missing,
        Value::Text(b"phone"),
        Value::Id(1),
        Value::Text(b"news"),
        Value::Id(13),
        Value::Texts(&[b"new", b""]),
    ];
    let mut scratch = vec![0; model.scratch_words()];
    let mut lines = String::new();
    let mut y = [0.0; 2];
    for missing in [&[][..], &[1, 6]] {
        for at in missing {
            record[*at] = Value::Missing;
        }
        model.predict_record(&record, &mut scratch, &mut y)?;
        lines += &format!(
            "MMOE_OK: all is well {:08x} {:08x}\n",
            y[0].to_bits(),
            y[1].to_bits()
        );
    }
    record[0] = Value::Id(38);
    let refused = model.predict_record(&record, &mut scratch, &mut y);
    ensure!(refused.is_err(), "a number that is given as an id is taken");
    lines += "MMOE_E_VALUE: a field is of another kind than the model takes, or may not be missing 00000000 00000000\n";
    lines += "MMOE_E_KIND: a value's kind is none of MMOE_KIND_... 00000000 00000000\n";
    Ok(lines)
}

/// The CMake project, for both boards and both kinds of library.
fn examples(at: &Path, tool: &Path) -> Result<()> {
    let edge = workspace(EDGE);
    c_lib::typed(&edge, Some(CORES[0].target), "s", None)?;
    c_lib::typed(&edge, Some(CORES[1].target), "s", None)?;
    let expected = edge_line()?;
    let project = workspace("examples/c").canonicalize()?;
    for (board, library) in [
        ("m4f", "mmoe"),
        ("microbit", "mmoe"),
        ("m4f", "edge"),
        ("microbit", "edge"),
    ] {
        let build = at.join(format!("{board}-{library}"));
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(&project).arg("-B").arg(&build);
        cmake.args(["--toolchain", "cmake/arm-none-eabi.cmake"]);
        cmake
            .arg(format!("-DBOARD={board}"))
            .arg(format!("-DMMOE_LIBRARY={library}"));
        cmake.arg(format!("-DMMOE={}", tool.display()));
        output(&project, &mut cmake, "cmake")?;
        let mut make = Command::new("cmake");
        make.arg("--build").arg(&build).args(["--target", "run"]);
        let printed = output(&project, &mut make, "the example")?;
        ensure!(
            printed.contains(&expected),
            "examples/c on {board} with {library} printed\n{printed}and should print\n{expected}"
        );
        println!(
            "examples/c on {board} with lib{library}.a: {}",
            expected.trim_end()
        );
    }
    Ok(())
}

/// What a program's code grows by: images that open a model and predict, without a C library beyond `memcpy`.
fn sizes(at: &Path) -> Result<()> {
    let core = &CORES[0];
    let text = |typed: bool| {
        let (model, scratch) = match typed {
            true => ("const edge_model *m", ""),
            false => ("static mmoe_model m; static edge_scratch s", "&s, "),
        };
        let own = if typed { "m" } else { "&m" };
        // A header's name in quotes is looked for beside the file first.
        let header = if typed {
            c_lib::out().join("include")
        } else {
            at.to_owned()
        };
        format!(
            "#include \"{}\"\nextern const uint32_t blob[];\n\
             unsigned entry(const edge_features *x, edge_outputs *y) {{ {model}; \
             return edge_open(&m, blob, EDGE_BLOB_BYTES) || edge_predict({own}, x, {scratch}y); }}\n",
            header.join("edge.h").display()
        )
    };
    for (typed, limit) in [(true, TYPED_LIMIT), (false, ERASED_LIMIT)] {
        let name = if typed { "edge" } else { "mmoe" };
        let file = at.join(format!("size-{name}.c"));
        fs::write(&file, text(typed))?;
        let image = at.join(format!("size-{name}"));
        let mut cc = Command::new("arm-none-eabi-gcc");
        cc.args(core.flags).args([
            "-mthumb",
            "-Os",
            "-ffunction-sections",
            "-nostartfiles",
            "--specs=nano.specs",
        ]);
        cc.args(["-Wl,--gc-sections,-e,entry,--defsym=blob=0x10000000,--no-warn-execstack"]);
        cc.arg("-I").arg(c_lib::out().join("include")).arg(&file);
        let library = c_lib::out()
            .join("lib")
            .join(core.target)
            .join(format!("lib{name}.a"));
        cc.arg(library).arg("-o").arg(&image);
        output(at, &mut cc, "arm-none-eabi-gcc")?;
        let bytes = fs::read(&image)?;
        let mut size = 0;
        for section in object::File::parse(&*bytes)?.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let has = |flag| sh_flags & flag != object::elf::SectionFlags(0);
            if has(object::elf::SHF_ALLOC) && !has(object::elf::SHF_WRITE) {
                size += section.size();
            }
        }
        let what = if typed {
            "built for the model"
        } else {
            "for any blob"
        };
        println!(
            "the library {what}, opening and predicting: {} bytes on {} at s",
            grouped(size),
            core.name
        );
        if size > limit {
            bail!("more than the {} that are allowed", grouped(limit));
        }
    }
    Ok(())
}

/// Bytes that a library for the model `edge` may add to a program that opens and predicts.
const TYPED_LIMIT: u64 = 7_200;
/// Bytes that the library for any blob may add to a program that opens and predicts.
const ERASED_LIMIT: u64 = 60_000;
