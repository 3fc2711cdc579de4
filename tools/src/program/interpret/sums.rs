//! What sums: products of matrices, reductions, softmax and norms.

use super::super::{Binary, Reduction};
use super::Work;
use super::elements::binary;
use super::tensor::{Tensor, axis, common_shape, count, each, marked};

/// One matrix: its rows and columns, and how far apart the neighbours in each lie.
struct Matrix {
    sizes: [usize; 2],
    apart: [usize; 2],
}

/// The last two axes as a matrix, which lies the other way round with `turn`.
fn matrix(x: &Tensor, turn: bool) -> Result<(&[usize], Matrix), String> {
    let [outer @ .., rows, columns] = x.shape.as_slice() else {
        return Err(format!("multiplies a tensor of shape {:?}", x.shape));
    };
    let matrix = if turn {
        Matrix {
            sizes: [*columns, *rows],
            apart: [1, *columns],
        }
    } else {
        Matrix {
            sizes: [*rows, *columns],
            apart: [*columns, 1],
        }
    };
    Ok((outer, matrix))
}

/// The last two axes are matrices, those before them broadcast. A vector is a row on the left and a
/// column on the right.
pub(super) fn matmul(
    work: &Work,
    a: &Tensor,
    b: &Tensor,
    [turn_a, turn_b]: [bool; 2],
) -> Result<Tensor, String> {
    if let [size] = a.shape[..] {
        let row = a.with_shape(&[1, size])?;
        let mut made = matmul(work, &row, b, [false, turn_b])?;
        // Behind it stand the columns, if `b` has any.
        let gone = made.rank().checked_sub(if b.rank() == 1 { 1 } else { 2 });
        made.shape
            .remove(gone.ok_or("multiplies a matrix by a number")?);
        return Ok(made);
    }
    if let [size] = b.shape[..] {
        let column = b.with_shape(&[size, 1])?;
        let mut made = matmul(work, a, &column, [turn_a, false])?;
        made.shape.pop();
        return Ok(made);
    }
    let (outer_a, of_a) = matrix(a, turn_a)?;
    let (outer_b, of_b) = matrix(b, turn_b)?;
    let ([rows, inner], [inner_b, columns]) = (of_a.sizes, of_b.sizes);
    if inner != inner_b {
        return Err(format!(
            "multiplies tensors of {:?} and {:?}",
            a.shape, b.shape
        ));
    }
    let outer = common_shape(&[outer_a, outer_b])?;
    let shape = [&outer[..], &[rows, columns]].concat();
    work.spend(count(&shape)?.saturating_mul(inner))?;
    let mut data = Vec::with_capacity(count(&shape)?);
    each(&outer, |batch| {
        let first = |x: &Tensor, own: &[usize]| {
            let at = batch[batch.len() - own.len()..].iter().zip(own);
            let mut index: Vec<usize> = at.map(|(i, s)| if *s == 1 { 0 } else { *i }).collect();
            index.extend([0, 0]);
            x.place(&index)
        };
        if rows * inner * columns == 0 {
            data.resize(data.len() + rows * columns, 0.0);
            return Ok(());
        }
        let (first_a, first_b) = (first(a, outer_a)?, first(b, outer_b)?);
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = 0.0;
                for i in 0..inner {
                    sum += a.data[first_a + row * of_a.apart[0] + i * of_a.apart[1]]
                        * b.data[first_b + i * of_b.apart[0] + column * of_b.apart[1]];
                }
                data.push(sum);
            }
        }
        Ok(())
    })?;
    Tensor::new(&shape, data)
}

/// An axis of an equation: a letter, or one of those that dots stand for, counted from the last.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Label {
    Letter(char),
    Dots(usize),
}

/// The labels of a term whose dots stand for `dots` axes.
fn labels(term: &str, dots: usize) -> Option<Vec<Label>> {
    let letters = |part: &str| -> Option<Vec<Label>> {
        let letter = |c: char| c.is_ascii_alphabetic().then_some(Label::Letter(c));
        part.chars().map(letter).collect()
    };
    match term.split_once("...") {
        None => letters(term),
        Some((before, behind)) => {
            let dots = (0..dots).rev().map(Label::Dots).collect();
            Some([letters(before)?, dots, letters(behind)?].concat())
        }
    }
}

