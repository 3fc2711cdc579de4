//! From fields to codes: places among sorted keys, buckets, and hashes of tokens.

/// Returns the place of `key` among ascending `keys`. It takes as many steps for every key.
#[inline(never)]
pub fn find(keys: &[u32], key: u32) -> Option<u32> {
    let (at, rest) = last_not_above(keys, |k| *k <= key);
    (rest.first() == Some(&key)).then_some(at)
}

/// Returns how many of the ascending `bounds` are not above `x`, all of them where `x` is NaN.
///
/// Floats are compared as integers of the same order, which a core without a float unit does in a few
/// instructions, the same number for every value.
#[inline(never)]
pub fn bucket_f32(bounds: &[f32], x: f32) -> u32 {
    let x = ordered(x);
    bucket(bounds, |b| ordered(*b) <= x)
}

/// Returns how many of the ascending `bounds` are not above `x`.
#[inline(never)]
pub fn bucket_i32(bounds: &[i32], x: i32) -> u32 {
    bucket(bounds, |b| *b <= x)
}

#[inline(always)]
fn bucket<T>(bounds: &[T], not_above: impl Fn(&T) -> bool) -> u32 {
    let (at, rest) = last_not_above(bounds, &not_above);
    let more = rest.first().is_some_and(not_above);
    at.wrapping_add(u32::from(more))
}

/// Returns the place of the last of ascending `keys` that is not above what is looked for (0 where all
/// are above), and the keys from there on. The number of steps depends on the number of keys alone.
#[inline(always)]
fn last_not_above<T>(keys: &[T], not_above: impl Fn(&T) -> bool) -> (u32, &[T]) {
    let (mut at, mut rest) = (0u32, keys);
    while rest.len() > 1 {
        let half = rest.len() / 2;
        // Both choices have the same length, so that no key ends the search sooner than another.
        let (Some(low), Some(high)) = (rest.get(..rest.len() - half), rest.get(half..)) else {
            break;
        };
        let up = high.first().is_some_and(&not_above);
        rest = if up { high } else { low };
        at = at.wrapping_add(if up { half as u32 } else { 0 });
    }
    (at, rest)
}

/// Returns an integer that has the order of the floats: −0 is 0, NaN is above all.
#[inline(always)]
const fn ordered(x: f32) -> i32 {
    let bits = x.to_bits();
    let size = (bits & 0x7fff_ffff) as i32;
    if size > 0x7f80_0000 {
        i32::MAX
    } else if bits >> 31 != 0 {
        -size
    } else {
        size
    }
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
