//! The hashes by which frameworks put texts into buckets.

/// Returns `hash mod n`; 0 where `n` is 0. Divides 32 bits at a time where `n` has no more than 16 bits,
/// since a core without a divider takes several hundred instructions for 64.
#[inline(never)]
#[must_use]
pub fn modulo(hash: u64, n: u32) -> u32 {
    if n >> 16 == 0 {
        let step = |r: u32, part: u64| {
            (r << 16 | (part & 0xffff) as u32)
                .checked_rem(n)
                .unwrap_or(0)
        };
        let high = step(step(0, hash >> 48), hash >> 32);
        step(step(high, hash >> 16), hash)
    } else {
        hash.checked_rem(u64::from(n)).unwrap_or(0) as u32
    }
}

/// Writes an integer in decimal digits, with a minus sign where it is negative, and returns them.
pub fn decimal(negative: bool, size: u32, to: &mut [u8; 11]) -> &[u8] {
    let (mut left, mut at) = (size, to.len());
    for (i, digit) in to.iter_mut().enumerate().rev() {
        if left == 0 && at < 11 {
            break;
        }
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        at = i;
    }
    if negative {
        at = at.saturating_sub(1);
        if let Some(sign) = to.get_mut(at) {
            *sign = b'-';
        }
    }
    to.get(at..).unwrap_or(&[])
}

/// Returns the little-endian number of 8 bytes at `at`; 0 where there are fewer.
#[inline(always)]
fn u64_at(s: &[u8], at: usize) -> u64 {
    let bytes = s.get(at..).and_then(|s| s.first_chunk());
    bytes.map_or(0, |b| u64::from_le_bytes(*b))
}

#[inline(always)]
fn u32_at(s: &[u8], at: usize) -> u32 {
    let bytes = s.get(at..).and_then(|s| s.first_chunk());
    bytes.map_or(0, |b| u32::from_le_bytes(*b))
}

#[inline(always)]
fn byte_at(s: &[u8], at: usize) -> u32 {
    s.get(at).map_or(0, |b| u32::from(*b))
}

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

const fn shift_mix(v: u64) -> u64 {
    v ^ (v >> 47)
}

// Not inlined: a core that multiplies 32 bits calls a function for each of these anyway.
#[inline(never)]
fn mul(a: u64, b: u64) -> u64 {
    a.wrapping_mul(b)
}

#[inline(never)]
fn hash16(u: u64, v: u64, m: u64) -> u64 {
    let a = shift_mix(mul(u ^ v, m));
    mul(shift_mix(mul(v ^ a, m)), m)
}

/// Returns FarmHash's `Fingerprint64` of a text, which is what TensorFlow calls fast hash buckets and
/// what Keras hashes with where no salt is given.
#[inline(never)]
#[must_use]
pub fn farm64(s: &[u8]) -> u64 {
    match s.len() {
        0..=16 => farm_up_to_16(s),
        17..=64 => farm_up_to_64(s),
        _ => farm_long(s),
    }
}

fn farm_up_to_16(s: &[u8]) -> u64 {
    let n = s.len();
    let m = K2.wrapping_add(2 * n as u64);
    if n >= 8 {
        let (a, b) = (u64_at(s, 0).wrapping_add(K2), u64_at(s, n - 8));
        let c = mul(b.rotate_right(37), m).wrapping_add(a);
        let d = mul(a.rotate_right(25).wrapping_add(b), m);
        hash16(c, d, m)
    } else if n >= 4 {
        let first = u64::from(u32_at(s, 0)) << 3;
        hash16(first.wrapping_add(n as u64), u64::from(u32_at(s, n - 4)), m)
    } else if n > 0 {
        let y = byte_at(s, 0).wrapping_add(byte_at(s, n >> 1) << 8);
        let z = byte_at(s, n - 1).wrapping_shl(2).wrapping_add(n as u32);
        let mixed = mul(u64::from(y), K2) ^ mul(u64::from(z), K0);
        mul(shift_mix(mixed), K2)
    } else {
        K2
    }
}

fn farm_up_to_64(s: &[u8]) -> u64 {
    let n = s.len();
    let m = K2.wrapping_add(2 * n as u64);
    let a = mul(u64_at(s, 0), if n <= 32 { K1 } else { K2 });
    let b = u64_at(s, 8);
    let c = mul(u64_at(s, n.wrapping_sub(8)), m);
    let d = mul(u64_at(s, n.wrapping_sub(16)), K2);
    let y = a
        .wrapping_add(b)
        .rotate_right(43)
        .wrapping_add(c.rotate_right(30))
        .wrapping_add(d);
    let z = hash16(
        y,
        b.wrapping_add(K2)
            .rotate_right(18)
            .wrapping_add(a)
            .wrapping_add(c),
        m,
    );
    if n <= 32 {
        return z;
    }
    let (e, f) = (mul(u64_at(s, 16), m), u64_at(s, 24));
    let g = mul(y.wrapping_add(u64_at(s, n.wrapping_sub(32))), m);
    let h = mul(z.wrapping_add(u64_at(s, n.wrapping_sub(24))), m);
    let u = e
        .wrapping_add(f)
        .rotate_right(43)
        .wrapping_add(g.rotate_right(30))
        .wrapping_add(h);
    let v = f
        .wrapping_add(a)
        .rotate_right(18)
        .wrapping_add(e)
        .wrapping_add(g);
    hash16(u, v, m)
}

