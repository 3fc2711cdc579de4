//! What takes elements by their places, or places by their elements.

use super::Array;
use super::layout::{self, axis, sizes, volume};
use super::run::{Domain, Walk};

/// Only groups that lie side by side are compared.
const NOT_LAST: &str = "takes the largest along an axis that is not the last";

impl<D: Domain> Walk<'_, D> {
    /// The `k` largest along an axis, and where they stand.
    pub(super) fn largest(
        &mut self,
        x: &Array<D::Number>,
        k: &[i64],
        along: i64,
    ) -> Result<Vec<Array<D::Number>>, String> {
        let along = axis(along, x.shape.len())?;
        let (_, size, inner) = layout::around(&x.shape, along);
        let k = k.first().and_then(|k| usize::try_from(*k).ok());
        let k = k
            .filter(|k| *k <= size)
            .ok_or("takes more elements than there are")?;
        if inner != 1 {
            return Err(NOT_LAST.into());
        }
        let mut shape = x.shape.clone();
        shape[along] = k;
        let (mut values, mut indices) = (Vec::new(), Vec::new());
        for group in x.data.chunks_exact(size.max(1)) {
            let chosen = self.domain.top_k(group, k)?;
            values.extend(chosen.values);
            indices.extend(chosen.indices);
        }
        let made = [values, indices].map(|data| Array {
            shape: shape.clone(),
            data,
        });
        Ok(made.into())
    }

    /// Where the largest along an axis stands.
    pub(super) fn place_of_largest(
        &mut self,
        x: &Array<D::Number>,
        along: i64,
        keep: bool,
    ) -> Result<Array<D::Number>, String> {
        let along = axis(along, x.shape.len())?;
        let (_, size, inner) = layout::around(&x.shape, along);
        if inner != 1 || size == 0 {
            return Err(NOT_LAST.into());
        }
        let mut data = Vec::with_capacity(x.data.len() / size);
        for group in x.data.chunks_exact(size) {
            data.extend(self.domain.top_k(group, 1)?.indices);
        }
        let mut shape = x.shape.clone();
        shape[along] = 1;
        let y = Array { shape, data };
        if keep {
            return Ok(y);
        }
        layout::squeeze(&y, &[along as i64])
    }

    /// Rows of `depth` elements that hold the second of `values` at an index and the first elsewhere;
    /// `made`: the program's value that they are.
    pub(super) fn one_hot(
        &mut self,
        at: &Array<D::Number>,
        depth: &[i64],
        values: &Array<D::Number>,
        along: i64,
        made: usize,
    ) -> Result<Array<D::Number>, String> {
        let along = axis(along, at.shape.len() + 1)?;
        let size = sizes(depth)?.first().copied().unwrap_or(0);
        let [off, on] = values.data[..] else {
            return Err("needs two numbers: one for elsewhere and one for the place".into());
        };
        if along != at.shape.len() {
            return Err("makes rows along an axis that is not the last".into());
        }
        let shape = [&at.shape[..], &[size]].concat();
        let count = volume(&shape)?;
        // An id of the input has a row in a table of such rows.
        if size > 0 && at.data.iter().any(|i| D::known(*i).is_none()) {
            let cells = volume(&[size, size])?;
            let cell = |i: usize| if i / size == i % size { on } else { off };
            let table = Array {
                shape: vec![size, size],
                data: (0..cells).map(cell).collect(),
            };
            if let Ok(found) = self.lookup(made, 0, &table, at) {
                return Ok(found);
            }
        }
        let mut data = Vec::with_capacity(count);
        for index in &at.data {
            let row = vec![off; size];
            let inside = |i: f64| i >= -(size as f64) && i < size as f64;
            if D::known(*index).is_none_or(inside) {
                data.extend(self.domain.scatter(&row, &[*index], &[on])?);
            } else {
                data.extend(row);
            }
        }
        Ok(Array { shape, data })
    }

    /// `x` with the elements `at` along an axis replaced.
    pub(super) fn scatter(
        &mut self,
        x: &Array<D::Number>,
        at: &Array<D::Number>,
        new: &Array<D::Number>,
        along: i64,
    ) -> Result<Array<D::Number>, String> {
        let along = axis(along, x.shape.len())?;
        let last = along + 1 == x.shape.len() && at.shape == new.shape;
        if !last || at.shape.get(..along) != x.shape.get(..along) {
            return Err("puts elements along an axis that is not the last".into());
        }
        let (size, count) = (x.shape[along].max(1), at.shape[along].max(1));
        let mut data = Vec::with_capacity(x.data.len());
        let lists = at
            .data
            .chunks_exact(count)
            .zip(new.data.chunks_exact(count));
        for (x, (at, new)) in x.data.chunks_exact(size).zip(lists) {
            data.extend(self.domain.scatter(x, at, new)?);
        }
        volume(&x.shape)?;
        if data.len() != x.data.len() {
            return Err("puts elements into some rows only".into());
        }
        Ok(Array {
            shape: x.shape.clone(),
            data,
        })
    }

    /// Rows of a table at indices that the input says.
    pub(super) fn lookup(
        &mut self,
        value: usize,
        along: usize,
        table: &Array<D::Number>,
        at: &Array<D::Number>,
    ) -> Result<Array<D::Number>, String> {
        let why = "takes indices or sizes from the input's values";
        let known: Option<Vec<f64>> = table.data.iter().map(|x| D::known(*x)).collect();
        let rows = known.filter(|_| along == 0).ok_or(why)?;
        let width = volume(&table.shape[1..])?;
        let shape = [&at.shape[..], &table.shape[1..]].concat();
        let count = volume(&shape)?;
        self.step(count)?;
        let mut data = Vec::with_capacity(count);
        for index in &at.data {
            data.extend(self.domain.lookup(value, &rows, width, *index)?);
        }
        Ok(Array { shape, data })
    }
}
