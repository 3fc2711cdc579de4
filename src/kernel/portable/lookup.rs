//! From fields to codes: places among sorted keys, buckets, and hashes of tokens.

use super::fixed::{Masks, select};

/// Returns the place of `key` among ascending `keys`. It takes as many steps for every key.
#[inline(never)]
pub fn find(keys: &[u32], key: u32) -> Option<u32> {
    let masks = Masks::new();
    let at = last_not_above(keys, |k| masks.less(unsigned(key), unsigned(k)));
    (keys.get(at as usize) == Some(&key)).then_some(at)
}

/// Returns how many of the ascending `bounds` are not above `x`, all of them where `x` is NaN.
///
/// Floats are compared as integers of the same order, which a core without a float unit does in a few
/// instructions, the same number for every value.
#[inline(never)]
pub fn bucket_f32(bounds: &[f32], x: f32) -> u32 {
    let masks = Masks::new();
    let x = ordered(masks, x);
    bucket(bounds, |b| masks.less(x, ordered(masks, b)))
}

/// Returns how many of the ascending `bounds` are not above `x`.
#[inline(never)]
pub fn bucket_i32(bounds: &[i32], x: i32) -> u32 {
    let masks = Masks::new();
    bucket(bounds, |b| masks.less(x, b))
}

#[inline(always)]
fn bucket<T: Copy>(bounds: &[T], above: impl Fn(T) -> u32) -> u32 {
    let at = last_not_above(bounds, &above);
    let more = bounds.get(at as usize).map_or(0, |b| !above(*b) & 1);
    at.wrapping_add(more)
}

/// Returns the place of the last of ascending `keys` that is not above what is looked for; 0 where all
/// are above. `above` has all ones for a key that is. The number of steps depends on the number of keys
/// alone, and so do the instructions: masks choose, where a core may have only branches.
#[inline(always)]
fn last_not_above<T: Copy>(keys: &[T], above: impl Fn(T) -> u32) -> u32 {
    let (mut at, mut len) = (0u32, keys.len() as u32);
    while len > 1 {
        let half = len / 2;
        // Both choices have the same length, so that no key ends the search sooner than another.
        let Some(key) = keys.get(at.wrapping_add(half) as usize) else {
            break;
        };
        at = at.wrapping_add(half & !above(*key));
        len = len.wrapping_sub(half);
    }
    at
}

/// An unsigned number as a signed one of the same order.
#[inline(always)]
const fn unsigned(v: u32) -> i32 {
    (v ^ 0x8000_0000) as i32
}

/// Returns an integer that has the order of the floats: −0 is 0, NaN is above all.
#[inline(always)]
fn ordered(masks: Masks, x: f32) -> i32 {
    let bits = x.to_bits();
    let size = bits & 0x7fff_ffff;
    let nan = masks.less(0x7f80_0000, size as i32);
    let sign = masks.negative(bits as i32) & !nan;
    // A negative float has minus its size; NaN has all bits but the sign.
    let size = select(nan, 0x7fff_ffff, size);
    (size ^ sign).wrapping_sub(sign) as i32
}

/// Returns the hash that stands for a token of a vocabulary: FNV-1a that starts from `seed`.
#[inline(never)]
#[must_use]
pub fn token(seed: u32, text: &[u8]) -> u32 {
    text.iter()
        .fold(seed, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

/// Returns the place of the token whose hash `text` has, if it is `text`. Each token ends at `ends` in
/// `tokens`, in the order of the hashes.
#[inline(never)]
pub fn exact(hashes: &[u32], ends: &[u16], tokens: &[u8], seed: u32, text: &[u8]) -> Option<u32> {
    let at = find(hashes, token(seed, text))?;
    let end = usize::from(*ends.get(at as usize)?);
    let before = (at as usize).checked_sub(1).and_then(|b| ends.get(b));
    let start = before.map_or(0, |e| usize::from(*e));
    (tokens.get(start..end)? == text).then_some(at)
}
