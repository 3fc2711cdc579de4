//! Softmax and every kind of gate.

use super::rules;
use super::values::*;
use crate::kernel::*;
use crate::math::{Libm, Micromath};
use crate::number::Q15;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

fn logits() -> impl Strategy<Value = Vec<i32>> {
    (1..=67_usize).prop_flat_map(|n| list(logit(), n))
}

fn float_logits() -> impl Strategy<Value = Vec<f32>> {
    (1..=67_usize).prop_flat_map(|n| list(prop_oneof![4 => -30.0_f32..30.0, 1 => tame()], n))
}

fn softmax64(z: &[f64]) -> Vec<f64> {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = z.iter().map(|z| (z - max).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// The softmax of docs/numerics.md, over the chosen.
fn strict(z: &[f32], chosen: &[bool]) -> Vec<f32> {
    let kept = z.iter().zip(chosen).filter(|&(_, &chosen)| chosen);
    let max = kept.fold(f32::NEG_INFINITY, |m, (&z, _)| m.max(z));
    let e: Vec<f32> = z
        .iter()
        .zip(chosen)
        .map(|(&z, &c)| if c { libm::expf(z - max) } else { 0.0 })
        .collect();
    let mut sum = 0.0_f32;
    for e in &e {
        sum += e;
    }
    let inv = 1.0 / sum;
    e.iter().map(|e| e * inv).collect()
}

fn keep<T: Copy + Default>(p: &[T], chosen: &[bool]) -> Vec<T> {
    p.iter()
        .zip(chosen)
        .map(|(&p, &chosen)| if chosen { p } else { T::default() })
        .collect()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn softmax_gate(z in logits()) {
        let n = z.len();
        let mut g = vec![9; n];
        gate_softmax_q15(&mut z.clone(), &mut g);
        prop_assert_eq!(&g, &rules::gate(&z, &vec![true; n]));
        prop_assert_eq!(g.iter().map(|&g| g as u32).sum::<u32>(), 32768);
        let exact = softmax64(&z.iter().map(|&z| z as f64 / 65536.0).collect::<Vec<_>>());
        for (&g, exact) in g.iter().zip(exact) {
            // Half a unit each, and the largest takes what the others' rounding left.
            prop_assert!((g as f64 - exact * 32768.0).abs() <= 0.51 * n as f64);
        }
    }

    #[test]
    fn softmax_of_classes(z in logits()) {
        let n = z.len();
        let mut p = vec![9; n];
        softmax_q31(&z, &mut p);
        let rule: Vec<u32> = rules::softmax(&z, &vec![true; n]).iter().map(|&q| q as u32).collect();
        prop_assert_eq!(&p, &rule);
        let exact = softmax64(&z.iter().map(|&z| z as f64 / 65536.0).collect::<Vec<_>>());
        for (&p, exact) in p.iter().zip(exact) {
            // Each of N exponentials lost less than one unit of 2^(k − 31).
            let bound = (n * n.next_power_of_two()) as f64 / (1_u64 << 31) as f64 + 2.0_f64.powi(-23);
            prop_assert!((p as f64 / (1_u64 << 31) as f64 - exact).abs() <= bound);
        }
    }

    #[test]
    fn softmax_float(z in float_logits()) {
        let mut p = vec![9.0; z.len()];
        softmax_f32::<Libm>(&z, &mut p);
        assert_same(&p, &strict(&z, &vec![true; z.len()]));
        let exact = softmax64(&z.iter().map(|&z| z.into()).collect::<Vec<_>>());
        for (&p, exact) in p.iter().zip(&exact) {
            prop_assert!((p as f64 - exact).abs() <= 1e-6 && p >= 0.0);
        }
        prop_assert!((p.iter().map(|&p| p as f64).sum::<f64>() - 1.0).abs() < 1e-5);
        softmax_f32::<Micromath>(&z, &mut p);
        for (&p, exact) in p.iter().zip(&exact) {
            prop_assert!((p as f64 - exact).abs() <= 6e-3 && p >= 0.0);
        }
    }

    #[test]
    fn sigmoid_gate(z in logits(), f in float_logits()) {
        let mut g = vec![9; z.len()];
        sigmoid_gate_q15(&z, &mut g);
        let rule: Vec<u16> = z.iter().map(|&z| rules::floor_div(rules::sigmoid(z) + (1 << 15), 1 << 16) as u16).collect();
        prop_assert_eq!(g, rule);
        let (mut p, mut y) = (vec![9.0; f.len()], f.clone());
        sigmoid_gate_f32::<Libm>(&f, &mut p);
        sigmoid_f32::<Libm>(&mut y);
        assert_same(&p, &y);
    }

    #[test]
    fn linear_gate(mut z in logits(), h in -32768..=32767_i16, m in proptest::num::i32::ANY) {
        z.extend([i32::MIN, i32::MAX, 65535, 65536, 65537, -65535, -65536, -65537, -1, 0, 1]);
        let mut g = vec![9; z.len()];
        linear_gate_q15(&z, &mut g);
        for (&z, &g) in z.iter().zip(&g) {
            let rule = rules::floor_div(i128::from(z) + 1, 2).clamp(-32767, 32768) as i32;
            prop_assert_eq!(signed_q15(g), rule);
            prop_assert_eq!(Q15(g).to_f32(), rule as f32 / 32768.0);
            let mut mixed = [m];
            mix_i16(&mut mixed, g, &[h]);
            prop_assert_eq!(mixed, [m.wrapping_add(rule.wrapping_mul(i32::from(h)))]);
        }
    }

    #[test]
    fn hard(z in logits(), f in float_logits()) {
        let mut g = vec![9; z.len()];
        hard_q15(&z, &mut g);
        let rule: Vec<u16> = rules::largest(&z, 1).iter().map(|&c| if c { 32768 } else { 0 }).collect();
        prop_assert_eq!(g, rule);
        let mut p = vec![9.0; f.len()];
        hard_f32(&f, &mut p);
        let rule: Vec<f32> = rules::largest(&f, 1).iter().map(|&c| if c { 1.0 } else { 0.0 }).collect();
        prop_assert_eq!(p, rule);
    }

    #[test]
    fn top_k(z in logits(), f in float_logits(), k in 1..70_usize) {
        let chosen = rules::largest(&z, k);
        let mut g = vec![9; z.len()];
        top_k_q15(&mut z.clone(), k, true, &mut g);
        prop_assert_eq!(&g, &rules::gate(&z, &chosen));
        prop_assert_eq!(g.iter().map(|&g| g as u32).sum::<u32>(), 32768);
        top_k_q15(&mut z.clone(), k, false, &mut g);
        prop_assert_eq!(g, keep(&rules::gate(&z, &vec![true; z.len()]), &chosen));

        let chosen = rules::largest(&f, k);
        let mut p = vec![9.0; f.len()];
        top_k_f32::<Libm>(&f, k, true, &mut p);
        assert_same(&p, &strict(&f, &chosen));
        top_k_f32::<Libm>(&f, k, false, &mut p);
        assert_same(&p, &keep(&strict(&f, &vec![true; f.len()]), &chosen));
    }

    #[test]
    fn d_select_k(experts in 1..=33_usize, k in 1..=4_usize, z in list(-1.0_f32..1.0, 24), mix in list(-5.0_f32..5.0, 4)) {
        let bits = (0..).find(|&b| 1 << b >= experts).unwrap();
        let (z, mix) = (&z[..k * bits], &mix[..k]);
        let fixed = |v: &[f32]| v.iter().map(|v| (v * 65536.0) as i32).collect::<Vec<i32>>();
        let (zi, mixi) = (fixed(z), fixed(mix));
        let mut g = vec![9; experts];
        d_select_k_q15(&mut zi.clone(), &mut mixi.clone(), &mut g);
        prop_assert_eq!(&g, &rules::d_select_k(&zi, &mixi, experts));
        let mut p = vec![9.0; experts];
        d_select_k_f32::<Libm>(&mut z.to_vec(), &mut mix.to_vec(), &mut p);

        let share = softmax64(&mix.iter().map(|&m| m.into()).collect::<Vec<_>>());
        for expert in 0..experts {
            let mut exact = 0.0;
            for (j, share) in share.iter().enumerate() {
                let mut product = 1.0;
                for b in 0..bits {
                    let x = f64::from(z[j * bits + b]);
                    let s = if x <= -0.5 { 0.0 } else if x >= 0.5 { 1.0 } else { -2.0 * x.powi(3) + 1.5 * x + 0.5 };
                    product *= if (expert >> (bits - 1 - b)) % 2 == 1 { s } else { 1.0 - s };
                }
                exact += share * product;
            }
            prop_assert!((f64::from(p[expert]) - exact).abs() < 2e-6, "{} {exact}", p[expert]);
            // The logits themselves were rounded to 2⁻¹⁶.
            prop_assert!((f64::from(g[expert]) / 32768.0 - exact).abs() < 2e-4, "{} {exact}", g[expert]);
            if exact == 0.0 {
                prop_assert!(p[expert] == 0.0 && g[expert] == 0);
            }
        }
    }
}

#[test]
fn ties_go_to_the_lowest_index() {
    let mut g = [9; 3];
    gate_softmax_q15(&mut [5, 5, 5], &mut g);
    assert_eq!(g, [10922, 10923, 10923]);
    top_k_q15(&mut [5, 5, 5], 1, true, &mut g);
    assert_eq!(g, [32768, 0, 0]);
}

#[test]
fn nothing_and_nan() {
    gate_softmax_q15(&mut [], &mut []);
    softmax_q31(&[], &mut []);
    softmax_f32::<Libm>(&[], &mut []);
    d_select_k_q15(&mut [], &mut [], &mut []);
    top_k_q15(&mut [], 2, true, &mut []);
    let mut g = [9; 2];
    top_k_q15(&mut [1, 2], 0, true, &mut g);
    assert_eq!(g, [0, 0]);
    let mut p = [9.0; 3];
    softmax_f32::<Libm>(&[1.0, f32::NAN, 0.0], &mut p);
    assert!(p.iter().all(|p| p.is_nan()));
    top_k_f32::<Libm>(&[1.0, f32::NAN, 0.0], 1, true, &mut p);
    assert!(p[0].is_nan() && p[1].is_nan() && p[2] == 0.0);
}
