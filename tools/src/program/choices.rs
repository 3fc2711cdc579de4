//! What takes elements by their places, or places by their elements.

use super::codes::Reads;
use super::elements::Element;
use super::layout::{self, axis, sizes, volume};
use super::run::Walk;
use super::{Array, Binary};

/// Only groups that lie side by side are compared.
const NOT_LAST: &str = "takes the largest along an axis that is not the last";

impl Walk<'_> {
    /// The `k` largest along an axis, and where they stand.
    pub(super) fn largest(
        &mut self,
        x: &Array<Element>,
        k: &[i64],
        along: i64,
    ) -> Result<Vec<Array<Element>>, String> {
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
            let chosen = self.symbols.top_k(group, k)?;
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
        x: &Array<Element>,
        along: i64,
        keep: bool,
    ) -> Result<Array<Element>, String> {
        let along = axis(along, x.shape.len())?;
        let (_, size, inner) = layout::around(&x.shape, along);
        if inner != 1 || size == 0 {
            return Err(NOT_LAST.into());
        }
        let mut data = Vec::with_capacity(x.data.len() / size);
        for group in x.data.chunks_exact(size) {
            data.extend(self.symbols.top_k(group, 1)?.indices);
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
        at: &Array<Element>,
        depth: &[i64],
        values: &Array<Element>,
        (along, wraps): (i64, bool),
        made: usize,
    ) -> Result<Array<Element>, String> {
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
        let of_input =
            |i: &Element| matches!(i, Element::Of { id, .. } if self.symbols.is_raw(*id));
        if size > 0 && at.data.iter().all(of_input) {
            let cells = volume(&[size, size])?;
            let cell = |i: usize| if i / size == i % size { on } else { off };
            let table = Array {
                shape: vec![size, size],
                data: (0..cells).map(cell).collect(),
            };
            return self.lookup(made, 0, &table, at);
        }
        self.step(count)?;
        let mut data = Vec::with_capacity(count);
        for index in &at.data {
            let row = vec![off; size];
            if let Element::Of { id, .. } = *index
                && self.symbols.reads(id) != Reads::Other
            {
                for place in 0..size as i64 {
                    let mut here = self.equal(*index, place as f64)?;
                    if wraps {
                        let wrapped = self.equal(*index, (place - size as i64) as f64)?;
                        here = self.symbols.binary(Binary::Add, here, wrapped)?;
                    }
                    data.push(self.symbols.choose(here, on, off)?);
                }
                continue;
            }
            let least = if wraps { -(size as f64) } else { 0.0 };
            let inside = |i: f64| i >= least && i < size as f64;
            if Element::known(*index).is_none_or(inside) {
                data.extend(self.symbols.scatter(&row, &[*index], &[on])?);
            } else {
                data.extend(row);
            }
        }
        Ok(Array { shape, data })
    }

    fn equal(&mut self, x: Element, place: f64) -> Result<Element, String> {
        self.symbols.binary(Binary::Equal, x, Element::Known(place))
    }

    /// `x` with the elements `at` along an axis replaced.
    pub(super) fn scatter(
        &mut self,
        x: &Array<Element>,
        at: &Array<Element>,
        new: &Array<Element>,
        along: i64,
    ) -> Result<Array<Element>, String> {
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
            data.extend(self.symbols.scatter(x, at, new)?);
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
        table: &Array<Element>,
        at: &Array<Element>,
    ) -> Result<Array<Element>, String> {
        let why = "takes indices or sizes from the input's values";
        let known: Option<Vec<f64>> = table.data.iter().map(|x| Element::known(*x)).collect();
        let rows = known.filter(|_| along == 0).ok_or(why)?;
        let width = volume(&table.shape[1..])?;
        let shape = [&at.shape[..], &table.shape[1..]].concat();
        let count = volume(&shape)?;
        self.step(count)?;
        let mut data = Vec::with_capacity(count);
        for index in &at.data {
            data.extend(self.symbols.lookup(value, &rows, width, *index)?);
        }
        Ok(Array { shape, data })
    }
}