/// The sum, over all axes that the result does not name, of the products of elements whose axes of
/// one name have one index.
pub(super) fn einsum(work: &Work, equation: &str, x: &[&Tensor]) -> Result<Tensor, String> {
    let unknown = || format!("has the equation `{equation}`, which mmoe does not compute");
    let spelled: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (terms, result) = spelled.split_once("->").ok_or_else(unknown)?;
    let terms: Vec<&str> = terms.split(',').collect();
    if terms.len() != x.len() {
        return Err(unknown());
    }
    let (mut names, mut sizes, mut most) = (Vec::new(), Vec::new(), 0);
    let mut read = Vec::new();
    for (term, x) in terms.iter().zip(x) {
        let dots = (x.rank() + 3).saturating_sub(term.len());
        most = most.max(if term.contains("...") { dots } else { 0 });
        let own = labels(term, dots)
            .filter(|l| l.len() == x.rank())
            .ok_or_else(unknown)?;
        for (label, size) in own.iter().zip(&x.shape) {
            let place = names.iter().position(|n| n == label).unwrap_or_else(|| {
                names.push(*label);
                sizes.push(1);
                names.len() - 1
            });
            if sizes[place] == 1 {
                sizes[place] = *size;
            } else if *size != 1 && *size != sizes[place] {
                return Err(unknown());
            }
        }
        read.push(own);
    }
    let place = |label: &Label| names.iter().position(|n| n == label);
    let wanted = labels(result, most).ok_or_else(unknown)?;
    let kept: Vec<usize> = wanted
        .iter()
        .map(place)
        .collect::<Option<_>>()
        .ok_or_else(unknown)?;
    if (0..kept.len()).any(|i| kept[..i].contains(&kept[i])) {
        return Err(unknown());
    }
    let summed: Vec<usize> = (0..names.len()).filter(|p| !kept.contains(p)).collect();
    let shape: Vec<usize> = kept.iter().map(|p| sizes[*p]).collect();
    let inner: Vec<usize> = summed.iter().map(|p| sizes[*p]).collect();
    work.spend(count(&shape)?.saturating_mul(count(&inner)?))?;
    // By tensor: for each axis the place of its label, and how far apart neighbours lie.
    let mut strides = Vec::new();
    for (own, x) in read.iter().zip(x) {
        let mut by_label = vec![0; names.len()];
        let mut apart = 1;
        for (label, size) in own.iter().zip(&x.shape).rev() {
            let place = place(label).ok_or_else(unknown)?;
            by_label[place] += if *size == 1 { 0 } else { apart };
            apart *= size;
        }
        strides.push(by_label);
    }
    let mut index = vec![0; names.len()];
    Tensor::build(&shape, |at| {
        for (p, i) in kept.iter().zip(at) {
            index[*p] = *i;
        }
        let mut sum = 0.0;
        each(&inner, |at| {
            for (p, i) in summed.iter().zip(at) {
                index[*p] = *i;
            }
            let mut product = 1.0;
            for (strides, x) in strides.iter().zip(x) {
                let place: usize = strides.iter().zip(&index).map(|(s, i)| s * i).sum();
                product *= x.data.get(place).ok_or_else(unknown)?;
            }
            sum += product;
            Ok(())
        })?;
        Ok(sum)
    })
}

/// A convolution whose kernel covers one place: `x` is batch, channels, places, and `weight`
/// outputs, channels of one group, and axes of size 1.
pub(super) fn pointwise(
    work: &Work,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    groups: usize,
) -> Result<Tensor, String> {
    let shapes = || {
        format!(
            "convolves {:?} with {:?} in {groups} groups",
            x.shape, weight.shape
        )
    };
    if x.rank() < 2 || weight.rank() < 2 || weight.shape[2..].iter().any(|s| *s != 1) {
        return Err(shapes());
    }
    let (channels, outputs, own) = (x.shape[1], weight.shape[0], weight.shape[1]);
    let of_group = outputs.checked_div(groups).ok_or_else(shapes)?;
    if own.checked_mul(groups) != Some(channels) || of_group * groups != outputs {
        return Err(shapes());
    }
    if bias.is_some_and(|b| b.data.len() != outputs) {
        return Err(shapes());
    }
    let mut shape = x.shape.clone();
    shape[1] = outputs;
    work.spend(count(&shape)?.saturating_mul(own))?;
    Tensor::build(&shape, |at| {
        let output = at[1];
        let mut index = at.to_vec();
        let mut sum = bias.map_or(0.0, |b| b.data[output]);
        for i in 0..own {
            index[1] = output / of_group * own + i;
            sum += x.at(&index)? * weight.data[output * own + i];
        }
        Ok(sum)
    })
}

/// With `flatten` along the axis and all behind it.
pub(super) fn softmax(x: &Tensor, along: i64, flatten: bool) -> Result<Tensor, String> {
    let along = axis(along, x.rank())?;
    if flatten && along + 1 < x.rank() {
        let behind = count(&x.shape[along..])?;
        let joined = x.with_shape(&[&x.shape[..along], &[behind]].concat())?;
        return softmax(&joined, along as i64, false)?.with_shape(&x.shape);
    }
    x.lines(along, x.shape[along], |line| {
        let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = line.iter().map(|v| (v - largest).exp()).sum();
        Ok(line.iter().map(|v| (v - largest).exp() / sum).collect())
    })
}

