//! Moving elements about: what reshapes, slices and their kin do, whatever the elements are.
//!
//! Every size comes from a file, so each is computed with checks, and nothing is allocated before
//! [`volume`] has found it to be within bounds.

use super::Array;

/// More elements than any array of a model for small devices has.
const MOST: usize = 1 << 22;
/// Axes beyond this are made up.
const HIGHEST_RANK: usize = 16;

/// How many elements an array of this shape has.
pub(super) fn volume(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > HIGHEST_RANK {
        return Err(format!("makes an array of {} axes", shape.len()));
    }
    shape
        .iter()
        .try_fold(1usize, |n, s| n.checked_mul(*s))
        .filter(|n| *n <= MOST)
        .ok_or_else(|| format!("makes an array of {shape:?} elements, which is too large"))
}

/// An axis that may be counted from the last, as an index below `rank`.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let rank_signed = rank as i64;
    let found = if axis < 0 {
        axis.saturating_add(rank_signed)
    } else {
        axis
    };
    usize::try_from(found)
        .ok()
        .filter(|a| *a < rank)
        .ok_or_else(|| format!("names axis {axis} of an array of {rank}"))
}

/// Several axes, none of them twice.
pub(super) fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut found = Vec::new();
    for a in list {
        let a = axis(*a, rank)?;
        if found.contains(&a) {
            return Err(format!("names axis {a} twice"));
        }
        found.push(a);
    }
    Ok(found)
}

/// Sizes before an axis, of it, and behind it.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    let outer = shape[..axis].iter().product();
    let inner = shape[axis + 1..].iter().product();
    (outer, shape[axis], inner)
}

pub(super) fn reshape<N: Copy>(x: &Array<N>, to: &[i64], zero: bool) -> Result<Array<N>, String> {
    let mut shape = Vec::with_capacity(to.len().min(HIGHEST_RANK));
    let mut open = None;
    for (at, size) in to.iter().enumerate() {
        shape.push(match *size {
            -1 if open.is_none() => {
                open = Some(at);
                1
            }
            0 if !zero => *x
                .shape
                .get(at)
                .ok_or("keeps an axis that the array does not have")?,
            size => usize::try_from(size).map_err(|_| format!("asks for the shape {to:?}"))?,
        });
    }
    let known = volume(&shape)?;
    if let Some(at) = open {
        shape[at] = x.data.len().checked_div(known).unwrap_or(0);
    }
    if volume(&shape)? != x.data.len() {
        return Err(format!("makes {to:?} of an array of shape {:?}", x.shape));
    }
    Ok(Array {
        shape,
        data: x.data.clone(),
    })
}

/// For each axis of `shape` how far apart its neighbours lie.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for at in (1..shape.len()).rev() {
        strides[at - 1] = strides[at] * shape[at];
    }
    strides
}

/// An array of this shape whose element at `index` is element `of(index)` of `x`.
fn gathered<N: Copy>(
    x: &Array<N>,
    shape: Vec<usize>,
    of: impl Fn(&[usize]) -> usize,
) -> Result<Array<N>, String> {
    let count = volume(&shape)?;
    let mut index = vec![0; shape.len()];
    let mut data = Vec::with_capacity(count);
    for _ in 0..count {
        data.push(*x.data.get(of(&index)).ok_or("reaches beyond its input")?);
        for at in (0..shape.len()).rev() {
            index[at] += 1;
            if index[at] < shape[at] {
                break;
            }
            index[at] = 0;
        }
    }
    Ok(Array { shape, data })
}

pub(super) fn transpose<N: Copy>(x: &Array<N>, order: &[usize]) -> Result<Array<N>, String> {
    if order.len() != x.shape.len() {
        return Err(format!("orders {} axes of {}", order.len(), x.shape.len()));
    }
    let from = strides(&x.shape);
    let shape = order.iter().map(|a| x.shape[*a]).collect();
    gathered(x, shape, |index| {
        index.iter().zip(order).map(|(i, a)| i * from[*a]).sum()
    })
}

