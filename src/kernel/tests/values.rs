//! Awkward values and comparisons.

use proptest::collection::vec;
use proptest::prelude::*;
use std::vec::Vec;

/// Finite, moderate, now and then a denormal or a zero of either sign.
pub(super) fn tame() -> impl Strategy<Value = f32> + Clone {
    prop_oneof![
        8 => -100.0_f32..100.0,
        1 => Just(0.0), 1 => Just(-0.0), 1 => Just(1.0e-40), 1 => Just(-1.0e-40),
    ]
}

const SPECIAL: &[f32] = &[
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    -0.0,
    1.0e-45,
];

/// Any bits, NaN and infinities among them.
pub(super) fn wild() -> impl Strategy<Value = f32> + Clone {
    prop_oneof![4 => any::<u32>().prop_map(f32::from_bits), 1 => proptest::sample::select(SPECIAL), 8 => tame()]
}

/// Any logit, the ends of the range, and logits close enough together to share a softmax.
pub(super) fn logit() -> impl Strategy<Value = i32> {
    prop_oneof![
        1 => any::<i32>(),
        1 => proptest::sample::select(&[i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX][..]),
        6 => -10 << 16..10 << 16,
        2 => -3..3,
    ]
}

/// Any i16, its ends more often.
pub(super) fn int16() -> impl Strategy<Value = i16> {
    prop_oneof![6 => any::<i16>(), 1 => proptest::sample::select(&[i16::MIN, i16::MAX, 0, -1, 1][..])]
}

/// An int8 weight: −127 ..= 127.
pub(super) fn weight8() -> impl Strategy<Value = i8> + Clone {
    prop_oneof![6 => -127_i8..=127, 1 => proptest::sample::select(&[-127_i8, 127, 0, -1, 1][..])]
}

pub(super) fn list<S: Strategy>(s: S, len: usize) -> impl Strategy<Value = Vec<S::Value>> {
    vec(s, len)
}

/// The same bits, or NaN both.
pub(super) fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Asserts the same bits, or NaN both, element by element.
pub(super) fn assert_same(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!(same(*a, *b), "element {i}: {a:e} against {b:e}");
    }
}

/// Asserts that the table of worst errors in `docs/numerics.md` states `worst` under `name`,
/// rounded up a little.
pub(super) fn assert_documented(name: &str, worst: f64) {
    let text = include_str!("../../../docs/numerics.md");
    let row = text
        .lines()
        .find(|line| line.starts_with(&std::format!("| {name} |")));
    let row =
        row.unwrap_or_else(|| panic!("docs/numerics.md has no row {name:?}; measured {worst:e}"));
    let stated: f64 = row.split('|').nth(2).unwrap().trim().parse().unwrap();
    assert!(
        worst <= stated,
        "{name}: measured {worst:e}, documented {stated:e}"
    );
    assert!(
        stated <= worst * 1.01,
        "{name}: documented {stated:e}, but only {worst:e} is needed"
    );
}

/// That many random cases, whose failures leave no file behind.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
