//! The battery on the machine that runs the tests.

use kernel_battery::{kernels, run};

/// A test for the kernels of each of these modules.
macro_rules! battery {
    ($($test:ident: $($module:ident)::+;)*) => {$(
        #[test]
        fn $test() {
            assert!(run(&kernels!($($module)::+), &mut |what| println!("{what}")));
        }
    )*};
}
battery! {
    portable_kernels: mmoe::kernel::portable;
    kernels_of_this_target: mmoe::kernel;
}
#[cfg(target_arch = "aarch64")]
battery! {
    kernels_with_neon: mmoe::kernel::aarch64::neon;
}
#[cfg(target_arch = "x86_64")]
battery! {
    kernels_with_avx2: mmoe::kernel::x86_64::avx2;
    kernels_with_avx512: mmoe::kernel::x86_64::avx512;
}

/// The battery notices a kernel that computes something else.
#[test]
fn a_wrong_kernel_is_found() {
    let mut wrong = kernels!(mmoe::kernel::portable);
    wrong.int8[2].1 = mmoe::kernel::portable::dense_i8;
    assert!(!run(&wrong, &mut |_| {}));
    let mut wrong = kernels!(mmoe::kernel::portable);
    wrong.accumulate_f32 = |w, total, from, x, y| {
        mmoe::kernel::portable::accumulate_f32(w, total, from, x, y);
        y.iter_mut().for_each(|y| *y += 0.0);
    };
    assert!(!run(&wrong, &mut |_| {}));
    let mut wrong = kernels!(mmoe::kernel::portable);
    wrong.hot[1].1 = mmoe::kernel::portable::hot_dense_i8;
    assert!(!run(&wrong, &mut |_| {}));
    let mut wrong = kernels!(mmoe::kernel::portable);
    wrong.hot_f32 = |w, bias, x, y| {
        // The codes in another order.
        let backwards: Vec<f32> = x.codes.iter().rev().copied().collect();
        let x = mmoe::kernel::HotInput {
            codes: &backwards,
            ..x
        };
        mmoe::kernel::portable::hot_f32(w, bias, x, y);
    };
    assert!(!run(&wrong, &mut |_| {}));
}
