//! What sums over axes: products of matrices, softmax, reductions.

use super::elements::Element;
use super::layout::{self, axes, axis, volume};
use super::run::Walk;
use super::{Array, Binary, Reduction, Unary};

impl Walk<'_> {
    pub(super) fn matmul(
        &mut self,
        a: &Array<Element>,
        b: &Array<Element>,
    ) -> Result<Array<Element>, String> {
        if a.shape.is_empty() || b.shape.is_empty() {
            return Err("multiplies a matrix by a number".into());
        }
        // A vector is a row on the left and a column on the right.
        let (row, column) = (a.shape.len() == 1, b.shape.len() == 1);
        let a = if row {
            layout::unsqueeze(a, &[0])?
        } else {
            a.clone()
        };
        let b = if column {
            layout::unsqueeze(b, &[1])?
        } else {
            b.clone()
        };
        let (outer_a, [n, k]) = matrix_shape(&a.shape)?;
        let (outer_b, [k_b, m]) = matrix_shape(&b.shape)?;
        if k != k_b {
            return Err(format!(
                "multiplies arrays of shapes {:?} and {:?}",
                a.shape, b.shape
            ));
        }
        let mut shape = layout::broadcast_shape(outer_a, outer_b)?;
        let whole = |outer: &[usize], last: [usize; 2]| [outer, &last].concat();
        let a = layout::broadcast(&a, &whole(&shape, [n, k]))?;
        let b = layout::broadcast(&b, &whole(&shape, [k, m]))?;
        let batches = volume(&shape)?;
        shape.extend([n, m]);
        let count = volume(&shape)?;
        self.step(count.saturating_mul(k))?;
        let mut data = Vec::with_capacity(count);
        let mut pairs = Vec::with_capacity(k);
        for batch in 0..batches {
            for i in 0..n {
                for j in 0..m {
                    pairs.clear();
                    let row = &a.data[(batch * n + i) * k..][..k];
                    let column = (0..k).map(|l| b.data[(batch * k + l) * m + j]);
                    pairs.extend(row.iter().copied().zip(column));
                    data.push(self.symbols.dot(&pairs)?);
                }
            }
        }
        if row {
            shape.remove(shape.len() - 2);
        }
        if column {
            shape.pop();
        }
        Ok(Array { shape, data })
    }

    pub(super) fn einsum(
        &mut self,
        equation: &str,
        arrays: &[&Array<Element>],
    ) -> Result<Array<Element>, String> {
        let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let unknown = || format!("has the equation `{equation}`, which mmoe does not compute");
        let spelled = spelled(&equation, arrays).ok_or_else(unknown)?;
        let (left, result) = spelled.split_once("->").ok_or_else(unknown)?;
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != arrays.len() || !(1..=2).contains(&terms.len()) {
            return Err(unknown());
        }
        let mut letters: Vec<(u8, usize)> = Vec::new();
        for (term, array) in terms.iter().zip(arrays) {
            if term.len() != array.shape.len() || !term.bytes().all(|c| c.is_ascii_alphabetic()) {
                return Err(unknown());
            }
            for (letter, size) in term.bytes().zip(&array.shape) {
                match letters.iter().find(|(l, _)| *l == letter) {
                    None => letters.push((letter, *size)),
                    Some((_, known)) if known == size => {}
                    Some(_) => return Err(unknown()),
                }
            }
        }
        let size = |letter: u8| letters.iter().find(|(l, _)| *l == letter).map(|(_, s)| *s);
        let out: Vec<usize> = result
            .bytes()
            .map(size)
            .collect::<Option<_>>()
            .ok_or_else(unknown)?;
        let summed: Vec<(u8, usize)> = letters
            .iter()
            .filter(|(l, _)| !result.bytes().any(|r| r == *l))
            .copied()
            .collect();
        let inner = volume(&summed.iter().map(|(_, s)| *s).collect::<Vec<_>>())?;
        let outer = volume(&out)?;
        self.step(outer.saturating_mul(inner))?;
        // Where an array's element lies for values of all letters: the result's, then the others.
        let order: Vec<u8> = result
            .bytes()
            .chain(summed.iter().map(|(l, _)| *l))
            .collect();
        let bounds: Vec<usize> = out
            .iter()
            .copied()
            .chain(summed.iter().map(|(_, s)| *s))
            .collect();
        let place = |term: &str, array: &Array<Element>, index: &[usize]| {
            term.bytes()
                .zip(&array.shape)
                .fold(0, |at, (letter, size)| {
                    let position = order.iter().position(|l| *l == letter).unwrap_or(0);
                    at * size + index[position]
                })
        };
        let mut data = Vec::with_capacity(outer);
        let mut pairs = Vec::with_capacity(inner);
        let mut index = vec![0; bounds.len()];
        for _ in 0..outer {
            pairs.clear();
            for _ in 0..inner {
                let a = arrays[0].data[place(terms[0], arrays[0], &index)];
                let b = match arrays.get(1) {
                    Some(array) => array.data[place(terms[1], array, &index)],
                    None => Element::Known(1.0),
                };
                pairs.push((a, b));
                for at in (0..index.len()).rev() {
                    index[at] += 1;
                    if index[at] < bounds[at] {
                        break;
                    }
                    index[at] = 0;
                }
            }
            data.push(self.symbols.dot(&pairs)?);
        }
        Ok(Array { shape: out, data })
    }

    pub(super) fn softmax(
        &mut self,
        x: &Array<Element>,
        along: i64,
        flatten: bool,
    ) -> Result<Array<Element>, String> {
        let along = axis(along, x.shape.len())?;
        let (outer, size, inner) = if flatten {
            (volume(&x.shape[..along])?, volume(&x.shape[along..])?, 1)
        } else {
            layout::around(&x.shape, along)
        };
        let mut y = x.clone();
        for o in 0..outer {
            for i in 0..inner {
                let at = |s: usize| (o * size + s) * inner + i;
                let group: Vec<Element> = (0..size).map(|s| x.data[at(s)]).collect();
                for (s, weight) in self.symbols.softmax(&group)?.into_iter().enumerate() {
                    y.data[at(s)] = weight;
                }
            }
        }
        Ok(y)
    }

    /// A convolution whose kernel covers one place: each place's channels are a layer's inputs, in
    /// groups that know nothing of each other. `x`: batch, channels, places; `weight`: outputs,
    /// channels of a group, and axes of size 1.
    pub(super) fn pointwise(
        &mut self,
        x: &Array<Element>,
        weight: &Array<Element>,
        groups: usize,
    ) -> Result<Array<Element>, String> {
        let ([batch, channels, places @ ..], [outputs, inputs, kernel @ ..]) =
            (x.shape.as_slice(), weight.shape.as_slice())
        else {
            return Err("convolves what has no channels".into());
        };
        if kernel.iter().any(|k| *k != 1) {
            return Err(format!(
                "reads {kernel:?} places at once: only a kernel of size 1 is a dense layer"
            ));
        }
        if groups == 0 || inputs.checked_mul(groups) != Some(*channels) || outputs % groups != 0 {
            return Err(format!(
                "convolves arrays of shapes {:?} and {:?} in {groups} groups",
                x.shape, weight.shape
            ));
        }
        let size = volume(places)?;
        let shape = [&[*batch, *outputs], places].concat();
        let count = volume(&shape)?;
        self.step(count.saturating_mul(*inputs))?;
        let mut data = Vec::with_capacity(count);
        for b in 0..*batch {
            for o in 0..*outputs {
                let first = b * channels + o / (outputs / groups) * inputs;
                for place in 0..size {
                    let pairs: Vec<_> = (0..*inputs)
                        .map(|i| {
                            (
                                x.data[(first + i) * size + place],
                                weight.data[o * inputs + i],
                            )
                        })
                        .collect();
                    data.push(self.symbols.dot(&pairs)?);
                }
            }
        }
        Ok(Array { shape, data })
    }

    /// Groups of channels are brought to mean 0 and variance 1; then follow factors and addends, one
    /// a channel or one a group. Without a number of groups each channel is one.
    pub(super) fn group_norm(
        &mut self,
        x: &Array<Element>,
        [gain, bias]: [&Array<Element>; 2],
        groups: Option<usize>,
        epsilon: f64,
    ) -> Result<Array<Element>, String> {
        let [batch, channels, ..] = *x.shape.as_slice() else {
            return Err("normalises what has no channels".into());
        };
        let groups = groups.unwrap_or(channels);
        if groups == 0 || channels == 0 || channels % groups != 0 {
            return Err(format!("makes {groups} groups of {channels} channels"));
        }
        let mut data = Vec::with_capacity(x.data.len());
        let size = x.data.len().checked_div(batch * groups).unwrap_or(0).max(1);
        for group in x.data.chunks_exact(size) {
            data.extend(self.symbols.norm(false, epsilon, group)?);
        }
        let mut y = Array {
            shape: x.shape.clone(),
            data,
        };
        for (f, numbers) in [(Binary::Mul, gain), (Binary::Add, bias)] {
            let count = numbers.data.len();
            if count != channels && count != groups {
                return Err(format!("has {count} numbers for {channels} channels"));
            }
            let mut shape = vec![1; x.shape.len()];
            shape[1] = channels;
            let each = channels / count.max(1);
            let of_channel = (0..channels).map(|c| numbers.data[c / each]);
            let numbers = Array {
                shape,
                data: of_channel.collect(),
            };
            y = self.binary(f, &y, &numbers)?;
        }
        Ok(y)
    }

    pub(super) fn reduce(
        &mut self,
        by: Reduction,
        x: &Array<Element>,
        list: &[i64],
        keep: bool,
    ) -> Result<Array<Element>, String> {
        let rank = x.shape.len();
        let gone = if list.is_empty() {
            (0..rank).collect()
        } else {
            axes(list, rank)?
        };
        let kept: Vec<usize> = (0..rank).filter(|a| !gone.contains(a)).collect();
        let moved = layout::transpose(x, &[kept.clone(), gone.clone()].concat())?;
        let size = volume(&gone.iter().map(|a| x.shape[*a]).collect::<Vec<_>>())?;
        self.step(x.data.len())?;
        let mut data = Vec::new();
        for group in moved.data.chunks_exact(size.max(1)) {
            let one = Element::Known(if by == Reduction::Mean {
                1.0 / size as f64
            } else {
                1.0
            });
            data.push(match by {
                Reduction::Sum | Reduction::Mean => {
                    let pairs: Vec<_> = group.iter().map(|x| (*x, one)).collect();
                    self.symbols.dot(&pairs)?
                }
                Reduction::L2 | Reduction::SumOfSquares => {
                    let pairs: Vec<_> = group.iter().map(|x| (*x, *x)).collect();
                    let squares = self.symbols.dot(&pairs)?;
                    if by == Reduction::L2 {
                        self.symbols.unary(Unary::Power(0.5), squares)?
                    } else {
                        squares
                    }
                }
                Reduction::Max | Reduction::Min | Reduction::Product => {
                    let f = match by {
                        Reduction::Max => Binary::Max,
                        Reduction::Min => Binary::Min,
                        _ => Binary::Mul,
                    };
                    let mut all = group[0];
                    for x in &group[1..] {
                        all = self.symbols.binary(f, all, *x)?;
                    }
                    all
                }
            });
        }
        let shape = (0..rank).filter_map(|a| match (gone.contains(&a), keep) {
            (false, _) => Some(x.shape[a]),
            (true, true) => Some(1),
            (true, false) => None,
        });
        let shape: Vec<usize> = shape.collect();
        if volume(&shape)? != data.len() {
            return Err("reduces an empty array".into());
        }
        Ok(Array { shape, data })
    }
}