/// Mixes 32 bytes into two numbers.
#[inline(never)]
fn weak32(s: &[u8], at: usize, a: u64, b: u64) -> (u64, u64) {
    let word = |i: usize| u64_at(s, at.wrapping_add(8 * i));
    let (w, x, y, z) = (word(0), word(1), word(2), word(3));
    let a = a.wrapping_add(w);
    let b = b.wrapping_add(a).wrapping_add(z).rotate_right(21);
    let c = a;
    let a = a.wrapping_add(x).wrapping_add(y);
    let b = b.wrapping_add(a.rotate_right(44));
    (a.wrapping_add(z), b.wrapping_add(c))
}

fn farm_long(s: &[u8]) -> u64 {
    let n = s.len();
    let mut x = 81u64;
    let mut y = mul(81, K1).wrapping_add(113);
    let mut z = mul(shift_mix(mul(y, K2).wrapping_add(113)), K2);
    let (mut v, mut w) = ((0u64, 0u64), (0u64, 0u64));
    x = mul(x, K2).wrapping_add(u64_at(s, 0));
    // Whole blocks of 64 bytes, and then the last 64 bytes once more, mixed by another multiplier.
    let blocks = n.saturating_sub(1) / 64;
    let (mut at, mut m, mut nine) = (0usize, K1, 1);
    for block in 0..=blocks {
        if block == blocks {
            m = K1.wrapping_add((z & 0xff) << 1);
            at = n.wrapping_sub(64);
            nine = 9;
            w.0 = w.0.wrapping_add((n.wrapping_sub(1) & 63) as u64);
            v.0 = v.0.wrapping_add(w.0);
            w.0 = w.0.wrapping_add(v.0);
        }
        let word = |i: usize| u64_at(s, at.wrapping_add(8 * i));
        x = x.wrapping_add(y).wrapping_add(v.0).wrapping_add(word(1));
        x = mul(x.rotate_right(37), m);
        y = y.wrapping_add(v.1).wrapping_add(word(6));
        y = mul(y.rotate_right(42), m);
        x ^= mul(w.1, nine);
        y = y.wrapping_add(mul(v.0, nine)).wrapping_add(word(5));
        z = mul(z.wrapping_add(w.0).rotate_right(33), m);
        v = weak32(s, at, mul(v.1, m), x.wrapping_add(w.0));
        let second = y.wrapping_add(word(2));
        w = weak32(s, at.wrapping_add(32), z.wrapping_add(w.1), second);
        core::mem::swap(&mut z, &mut x);
        at = at.wrapping_add(64);
    }
    let a = hash16(v.0, w.0, m)
        .wrapping_add(mul(shift_mix(y), K0))
        .wrapping_add(z);
    hash16(a, hash16(v.1, w.1, m).wrapping_add(x), m)
}

/// Returns MurmurHash3 of a text (x86, 32 bits) from `seed`, as scikit-learn's `FeatureHasher` has it.
#[inline(never)]
#[must_use]
pub fn murmur3(s: &[u8], seed: u32) -> u32 {
    let scramble = |k: u32| {
        k.wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let (words, rest) = s.as_chunks::<4>();
    let mut h = seed;
    for word in words {
        h ^= scramble(u32::from_le_bytes(*word));
        h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = rest
        .iter()
        .rev()
        .fold(0, |k: u32, b| k << 8 | u32::from(*b));
    h ^= scramble(tail) ^ s.len() as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// Returns the bucket of `n` that MurmurHash3 from seed 0, read as signed, puts a text into by its size.
#[must_use]
pub fn murmur_bucket(s: &[u8], n: u32) -> u32 {
    let size = (murmur3(s, 0) as i32).unsigned_abs();
    size.checked_rem(n).unwrap_or(0)
}

/// Returns SipHash-2-4 of a text with a key (the two words of each half, low first), which is what TensorFlow calls strong hash buckets and what
/// Keras hashes with where a salt is given.
#[inline(never)]
#[must_use]
pub fn sip24(s: &[u8], key: [[u32; 2]; 2]) -> u64 {
    let [k0, k1] = key.map(|[low, high]| u64::from(high) << 32 | u64::from(low));
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = s.as_chunks::<8>();
    let tail = rest
        .iter()
        .rev()
        .fold(0, |k: u64, b| k << 8 | u64::from(*b));
    let tail = tail | (s.len() as u64) << 56;
    for word in words.iter().map(|w| u64::from_le_bytes(*w)).chain([tail]) {
        v[3] ^= word;
        sip_round(&mut v);
        sip_round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        sip_round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline(never)]
fn sip_round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}
