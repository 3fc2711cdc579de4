//! What takes elements by their size, and what puts elements at places.

use super::super::Texts;
use super::tensor::{Tensor, axis, each};

/// Places from the largest element to the smallest; of equal ones the first leads.
fn ranking(line: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..line.len()).collect();
    // The sort is stable.
    places.sort_by(|a, b| line[*b].total_cmp(&line[*a]));
    places
}

/// The `k` largest along an axis, and where they stand.
pub(super) fn top_k(x: &Tensor, k: &[i64], along: i64) -> Result<Vec<Tensor>, String> {
    let along = axis(along, x.rank())?;
    let k = k.first().and_then(|k| usize::try_from(*k).ok());
    let k = k
        .filter(|k| *k <= x.shape[along])
        .ok_or("takes more elements than there are")?;
    let values = x.lines(along, k, |line| {
        Ok(ranking(line).iter().take(k).map(|p| line[*p]).collect())
    })?;
    let places = x.lines(along, k, |line| {
        Ok(ranking(line).iter().take(k).map(|p| *p as f64).collect())
    })?;
    Ok(vec![values, places])
}

/// Where the largest along an axis stands; the axis stays, of size 1.
pub(super) fn largest(x: &Tensor, along: i64) -> Result<Tensor, String> {
    x.lines(axis(along, x.rank())?, 1, |line| {
        let place = ranking(line).first().map(|p| *p as f64);
        Ok(vec![place.ok_or("takes the largest of nothing")?])
    })
}

/// Rows along a new axis that hold the second value at an index, and the first elsewhere; an index
/// beyond them makes a row of the first, and so does a negative one unless it `wraps`.
pub(super) fn one_hot(
    indices: &Tensor,
    depth: &[i64],
    values: &Tensor,
    along: i64,
    wraps: bool,
) -> Result<Tensor, String> {
    let along = axis(along, indices.rank() + 1)?;
    let [depth] = *depth else {
        return Err("makes rows of several lengths".into());
    };
    let [off, on] = values.data[..] else {
        return Err("needs two numbers: one for elsewhere and one for the place".into());
    };
    let mut shape = indices.shape.clone();
    shape.insert(
        along,
        usize::try_from(depth).map_err(|_| "makes rows of no length")?,
    );
    indices.whole()?;
    Tensor::build(&shape, |at| {
        let mut own = at.to_vec();
        let place = own.remove(along) as f64;
        let index = indices.at(&own)?;
        let hit = index == place || wraps && index + depth as f64 == place;
        Ok(if hit { on } else { off })
    })
}

/// `x` with updates put where indices of an axis say; on the other axes they stand where the
/// updates do.
pub(super) fn scatter(
    x: &Tensor,
    indices: &Tensor,
    updates: &Tensor,
    along: i64,
) -> Result<Tensor, String> {
    let along = axis(along, x.rank())?;
    if indices.shape != updates.shape {
        return Err("has not as many updates as indices".into());
    }
    indices.whole()?;
    let mut made = x.clone();
    each(&indices.shape, |at| {
        let index = indices.at(at)? as i64;
        let mut to = at.to_vec();
        let to_axis = to
            .get_mut(along)
            .ok_or("has indices of fewer axes than its input")?;
        *to_axis = axis(index, x.shape[along])
            .map_err(|_| format!("puts an element at {index} of {}", x.shape[along]))?;
        let place = made.place(&to)?;
        made.data[place] = updates.at(at)?;
        Ok(())
    })?;
    Ok(made)
}

/// By element the value beside the key that it is, or the default.
pub(super) fn find(x: &Tensor, [keys, values, default]: [&Tensor; 3]) -> Result<Tensor, String> {
    if keys.data.len() != values.data.len() {
        return Err("has not as many values as keys".into());
    }
    let [default] = default.data[..] else {
        return Err("has several values for what is none of its keys".into());
    };
    let of = |v: &f64| {
        let place = keys.data.iter().position(|key| key == v);
        place.map_or(default, |at| values.data[at])
    };
    Tensor::new(&x.shape, x.data.iter().map(of).collect())
}

/// The bucket of each text.
pub(super) fn hash(x: &Tensor, buckets: u32, texts: &Texts) -> Result<Tensor, String> {
    let bucket = |number: &f64| {
        let hash = farmhash::fingerprint64(texts.text(*number).as_bytes());
        let bucket = hash.checked_rem(u64::from(buckets));
        bucket.map(|b| b as f64).ok_or("hashes into no buckets")
    };
    let data = x.data.iter().map(bucket).collect::<Result<_, _>>()?;
    Tensor::new(&x.shape, data)
}
