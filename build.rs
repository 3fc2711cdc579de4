//! Tells the kernels which way of saturating keeps the instruction count constant on this target.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(mmoe_saturates)");
    // Where a comparison can select without a branch (SSAT and IT blocks, CSEL, CMOV, vector
    // minima), a plain `clamp` is shorter; everywhere else the kernels use mask arithmetic.
    let target = env::var("TARGET").unwrap_or_default();
    let selects = ["thumbv7", "thumbv8m.main", "armv7", "aarch64", "x86_64"];
    if selects.iter().any(|prefix| target.starts_with(prefix)) {
        println!("cargo::rustc-cfg=mmoe_saturates");
    }
}