/// An empty list is all axes.
pub(super) fn reduce(
    by: Reduction,
    x: &Tensor,
    axes: &[i64],
    keep: bool,
) -> Result<Tensor, String> {
    let mut gone = marked(axes, x.rank())?;
    if axes.is_empty() {
        gone.fill(true);
    }
    let kept = gone.iter().zip(&x.shape);
    let kept: Vec<usize> = kept
        .map(|(gone, size)| if *gone { 1 } else { *size })
        .collect();
    let first = match by {
        Reduction::Max => f64::NEG_INFINITY,
        Reduction::Min => f64::INFINITY,
        Reduction::Product => 1.0,
        Reduction::Sum | Reduction::Mean | Reduction::L2 | Reduction::SumOfSquares => 0.0,
    };
    let mut made = Tensor::build(&kept, |_| Ok(first))?;
    let each_of = x.data.len().checked_div(made.data.len()).unwrap_or(0);
    if each_of == 0 {
        return Err("reduces an empty tensor".into());
    }
    each(&x.shape, |at| {
        let own = at.iter().zip(&gone);
        let own: Vec<usize> = own.map(|(i, gone)| if *gone { 0 } else { *i }).collect();
        let (place, v) = (made.place(&own)?, x.at(at)?);
        let so_far = &mut made.data[place];
        *so_far = match by {
            Reduction::Sum | Reduction::Mean => *so_far + v,
            Reduction::L2 | Reduction::SumOfSquares => *so_far + v * v,
            Reduction::Product => *so_far * v,
            Reduction::Max if v > *so_far || v.is_nan() => v,
            Reduction::Min if v < *so_far || v.is_nan() => v,
            Reduction::Max | Reduction::Min => *so_far,
        };
        Ok(())
    })?;
    for v in &mut made.data {
        *v = match by {
            Reduction::Mean => *v / each_of as f64,
            Reduction::L2 => v.sqrt(),
            _ => *v,
        };
    }
    if keep {
        return Ok(made);
    }
    let shape = x.shape.iter().zip(&gone).filter(|(_, gone)| !**gone);
    let shape: Vec<usize> = shape.map(|(size, _)| *size).collect();
    made.with_shape(&shape)
}

/// Every run of `size` elements is brought to mean 0, not so with `rms`, and variance 1.
pub(super) fn normalise(
    x: &Tensor,
    size: usize,
    epsilon: f64,
    rms: bool,
) -> Result<Tensor, String> {
    let mut data = Vec::with_capacity(x.data.len());
    for group in x.data.chunks(size.max(1)) {
        let mean_of =
            |f: &dyn Fn(f64) -> f64| group.iter().map(|v| f(*v)).sum::<f64>() / group.len() as f64;
        let mean = if rms { 0.0 } else { mean_of(&|v| v) };
        let variance = mean_of(&|v| (v - mean) * (v - mean));
        data.extend(
            group
                .iter()
                .map(|v| (v - mean) / (variance + epsilon).sqrt()),
        );
    }
    Tensor::new(&x.shape, data)
}

/// Numbers of an axis' units as a tensor that broadcasts along all others.
pub(super) fn per_unit(x: &Tensor, along: usize, numbers: &[f64]) -> Result<Tensor, String> {
    let mut shape = vec![1; x.rank()];
    shape[along] = x.shape[along];
    Tensor::new(&shape, numbers.to_vec())
}

/// Groups of channels, the second axis, are normalised with all their places; without a number of
/// groups each channel is one. Gain and bias have a number per channel or per group.
pub(super) fn group_norm(
    x: &Tensor,
    [gain, bias]: [&Tensor; 2],
    groups: Option<usize>,
    epsilon: f64,
) -> Result<Tensor, String> {
    let channels = *x.shape.get(1).ok_or("normalises what has no channels")?;
    let groups = groups.unwrap_or(channels);
    let each = channels
        .checked_div(groups)
        .filter(|each| each * groups == channels);
    let each = each.ok_or_else(|| format!("makes {groups} groups of {channels} channels"))?;
    let places = count(&x.shape[2..])?;
    let whitened = normalise(x, each * places, epsilon, false)?;
    let of_channels = |numbers: &Tensor| {
        let numbers = if numbers.data.len() == channels {
            numbers.data.clone()
        } else {
            let repeated = numbers
                .data
                .iter()
                .flat_map(|v| std::iter::repeat_n(*v, each));
            repeated.collect()
        };
        per_unit(x, 1, &numbers)
    };
    let scaled = binary(Binary::Mul, &whitened, &of_channels(gain)?)?;
    binary(Binary::Add, &scaled, &of_channels(bias)?)
}
