//! Operations that only move elements about. Each says of an index of its result which element of
//! its input stands there.

use super::tensor::{Tensor, axis, common_shape, count, marked};

/// Sizes or numbers of elements, none of which may be negative.
pub(super) fn sizes(list: &[i64]) -> Result<Vec<usize>, String> {
    let size = |s: &i64| usize::try_from(*s).map_err(|_| format!("asks for the sizes {list:?}"));
    list.iter().map(size).collect()
}

/// One size of −1 is what is left over, and a 0 keeps the input's unless `zero`.
pub(super) fn reshape(x: &Tensor, to: &[i64], zero: bool) -> Result<Tensor, String> {
    let mut to = to.to_vec();
    for (a, size) in to.iter_mut().enumerate() {
        if *size == 0 && !zero {
            let own = x.shape.get(a).ok_or("keeps an axis that there is not")?;
            *size = *own as i64;
        }
    }
    if let Some(open) = to.iter().position(|s| *s == -1) {
        to[open] = 1;
        let others = count(&sizes(&to)?)?;
        to[open] = x.data.len().checked_div(others).unwrap_or(0) as i64;
    }
    x.with_shape(&sizes(&to)?)
}

pub(super) fn flatten(x: &Tensor, first: i64) -> Result<Tensor, String> {
    // The axis behind the last is allowed as well.
    let first = axis(first, x.rank() + 1 - usize::from(first < 0))?;
    let (before, behind) = x.shape.split_at(first);
    x.with_shape(&[count(before)?, count(behind)?])
}

/// An empty list is all axes of size 1.
pub(super) fn squeeze(x: &Tensor, list: &[i64]) -> Result<Tensor, String> {
    let named = marked(list, x.rank())?;
    let mut shape = Vec::new();
    for (size, named) in x.shape.iter().zip(named) {
        match (named, list.is_empty(), *size) {
            (true, _, 1) | (false, true, 1) => {}
            (true, ..) => return Err(format!("removes an axis of {size} elements")),
            (false, ..) => shape.push(*size),
        }
    }
    x.with_shape(&shape)
}

pub(super) fn unsqueeze(x: &Tensor, list: &[i64]) -> Result<Tensor, String> {
    let new = marked(list, x.rank() + list.len())?;
    let mut own = x.shape.iter().copied();
    let size = |new| if new { Some(1) } else { own.next() };
    let shape: Option<Vec<usize>> = new.into_iter().map(size).collect();
    x.with_shape(&shape.ok_or("adds axes where there are none")?)
}

/// The result's axis `i` is the input's axis `order[i]`.
pub(super) fn transpose(x: &Tensor, order: &[i64]) -> Result<Tensor, String> {
    if order.len() != x.rank() {
        return Err(format!("orders {order:?} of the axes of {:?}", x.shape));
    }
    marked(order, x.rank())?;
    let order: Vec<usize> = order
        .iter()
        .map(|a| axis(*a, x.rank()))
        .collect::<Result<_, _>>()?;
    let shape: Vec<usize> = order.iter().map(|a| x.shape[*a]).collect();
    let mut own = vec![0; x.rank()];
    Tensor::build(&shape, |at| {
        for (a, i) in order.iter().zip(at) {
            own[*a] = *i;
        }
        x.at(&own)
    })
}

pub(super) fn concat(parts: &[&Tensor], along: i64) -> Result<Tensor, String> {
    let first = parts.first().ok_or("joins nothing")?;
    let along = axis(along, first.rank())?;
    let mut shape = first.shape.clone();
    shape[along] = 0;
    for part in parts {
        let others = |t: &Tensor| {
            let sizes = t.shape.iter().enumerate();
            sizes
                .filter(|(a, _)| *a != along)
                .map(|(_, s)| *s)
                .collect::<Vec<_>>()
        };
        if part.rank() != first.rank() || others(part) != others(first) {
            return Err(format!(
                "joins tensors of {:?} and {:?}",
                first.shape, part.shape
            ));
        }
        shape[along] = shape[along].saturating_add(part.shape[along]);
    }
    Tensor::build(&shape, |at| {
        let mut own = at.to_vec();
        for part in parts {
            match own[along].checked_sub(part.shape[along]) {
                None => return part.at(&own),
                Some(beyond) => own[along] = beyond,
            }
        }
        Err("reads behind what it joins".into())
    })
}