/// An equation whose dots, which stand for axes without a letter, have become letters.
fn spelled<N>(equation: &str, arrays: &[&Array<N>]) -> Option<String> {
    const DOTS: &str = "...";
    if !equation.contains(DOTS) {
        return Some(equation.to_owned());
    }
    let (left, result) = equation.split_once("->")?;
    let free: String = ('A'..='Z').filter(|c| !equation.contains(*c)).collect();
    // They broadcast from the last; those that a term lacks are the first.
    let letters = |count: usize| Some(&free[free.len().checked_sub(count)?..]);
    let (mut most, mut terms) = (0, Vec::new());
    for (term, array) in left.split(',').zip(arrays) {
        if !term.contains(DOTS) {
            terms.push(term.to_owned());
            continue;
        }
        let count = (array.shape.len() + DOTS.len()).checked_sub(term.len())?;
        most = most.max(count);
        terms.push(term.replacen(DOTS, letters(count)?, 1));
    }
    let result = result.replacen(DOTS, letters(most)?, 1);
    Some(format!("{}->{result}", terms.join(",")))
}

/// The batch sizes, and the sizes of each matrix.
fn matrix_shape(shape: &[usize]) -> Result<(&[usize], [usize; 2]), String> {
    match shape {
        [outer @ .., n, m] => Ok((outer, [*n, *m])),
        _ => Err(format!("multiplies an array of shape {shape:?}")),
    }
}

pub(super) fn turned<N: Copy>(x: &Array<N>, turn: bool) -> Result<Array<N>, String> {
    let rank = x.shape.len();
    if !turn || rank < 2 {
        return Ok(x.clone());
    }
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(rank - 2, rank - 1);
    layout::transpose(x, &order)
}
