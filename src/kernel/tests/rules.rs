//! `docs/numerics.md` once more, in i128 and with no regard for speed.

use std::vec::Vec;

pub(super) fn floor_div(a: i128, b: i128) -> i128 {
    a.div_euclid(b)
}

pub(super) fn sat16(v: i128) -> i16 {
    v.clamp(-32768, 32767) as i16
}

/// R(acc, mult, s).
pub(super) fn requantize(acc: i128, mult: i128, s: u32) -> i128 {
    floor_div(acc * mult + (1 << (s - 1)), 1 << s)
}

fn mulhi(a: i128, b: i128) -> i128 {
    floor_div(a * b, 1 << 32)
}

/// E(d).
pub(super) fn exp_neg(d: u32) -> i128 {
    if d >= 1 << 21 {
        return 0;
    }
    let t = mulhi((d as i128 * 2048) % (1 << 32), 0xB8AA3B29);
    let f = (t * 64) % (1 << 32);
    let mut p = 0x3c405;
    for c in [
        0x2a5309, 0x13a79c4, 0x71a9948, 0x1ebfba83, 0x58b90bf0, 0x7fffffff,
    ] {
        p = c - mulhi(p, f);
        assert!((0..1 << 32).contains(&p));
    }
    let whole = floor_div(t, 1 << 26);
    if whole > 31 {
        0
    } else {
        floor_div(p, 1 << whole)
    }
}

/// r(d).
pub(super) fn recip(d: u32) -> i128 {
    let d = d as i128;
    let mut x = 0x1_6969_6969 - mulhi(d, 0xF0F0F0F0);
    for _ in 0..3 {
        assert!((0..1 << 32).contains(&x));
        let u = ((1 << 32) - mulhi(d, x)) % (1 << 32);
        x = floor_div(x * u, 1 << 31);
    }
    assert!((0..1 << 32).contains(&x));
    x
}

/// P(z).
pub(super) fn sigmoid(z: i32) -> i128 {
    let e = exp_neg(z.unsigned_abs());
    let q = mulhi(e, recip((1 << 31) + e as u32));
    if z < 0 { q } else { (1 << 31) - q }
}

fn log2_up(n: usize) -> u32 {
    (0..).find(|&k| 1_u128 << k >= n as u128).unwrap()
}

/// q of the softmax rule, over the chosen logits; 0 for the others.
pub(super) fn softmax(z: &[i32], chosen: &[bool]) -> Vec<i128> {
    let count = chosen.iter().filter(|&&chosen| chosen).count();
    let k = log2_up(count);
    let kept = || {
        z.iter()
            .zip(chosen)
            .filter(|&(_, &chosen)| chosen)
            .map(|(&z, _)| z)
    };
    let Some(max) = kept().max() else {
        return std::vec![0; z.len()];
    };
    let e = |z: i32| floor_div(exp_neg(max.wrapping_sub(z) as u32), 1 << k);
    let sum: i128 = kept().map(e).sum();
    let h = (31 - k..=31).filter(|&j| sum < 1 << j).count();
    let x = recip((sum << h) as u32);
    z.iter()
        .zip(chosen)
        .map(|(&z, &chosen)| if chosen { mulhi(e(z) << h, x) } else { 0 })
        .collect()
}

/// The softmax gate over the chosen logits.
pub(super) fn gate(z: &[i32], chosen: &[bool]) -> Vec<u16> {
    let mut g: Vec<i128> = softmax(z, chosen)
        .iter()
        .map(|&q| floor_div(q + (1 << 15), 1 << 16))
        .collect();
    let rest = 32768 - g.iter().sum::<i128>();
    let max = z
        .iter()
        .zip(chosen)
        .filter(|&(_, &chosen)| chosen)
        .map(|(z, _)| *z)
        .max();
    if let Some(first) = (0..z.len()).find(|&i| chosen[i] && Some(z[i]) == max) {
        g[first] += rest;
    }
    g.iter().map(|&g| g as u16).collect()
}

/// The k largest, ties to the lowest index.
pub(super) fn largest<T: PartialOrd>(z: &[T], k: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..z.len()).collect();
    order.sort_by(|&a, &b| z[b].partial_cmp(&z[a]).unwrap());
    let mut chosen = std::vec![false; z.len()];
    order.iter().take(k).for_each(|&i| chosen[i] = true);
    chosen
}

/// DSelect-k in Q15.
pub(super) fn d_select_k(z: &[i32], mix: &[i32], experts: usize) -> Vec<u16> {
    let bits = log2_up(experts) as usize;
    let smooth = |z: i32| {
        let u = (z as i128).clamp(-32768, 32768) + 32768;
        floor_div(u * u * (3 * 65536 - 2 * u), 1 << 18)
    };
    let mix = softmax(mix, &std::vec![true; mix.len()]);
    (0..experts)
        .map(|expert| {
            let mut sum = 0;
            for (k, m) in mix.iter().enumerate() {
                let mut weight = 1 << 30;
                for j in 0..bits {
                    let s = smooth(z[k * bits + j]);
                    let set = expert & (1 << (bits - 1 - j)) != 0;
                    weight = floor_div(weight * if set { s } else { (1 << 30) - s }, 1 << 30);
                }
                sum += floor_div(m * weight, 1 << 30);
            }
            floor_div(sum + (1 << 15), 1 << 16) as u16
        })
        .collect()
}
