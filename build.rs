//! Chooses the kernels of the target: which instructions there are is asked of the compiler itself,
//! so that a `-C target-cpu` or `-C target-feature` counts, and no feature of this crate has to.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

/// Kernels in assembly, each with its `cfg`, what the target's name starts with, and an instruction
/// that tells whether the core can run them.
const KERNELS: [(&str, &[&str], &str); 5] = [
    (
        "mmoe_arm_dsp",
        &["thumbv7em", "thumbv8m.main"],
        "smlald r0, r1, r2, r3",
    ),
    ("mmoe_arm_mve", &["thumbv8m.main"], "vmlava.s16 r0, q0, q1"),
    (
        "mmoe_arm_v7m",
        &["thumbv7m", "thumbv7em", "thumbv8m.main"],
        "usat r0, #15, r0, asr #1",
    ),
    (
        "mmoe_arm_vfp",
        &["thumbv7em", "thumbv8m.main"],
        "vmul.f32 s0, s0, s1",
    ),
    ("mmoe_rv32im", &["riscv32"], "mulh a0, a0, a1"),
];

/// Cores with Thumb's 16-bit instructions alone.
const SMALL: [&str; 2] = ["thumbv6m", "thumbv8m.base"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=MMOE_PORTABLE");
    for (name, ..) in KERNELS {
        println!("cargo::rustc-check-cfg=cfg({name})");
    }
    for name in [
        "mmoe_arm_v6m",
        "mmoe_arm_v8m",
        "mmoe_narrow_products",
        "mmoe_saturates",
        "mmoe_vector_floats",
        "mmoe_aarch64",
        "mmoe_x86_64",
    ] {
        println!("cargo::rustc-check-cfg=cfg({name})");
    }
    let target = env::var("TARGET").unwrap_or_default();
    let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| target.starts_with(prefix));
    let set = |name: &str| println!("cargo::rustc-cfg={name}");

    // Where a comparison can select without a branch (SSAT and IT blocks, CSEL, CMOV, vector
    // minima), a plain `clamp` is shorter; everywhere else the kernels use mask arithmetic.
    if is(&["thumbv7", "thumbv8m.main", "armv7", "aarch64", "x86_64"]) {
        set("mmoe_saturates");
    }
    // Where the product of two 32-bit numbers has 32 bits alone.
    if is(&SMALL) {
        set("mmoe_narrow_products");
    }

    // The float vectors of an M55 flush denormals, and LLVM uses them where it may.
    if is(&["thumbv8m.main"]) && assembles(&target, "vadd.f32 q0, q1, q2") {
        set("mmoe_vector_floats");
    }

    // `MMOE_PORTABLE=1` leaves the portable kernels alone in place, for tests and comparisons.
    let portable = env::var("MMOE_PORTABLE").is_ok_and(|v| !v.is_empty() && v != "0");
    if portable {
        return;
    }
    // Those of x86-64 choose when the program runs; every AArch64 host has NEON.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        if is(&["x86_64"]) {
            set("mmoe_x86_64");
        } else if is(&["aarch64"]) {
            set("mmoe_aarch64");
        }
        return;
    }
    if is(&["thumbv8m"]) {
        set("mmoe_arm_v8m");
    }
    if is(&SMALL) {
        set("mmoe_arm_v6m");
    }
    for (name, prefixes, instruction) in KERNELS {
        if is(prefixes) && assembles(&target, instruction) {
            set(name);
        }
    }
}

/// Whether the compiler takes this instruction in an ordinary function, with the flags of the
/// build.
fn assembles(target: &str, instruction: &str) -> bool {
    let source = format!(
        "#![no_std]\npub unsafe fn probe() {{ unsafe {{ core::arch::asm!(\"{instruction}\") }} }}"
    );
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let out = env::var("OUT_DIR").unwrap_or_default();
    let probe = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "-",
            "--crate-name",
            "probe",
            "--crate-type",
            "lib",
            "--edition",
            "2021",
        ])
        .args(["--emit", "obj", "--target", target, "--out-dir", &out])
        .args(flags.split('\x1f').filter(|flag| !flag.is_empty()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut probe) = probe else { return false };
    let written = probe
        .stdin
        .take()
        .is_some_and(|mut stdin| stdin.write_all(source.as_bytes()).is_ok());
    probe.wait().is_ok_and(|status| status.success()) && written
}
