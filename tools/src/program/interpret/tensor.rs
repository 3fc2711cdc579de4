//! Plain tensors: a shape, and numbers of which the last axis' lie side by side.

use super::super::Array;

/// More elements than any tensor of a model for small devices has.
const MOST: usize = 1 << 22;
/// Axes beyond this are made up.
const HIGHEST_RANK: usize = 16;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    /// As many as the shape says: every way to make a tensor sees to it.
    pub(super) data: Vec<f64>,
}

/// How many elements a tensor of this shape has, if that is within bounds. Every size comes from a
/// file: nothing is allocated before this was asked.
pub(super) fn count(shape: &[usize]) -> Result<usize, String> {
    let mut sizes = shape.iter().copied();
    sizes
        .try_fold(1, usize::checked_mul)
        .filter(|n| *n <= MOST && shape.len() <= HIGHEST_RANK)
        .ok_or_else(|| format!("makes a tensor of shape {shape:?}, which is too large"))
}

/// Visits every index of a shape, the last axis fastest.
pub(super) fn each(
    shape: &[usize],
    mut visit: impl FnMut(&[usize]) -> Result<(), String>,
) -> Result<(), String> {
    let mut index = vec![0; shape.len()];
    for number in 0..count(shape)? {
        // The digits of a number whose places have different bases.
        let mut rest = number;
        for (digit, size) in index.iter_mut().zip(shape).rev() {
            *digit = rest % size;
            rest /= size;
        }
        visit(&index)?;
    }
    Ok(())
}

/// An axis, which a negative number counts from behind.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_front)
        .ok()
        .filter(|a| *a < rank)
        .ok_or_else(|| format!("names axis {axis} of a tensor of {rank} axes"))
}

/// By axis: whether the list names it.
pub(super) fn marked(list: &[i64], rank: usize) -> Result<Vec<bool>, String> {
    let mut marks = vec![false; rank];
    for a in list {
        if std::mem::replace(&mut marks[axis(*a, rank)?], true) {
            return Err(format!("names axis {a} twice"));
        }
    }
    Ok(marks)
}

/// The shape that all of these broadcast to.
pub(super) fn common_shape(shapes: &[&[usize]]) -> Result<Vec<usize>, String> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut common = vec![1; rank];
    for shape in shapes {
        for (here, size) in common.iter_mut().rev().zip(shape.iter().rev()) {
            if *here == 1 {
                *here = *size;
            } else if *size != 1 && size != here {
                return Err(format!("combines tensors of shapes {shapes:?}"));
            }
        }
    }
    Ok(common)
}

impl Tensor {
    /// A constant of a program, or an input: however large the file has it.
    pub(super) fn new(shape: &[usize], data: Vec<f64>) -> Result<Self, String> {
        let size = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
        if size != Some(data.len()) {
            return Err(format!("has {} numbers for shape {shape:?}", data.len()));
        }
        let shape = shape.to_vec();
        Ok(Self { shape, data })
    }

    pub(super) fn of_constant(array: &Array<f64>) -> Result<Self, String> {
        Self::new(&array.shape, array.data.clone())
    }

    pub(super) fn scalar(v: f64) -> Self {
        Self {
            shape: Vec::new(),
            data: vec![v],
        }
    }

    /// The tensor of this shape whose element at each index is what `of` says.
    pub(super) fn build(
        shape: &[usize],
        mut of: impl FnMut(&[usize]) -> Result<f64, String>,
    ) -> Result<Self, String> {
        let mut data = Vec::with_capacity(count(shape)?);
        each(shape, |index| {
            data.push(of(index)?);
            Ok(())
        })?;
        let shape = shape.to_vec();
        Ok(Self { shape, data })
    }

    pub(super) fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Where the element at an index lies.
    pub(super) fn place(&self, index: &[usize]) -> Result<usize, String> {
        let beyond = || {
            format!(
                "reads index {index:?} of a tensor of shape {:?}",
                self.shape
            )
        };
        if index.len() != self.rank() {
            return Err(beyond());
        }
        let mut place = 0;
        for (i, size) in index.iter().zip(&self.shape) {
            if i >= size {
                return Err(beyond());
            }
            place = place * size + i;
        }
        Ok(place)
    }

    pub(super) fn at(&self, index: &[usize]) -> Result<f64, String> {
        Ok(self.data[self.place(index)?])
    }

    /// The element at an index of a shape that this tensor broadcasts to.
    pub(super) fn spread(&self, index: &[usize]) -> Result<f64, String> {
        let behind = index.len().checked_sub(self.rank());
        let own = behind.ok_or_else(|| format!("repeats a tensor of shape {:?}", self.shape))?;
        let sizes = self.shape.iter().zip(&index[own..]);
        let own: Vec<usize> = sizes.map(|(s, i)| if *s == 1 { 0 } else { *i }).collect();
        self.at(&own)
    }

    /// The same elements in another shape.
    pub(super) fn with_shape(&self, shape: &[usize]) -> Result<Self, String> {
        if count(shape)? != self.data.len() {
            return Err(format!(
                "makes {shape:?} of a tensor of shape {:?}",
                self.shape
            ));
        }
        Self::new(shape, self.data.clone())
    }

    /// The elements as whole numbers: indices and sizes.
    pub(super) fn whole(&self) -> Result<Vec<i64>, String> {
        let whole = |v: &f64| match v.fract() {
            0.0 => Ok(*v as i64),
            _ => Err(format!("takes {v} for an index or a size")),
        };
        self.data.iter().map(whole).collect()
    }

    /// Each line along an axis becomes the line of `size` elements that `f` makes of it.
    pub(super) fn lines(
        &self,
        along: usize,
        size: usize,
        mut f: impl FnMut(&[f64]) -> Result<Vec<f64>, String>,
    ) -> Result<Self, String> {
        let mut shape = self.shape.clone();
        shape[along] = size;
        let mut made = Self::build(&shape, |_| Ok(0.0))?;
        let mut starts = self.shape.clone();
        starts[along] = 1;
        each(&starts, |start| {
            let mut index = start.to_vec();
            let mut line = Vec::with_capacity(self.shape[along]);
            for i in 0..self.shape[along] {
                index[along] = i;
                line.push(self.at(&index)?);
            }
            for (i, v) in f(&line)?.into_iter().enumerate() {
                index[along] = i;
                let place = made.place(&index)?;
                made.data[place] = v;
            }
            Ok(())
        })?;
        Ok(made)
    }
}