pub(super) fn stack(parts: &[&Tensor], along: i64) -> Result<Tensor, String> {
    let parts: Vec<Tensor> = parts
        .iter()
        .map(|p| unsqueeze(p, &[along]))
        .collect::<Result<_, _>>()?;
    concat(&parts.iter().collect::<Vec<_>>(), along)
}

/// By axis: the indices that are taken.
fn pick(x: &Tensor, taken: &[Vec<usize>]) -> Result<Tensor, String> {
    let shape: Vec<usize> = taken.iter().map(Vec::len).collect();
    Tensor::build(&shape, |at| {
        let own: Vec<usize> = taken.iter().zip(at).map(|(list, i)| list[*i]).collect();
        x.at(&own)
    })
}

/// All indices of all axes.
fn whole(x: &Tensor) -> Vec<Vec<usize>> {
    x.shape.iter().map(|size| (0..*size).collect()).collect()
}

/// Parts of these sizes; an empty list is `parts` alike, of which the last may be smaller.
pub(super) fn split(
    x: &Tensor,
    along: i64,
    given: &[i64],
    parts: usize,
) -> Result<Vec<Tensor>, String> {
    let along = axis(along, x.rank())?;
    let mut rest = 0..x.shape[along];
    let given = if given.is_empty() {
        let each = rest.len().div_ceil(parts.max(1));
        let last = rest.len().saturating_sub(each * parts.saturating_sub(1));
        (1..=parts)
            .map(|part| if part == parts { last } else { each })
            .collect()
    } else {
        sizes(given)?
    };
    let uneven = || format!("splits an axis of {} into {given:?}", x.shape[along]);
    let mut made = Vec::new();
    for size in &given {
        let mut taken = whole(x);
        taken[along] = rest.by_ref().take(*size).collect();
        if taken[along].len() != *size {
            return Err(uneven());
        }
        made.push(pick(x, &taken)?);
    }
    if rest.is_empty() {
        Ok(made)
    } else {
        Err(uneven())
    }
}

/// One piece per index of an axis, without the axis.
pub(super) fn unstack(x: &Tensor, along: i64) -> Result<Vec<Tensor>, String> {
    let pieces = x.shape[axis(along, x.rank())?];
    let ones = vec![1; pieces];
    let parts = split(x, along, &ones, pieces)?;
    parts.iter().map(|p| squeeze(p, &[along])).collect()
}

/// The indices from a start to before an end, which negative numbers count from behind and which
/// are cut to what there is.
fn range(start: i64, end: i64, step: i64, size: usize) -> Result<Vec<usize>, String> {
    let size = size as i64;
    let (low, high) = if step < 0 { (-1, size - 1) } else { (0, size) };
    let cut = |v: i64| {
        (if v < 0 { v.saturating_add(size) } else { v })
            .max(low)
            .min(high)
    };
    let (mut at, end) = (cut(start), cut(end));
    let mut taken = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        taken.push(usize::try_from(at).map_err(|_| "reads before the first element")?);
        at = at.saturating_add(step);
    }
    if step == 0 {
        return Err("slices with a step of 0".into());
    }
    Ok(taken)
}

pub(super) fn slice(
    x: &Tensor,
    [starts, ends]: [&[i64]; 2],
    axes: Option<&[i64]>,
    steps: Option<&[i64]>,
) -> Result<Tensor, String> {
    let all: Vec<i64> = (0..starts.len() as i64).collect();
    let axes = axes.unwrap_or(&all);
    let ones = vec![1; starts.len()];
    let steps = steps.unwrap_or(&ones);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("has not as many starts as ends, axes and steps".into());
    }
    marked(axes, x.rank())?;
    let mut taken = whole(x);
    for (number, a) in axes.iter().enumerate() {
        let a = axis(*a, x.rank())?;
        taken[a] = range(starts[number], ends[number], steps[number], x.shape[a])?;
    }
    pick(x, &taken)
}

