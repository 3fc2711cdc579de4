//! What the machine could do at best, measured: fused multiply-adds and bandwidths.
//!
//! Nothing that is raced can be faster than these, so they show how much is left to gain. All are
//! measured on one thread.

use std::hint::black_box;
use std::time::Instant;

use cpu_time::ThreadTime;

/// The machine's limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its processor, as the system names it.
    pub processor: String,
    /// Sums and products a second of fused multiply-adds in registers, in GFLOP/s: the vectors that
    /// they were measured with, and the figure. The widest vectors come last.
    pub fma: Vec<(&'static str, f64)>,
    /// Bytes a second read, in GB/s: 16 KiB (level 1), 256 KiB (level 2), 256 MiB (memory).
    pub read: [(&'static str, f64); 3],
}

impl Machine {
    /// Measures this machine; takes about a second.
    #[must_use]
    pub fn measure() -> Self {
        let buffer = vec![1u8; 256 << 20];
        let read = [("L1", 16 << 10), ("L2", 256 << 10), ("memory", 256 << 20)];
        Self {
            processor: processor(),
            fma: fma(),
            read: read.map(|(name, bytes)| (name, bandwidth(&buffer[..bytes]))),
        }
    }
}

/// The processor's name.
#[must_use]
pub fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    about
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .and_then(|l| l.split_once(':'))
        .map_or("unknown".into(), |(_, n)| n.trim().to_owned())
}

/// The shortest time of one call, in seconds, of those that fit into a fifth of a second.
fn fastest(mut f: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed().as_secs_f64() < 0.2 {
        // The thread's own time: other work on the machine is no limit of it.
        let t = ThreadTime::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    best
}

const STEPS: usize = 100_000;

/// GFLOP/s of [`STEPS`] steps of a loop with this many sums side by side.
fn rate(lanes: usize, f: impl FnMut()) -> f64 {
    (2 * lanes * STEPS) as f64 / fastest(f) / 1e9
}

/// A loop of independent fused multiply-adds: enough of them that none waits for another.
macro_rules! peak {
    ($name:ident, $feature:literal, $arch:ident, $set:ident, $fma:ident, $sums:literal) => {
        #[target_feature(enable = $feature)]
        fn $name() {
            use std::arch::$arch::{$fma, $set};
            let (a, b) = ($set(black_box(0.999)), $set(black_box(0.001)));
            let mut sums = [b; $sums];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = $fma(*sum, a, b);
                }
            }
            black_box(sums);
        }
    };
}

#[cfg(target_arch = "x86_64")]
peak!(
    fma_256,
    "avx2,fma",
    x86_64,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    12
);
#[cfg(target_arch = "x86_64")]
peak!(
    fma_512,
    "avx512f",
    x86_64,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    12
);
#[cfg(target_arch = "aarch64")]
peak!(fma_128, "neon", aarch64, vdupq_n_f32, vfmaq_f32, 16);

#[cfg(target_arch = "x86_64")]
fn fma() -> Vec<(&'static str, f64)> {
    let mut found = Vec::new();
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has what the function needs.
        found.push(("AVX2", rate(8 * 12, || unsafe { fma_256() })));
    }
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: as above.
        found.push(("AVX-512", rate(16 * 12, || unsafe { fma_512() })));
    }
    found
}

#[cfg(target_arch = "aarch64")]
fn fma() -> Vec<(&'static str, f64)> {
    // SAFETY: every AArch64 processor that runs std has NEON.
    vec![("NEON", rate(4 * 16, || unsafe { fma_128() }))]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn fma() -> Vec<(&'static str, f64)> {
    Vec::new()
}

/// GB/s of reading `bytes`, again and again.
fn bandwidth(bytes: &[u8]) -> f64 {
    let again = ((4 << 20) / bytes.len()).max(1);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has what the function needs.
        let time = fastest(|| (0..again).for_each(|_| unsafe { read_512(black_box(bytes)) }));
        return (bytes.len() * again) as f64 / time / 1e9;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        let time = fastest(|| (0..again).for_each(|_| unsafe { read_256(black_box(bytes)) }));
        return (bytes.len() * again) as f64 / time / 1e9;
    }
    let time = fastest(|| (0..again).for_each(|_| read(black_box(bytes))));
    (bytes.len() * again) as f64 / time / 1e9
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn read_512(bytes: &[u8]) {
    read(bytes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn read_256(bytes: &[u8]) {
    read(bytes);
}

/// Folds all of it in vectors; what is behind the last 512 bytes is left out.
#[inline(always)]
fn read(bytes: &[u8]) {
    let mut folded = [0u64; 64];
    for block in bytes.as_chunks::<512>().0 {
        for (f, word) in folded.iter_mut().zip(block.as_chunks::<8>().0) {
            *f ^= u64::from_ne_bytes(*word);
        }
    }
    black_box(folded);
}