/// The shape that two shapes broadcast to.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], at: usize| (at + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    let shape: Vec<usize> = (0..rank)
        .map(|at| match (size(a, at), size(b, at)) {
            (1, n) | (n, 1) => Ok(n),
            (n, m) if n == m => Ok(n),
            _ => Err(format!("combines arrays of shapes {a:?} and {b:?}")),
        })
        .collect::<Result<_, _>>()?;
    volume(&shape)?;
    Ok(shape)
}

/// Repeats `x` to a shape that it broadcasts to.
pub(super) fn broadcast<N: Copy>(x: &Array<N>, shape: &[usize]) -> Result<Array<N>, String> {
    if x.shape == shape {
        return Ok(x.clone());
    }
    if broadcast_shape(&x.shape, shape)? != shape {
        return Err(format!(
            "repeats an array of shape {:?} to {shape:?}",
            x.shape
        ));
    }
    let from = strides(&x.shape);
    let skip = shape.len() - x.shape.len();
    gathered(x, shape.to_vec(), |index| {
        let own = index[skip..].iter().zip(&x.shape).zip(&from);
        own.map(|((i, size), stride)| if *size == 1 { 0 } else { i * stride })
            .sum()
    })
}

pub(super) fn concat<N: Copy>(parts: &[&Array<N>], along: i64) -> Result<Array<N>, String> {
    let first = parts.first().ok_or("joins nothing")?;
    let along = axis(along, first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[along] = 0;
    for part in parts {
        let alike = part.shape.len() == shape.len()
            && (0..shape.len()).all(|a| a == along || part.shape[a] == shape[a]);
        if !alike {
            return Err(format!(
                "joins arrays of shapes {:?} and {:?}",
                first.shape, part.shape
            ));
        }
        shape[along] += part.shape[along];
    }
    let mut data = Vec::with_capacity(volume(&shape)?);
    let (outer, _, inner) = around(&shape, along);
    for o in 0..outer {
        for part in parts {
            let run = part.shape[along] * inner;
            data.extend_from_slice(&part.data[o * run..(o + 1) * run]);
        }
    }
    Ok(Array { shape, data })
}

/// The elements at these indices of an axis.
pub(super) fn take<N: Copy>(x: &Array<N>, along: usize, at: &[usize]) -> Result<Array<N>, String> {
    let (outer, size, inner) = around(&x.shape, along);
    if let Some(i) = at.iter().find(|i| **i >= size) {
        return Err(format!("takes index {i} of an axis of {size}"));
    }
    let mut shape = x.shape.clone();
    shape[along] = at.len();
    let mut data = Vec::with_capacity(volume(&shape)?);
    for o in 0..outer {
        for i in at {
            let start = (o * size + i) * inner;
            data.extend_from_slice(&x.data[start..start + inner]);
        }
    }
    Ok(Array { shape, data })
}

/// The indices that a slice takes of an axis; ends beyond it are its end.
pub(super) fn slice_indices(
    start: i64,
    end: i64,
    step: i64,
    size: usize,
) -> Result<Vec<usize>, String> {
    let size = size as i64;
    let clamp = |v: i64, low: i64, high: i64| {
        let v = if v < 0 { v.saturating_add(size) } else { v };
        v.clamp(low, high)
    };
    let (mut at, end) = match step {
        0 => return Err("slices with a step of 0".into()),
        1.. => (clamp(start, 0, size), clamp(end, 0, size)),
        // An end before the first element is written as a number far below 0.
        _ if end < -size => (clamp(start, -1, size - 1), -1),
        _ => (clamp(start, -1, size - 1), clamp(end, -1, size - 1)),
    };
    let mut indices = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        indices.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    Ok(indices)
}

/// Without these axes, which must have size 1.
pub(super) fn squeeze<N: Copy>(x: &Array<N>, list: &[i64]) -> Result<Array<N>, String> {
    let rank = x.shape.len();
    let gone = if list.is_empty() {
        (0..rank).filter(|a| x.shape[*a] == 1).collect()
    } else {
        axes(list, rank)?
    };
    if let Some(a) = gone.iter().find(|a| x.shape[**a] != 1) {
        return Err(format!(
            "removes axis {a} of an array of shape {:?}",
            x.shape
        ));
    }
    let shape = (0..rank)
        .filter(|a| !gone.contains(a))
        .map(|a| x.shape[a])
        .collect();
    Ok(Array {
        shape,
        data: x.data.clone(),
    })
}

/// With axes of size 1 at these places of the result.
pub(super) fn unsqueeze<N: Copy>(x: &Array<N>, list: &[i64]) -> Result<Array<N>, String> {
    let rank = x.shape.len() + list.len();
    let new = axes(list, rank)?;
    let mut old = x.shape.iter();
    let shape: Vec<usize> = (0..rank)
        .map(|a| {
            if new.contains(&a) {
                1
            } else {
                old.next().copied().unwrap_or(1)
            }
        })
        .collect();
    volume(&shape)?;
    Ok(Array {
        shape,
        data: x.data.clone(),
    })
}

pub(super) fn sizes(list: &[i64]) -> Result<Vec<usize>, String> {
    let size = |s: &i64| usize::try_from(*s).map_err(|_| format!("asks for the shape {list:?}"));
    list.iter().map(size).collect()
}

pub(super) fn filled<N: Copy>(shape: &[i64], value: N) -> Result<Array<N>, String> {
    let shape = sizes(shape)?;
    let data = vec![value; volume(&shape)?];
    Ok(Array { shape, data })
}

/// Parts of these sizes, or `count` alike.
pub(super) fn split<N: Copy>(
    x: &Array<N>,
    along: usize,
    given: &[i64],
    count: usize,
) -> Result<Vec<Array<N>>, String> {
    let size = x.shape[along];
    let parts = if given.is_empty() {
        let each = size.div_ceil(count.max(1));
        (0..count)
            .map(|p| each.min(size.saturating_sub(p * each)))
            .collect()
    } else {
        sizes(given)?
    };
    if parts.iter().try_fold(0usize, |sum, p| sum.checked_add(*p)) != Some(size) {
        return Err(format!("splits an axis of {size} into {parts:?}"));
    }
    let mut start = 0;
    let mut piece = |part: usize| {
        let at: Vec<usize> = (start..start + part).collect();
        start += part;
        take(x, along, &at)
    };
    parts.into_iter().map(&mut piece).collect()
}

/// A slice as TensorFlow has it: `[begin, end, step]` per axis, `masks` for begin, end, shrink and
/// new axis.
pub(super) fn strided<N: Copy>(
    x: &Array<N>,
    [begins, ends, steps]: [&[i64]; 3],
    [begin_mask, end_mask, shrink, new_axis]: [i64; 4],
) -> Result<Array<N>, String> {
    let set = |mask: i64, at: usize| at < 63 && mask >> at & 1 == 1;
    let (mut y, mut along) = (x.clone(), 0);
    let mut gone = Vec::new();
    for (at, ((begin, end), step)) in begins.iter().zip(ends).zip(steps).enumerate() {
        if set(new_axis, at) {
            y = unsqueeze(&y, &[along as i64])?;
            along += 1;
            continue;
        }
        let here = axis(along as i64, y.shape.len())?;
        let size = y.shape[here];
        let indices = if set(shrink, at) {
            gone.push(here as i64);
            let index = if *begin < 0 {
                begin.saturating_add(size as i64)
            } else {
                *begin
            };
            vec![usize::try_from(index).map_err(|_| format!("takes index {begin} of {size}"))?]
        } else {
            let (first, last) = if *step < 0 {
                (i64::MAX, i64::MIN)
            } else {
                (0, i64::MAX)
            };
            let begin = if set(begin_mask, at) { first } else { *begin };
            let end = if set(end_mask, at) { last } else { *end };
            slice_indices(begin, end, *step, size)?
        };
        y = take(&y, here, &indices)?;
        along += 1;
    }
    if gone.is_empty() {
        return Ok(y);
    }
    squeeze(&y, &gone)
}