/// A size of −1 is the rest.
pub(super) fn slice_size(x: &Tensor, begins: &[i64], lengths: &[i64]) -> Result<Tensor, String> {
    if [begins.len(), lengths.len()] != [x.rank(); 2] {
        return Err("has not a begin and a size for each axis".into());
    }
    let mut taken = Vec::new();
    for ((begin, length), size) in begins.iter().zip(lengths).zip(&x.shape) {
        let end = match length {
            -1 => *size as i64,
            length => begin.saturating_add(*length),
        };
        if *begin < 0 || end < *begin || end > *size as i64 {
            return Err(format!("takes {begin} to {end} of an axis of {size}"));
        }
        taken.push((*begin as usize..end as usize).collect());
    }
    pick(x, &taken)
}

/// Bits of masks say where an axis begins or ends where it does, vanishes, or is new.
pub(super) struct Masks {
    pub(super) begin: i64,
    pub(super) end: i64,
    pub(super) shrink: i64,
    pub(super) new_axis: i64,
}

pub(super) fn strided_slice(
    x: &Tensor,
    [begins, ends, steps]: [&[i64]; 3],
    masks: &Masks,
) -> Result<Tensor, String> {
    if [ends.len(), steps.len()] != [begins.len(); 2] || begins.len() > 32 {
        return Err("has not as many begins as ends and strides".into());
    }
    let (mut taken, mut shape) = (Vec::new(), Vec::new());
    for (number, begin) in begins.iter().enumerate() {
        let bit = |mask: i64| mask & (1 << number) != 0;
        if bit(masks.new_axis) {
            shape.push(1);
            continue;
        }
        let size = *x
            .shape
            .get(taken.len())
            .ok_or("slices more axes than there are")?;
        if bit(masks.shrink) {
            taken.push(vec![
                axis(*begin, size).map_err(|_| format!("takes {begin} of {size}"))?,
            ]);
            continue;
        }
        let step = steps[number];
        let (first, last) = if step < 0 {
            (i64::MAX, i64::MIN)
        } else {
            (0, i64::MAX)
        };
        let begin = if bit(masks.begin) { first } else { *begin };
        let end = if bit(masks.end) { last } else { ends[number] };
        let list = range(begin, end, step, size)?;
        shape.push(list.len());
        taken.push(list);
    }
    for size in &x.shape[taken.len()..] {
        shape.push(*size);
        taken.push((0..*size).collect());
    }
    pick(x, &taken)?.with_shape(&shape)
}

/// The axis' indices are elements of a tensor, whose axes take its place.
pub(super) fn gather(x: &Tensor, along: i64, indices: &Tensor) -> Result<Tensor, String> {
    let along = axis(along, x.rank())?;
    let (before, behind) = (&x.shape[..along], &x.shape[along + 1..]);
    let shape = [before, &indices.shape, behind].concat();
    let rows = indices.whole()?;
    let size = x.shape[along];
    let rows: Vec<usize> = rows
        .iter()
        .map(|row| axis(*row, size).map_err(|_| format!("takes index {row} of an axis of {size}")))
        .collect::<Result<_, _>>()?;
    let own = indices.rank();
    Tensor::build(&shape, |at| {
        let (before, rest) = at.split_at(along);
        let (index, behind) = rest.split_at(own);
        let row = rows[indices.place(index)?];
        x.at(&[before, &[row], behind].concat())
    })
}

/// Repeats to the shape that the input and the wanted one broadcast to.
pub(super) fn expand(x: &Tensor, to: &[i64]) -> Result<Tensor, String> {
    Tensor::build(&common_shape(&[&x.shape, &sizes(to)?])?, |at| x.spread(at))
}

pub(super) fn tile(x: &Tensor, times: &[i64]) -> Result<Tensor, String> {
    let times = sizes(times)?;
    if times.len() != x.rank() {
        return Err(format!("repeats the axes of {:?} {times:?} times", x.shape));
    }
    let product = |(size, times): (&usize, &usize)| size.saturating_mul(*times);
    let shape: Vec<usize> = x.shape.iter().zip(&times).map(product).collect();
    Tensor::build(&shape, |at| {
        let own: Vec<usize> = at.iter().zip(&x.shape).map(|(i, size)| i % size).collect();
        x.at(&own)
    })
}
