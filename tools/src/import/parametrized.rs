//! Weights that a file holds as what they are computed from: weight norm, spectral norm and pruning
//! of PyTorch, as the old hooks and the newer `torch.nn.utils.parametrize` name their parts.
//!
//! The weight is computed as the model's forward pass does in evaluation, in f64, and takes the
//! place of its parts. What is parametrized in a way that is not known is refused.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::names::list;
use super::{Reason, Tensor};
use crate::text::count;

/// What `torch.nn.utils.parametrize` puts between a module and its parametrized tensors.
const PARAMETRIZE: &str = "parametrizations.";

/// One weight and the names of its parts.
#[derive(Debug)]
struct Parametrized {
    weight: String,
    how: How,
    parts: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum How {
    /// Magnitude `g` and direction `v`: `g · v / ‖v‖`.
    WeightNorm,
    /// The weight and its singular vectors `u`, `v`: `w / (uᵀ·W·v)`.
    SpectralNorm,
    /// The weight and a mask of zeros and ones.
    Pruned,
}

/// Replaces the parts of all parametrized weights by the weights.
pub(super) fn compute(
    tensors: &mut IndexMap<String, Tensor>,
    notes: &mut Vec<String>,
) -> Result<(), Reason> {
    let mut parts_of: HashMap<&str, usize> = HashMap::new();
    for (_, tensor, _) in tensors.keys().filter_map(|name| split(name)) {
        *parts_of.entry(tensor).or_default() += 1;
    }
    let found: Vec<Parametrized> = tensors
        .keys()
        .filter_map(|name| recognise(tensors, &parts_of, name).transpose())
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Ok(());
    }
    let mut counts: IndexMap<&str, Vec<String>> = IndexMap::new();
    let mut computed = Vec::new();
    let mut owner: HashMap<String, usize> = HashMap::new();
    for weight in found {
        let parts: Option<Vec<&Tensor>> = weight.parts.iter().map(|p| tensors.get(p)).collect();
        let (tensor, what) = match (weight.how, parts.as_deref()) {
            (How::WeightNorm, Some(&[g, v])) => (weight_norm(g, v), "weight norm"),
            (How::SpectralNorm, Some(&[w, u, v])) => (spectral_norm(w, u, v), "spectral norm"),
            (How::Pruned, Some(&[w, mask])) => (pruned(w, mask), "pruning"),
            _ => (None, ""),
        };
        let tensor = tensor.filter(|_| !tensors.contains_key(&weight.weight));
        let tensor = tensor.ok_or_else(|| unknown(&weight.weight))?;
        let name = format!("`{}`", weight.weight);
        counts.entry(what).or_default().push(name);
        owner.extend(weight.parts.into_iter().map(|part| (part, computed.len())));
        computed.push(Some((weight.weight, tensor)));
    }
    // Each in the place of its first part, so that layers stay in order.
    *tensors = std::mem::take(tensors)
        .into_iter()
        .filter_map(|(name, tensor)| match owner.get(&name) {
            Some(&i) => computed.get_mut(i)?.take(),
            None => Some((name, tensor)),
        })
        .collect();
    for (what, names) in counts {
        notes.push(format!(
            "computed {} from the parts that {what} keeps: {}",
            count(names.len(), "tensor"),
            list(3, &names)
        ));
    }
    Ok(())
}

/// The weight of which `name` is the first part, if it is one.
fn recognise(
    tensors: &IndexMap<String, Tensor>,
    parts_of: &HashMap<&str, usize>,
    name: &str,
) -> Result<Option<Parametrized>, Reason> {
    let made = |weight: String, how, parts: &[String]| {
        let parts = parts.to_vec();
        Ok(Some(Parametrized { weight, how, parts }))
    };
    if let Some((module, own, part)) = split(name) {
        let weight = format!("{module}{}", &own[module.len() + PARAMETRIZE.len()..]);
        let count = parts_of.get(own).copied().unwrap_or(0);
        let part_of = |part: &str| format!("{own}.{part}");
        return match part {
            "original0" if count == 2 => made(
                weight,
                How::WeightNorm,
                &[name.to_owned(), part_of("original1")],
            ),
            "original" if count == 3 && tensors.contains_key(&part_of("0._u")) => made(
                weight,
                How::SpectralNorm,
                &[name.to_owned(), part_of("0._u"), part_of("0._v")],
            ),
            "original" | "original0" => Err(unknown(&weight)),
            _ => Ok(None),
        };
    }
    let part = |base: &str, suffix: &str| format!("{base}{suffix}");
    let has = |base: &str, suffix: &str| tensors.contains_key(&part(base, suffix));
    if let Some(base) = name.strip_suffix("_g")
        && base
            .rsplit('.')
            .next()
            .is_some_and(|n| n.starts_with("weight"))
        && has(base, "_v")
    {
        return made(
            base.to_owned(),
            How::WeightNorm,
            &[name.to_owned(), part(base, "_v")],
        );
    }
    let Some(base) = name.strip_suffix("_orig") else {
        return Ok(None);
    };
    match (has(base, "_mask"), has(base, "_u") && has(base, "_v")) {
        (true, false) => made(
            base.to_owned(),
            How::Pruned,
            &[name.to_owned(), part(base, "_mask")],
        ),
        (false, true) => made(
            base.to_owned(),
            How::SpectralNorm,
            &[name.to_owned(), part(base, "_u"), part(base, "_v")],
        ),
        (true, true) => Err(unknown(base)),
        (false, false) => Ok(None),
    }
}

/// A name at its last `parametrizations.`: the module with its dot, the parametrized tensor's whole
/// path, and the part of it.
fn split(name: &str) -> Option<(&str, &str, &str)> {
    let at = name.rfind(PARAMETRIZE)?;
    let module = &name[..at];
    let start = at + PARAMETRIZE.len();
    let end = start + name[start..].find('.')?;
    let whole = module.is_empty() || module.ends_with('.');
    whole.then(|| (module, &name[..end], &name[end + 1..]))
}

fn unknown(weight: &str) -> Reason {
    Reason::Parametrized {
        tensor: weight.to_owned(),
    }
}

/// The norm is over all axes but those along which `g` has values of its own.
fn weight_norm(g: &Tensor, v: &Tensor) -> Option<Tensor> {
    let own: Vec<bool> = if g.data.len() == 1 {
        vec![false; v.shape.len()]
    } else if g.shape.len() == v.shape.len() {
        let along = |(&g, &v): (&usize, &usize)| match g {
            _ if g == v => Some(true),
            1 => Some(false),
            _ => None,
        };
        g.shape
            .iter()
            .zip(&v.shape)
            .map(along)
            .collect::<Option<_>>()?
    } else {
        return None;
    };
    // `g` runs along one axis at most; a pair of the same shape is something else.
    if own
        .iter()
        .zip(&v.shape)
        .filter(|(own, size)| **own && **size > 1)
        .count()
        > 1
    {
        return None;
    }
    let group = |element: usize| {
        let (mut rest, mut step, mut group) = (element, 1, 0);
        for (&size, &own) in v.shape.iter().zip(&own).rev() {
            if own {
                group += rest % size * step;
                step *= size;
            }
            rest /= size;
        }
        group
    };
    let mut squares = vec![0.0f64; g.data.len()];
    for (i, &x) in v.data.iter().enumerate() {
        *squares.get_mut(group(i))? += f64::from(x) * f64::from(x);
    }
    let scales: Vec<f64> = g
        .data
        .iter()
        .zip(&squares)
        .map(|(&g, square)| f64::from(g) / square.sqrt())
        .collect();
    let scaled = |(i, &x): (usize, &f32)| Some((f64::from(x) * scales.get(group(i))?) as f32);
    Some(Tensor {
        shape: v.shape.clone(),
        data: v
            .data
            .iter()
            .enumerate()
            .map(scaled)
            .collect::<Option<_>>()?,
    })
}

/// The largest singular value is what `u` and `v` of the last training step give; the matrix has
/// the outputs as rows, which is axis 0 of all layers but transposed convolutions.
fn spectral_norm(w: &Tensor, u: &Tensor, v: &Tensor) -> Option<Tensor> {
    let (rows, columns) = (u.data.len(), v.data.len());
    if w.shape.first() != Some(&rows) || rows.checked_mul(columns) != Some(w.data.len()) {
        return None;
    }
    let product = |row: &[f32]| -> f64 {
        let terms = row.iter().zip(&v.data);
        terms.map(|(&w, &v)| f64::from(w) * f64::from(v)).sum()
    };
    let sigma: f64 = w
        .data
        .chunks_exact(columns.max(1))
        .zip(&u.data)
        .map(|(row, &u)| f64::from(u) * product(row))
        .sum();
    Some(Tensor {
        shape: w.shape.clone(),
        data: w
            .data
            .iter()
            .map(|&w| (f64::from(w) / sigma) as f32)
            .collect(),
    })
}

fn pruned(w: &Tensor, mask: &Tensor) -> Option<Tensor> {
    (w.shape == mask.shape).then(|| Tensor {
        shape: w.shape.clone(),
        data: w.data.iter().zip(&mask.data).map(|(w, m)| w * m).collect(),
    })
}
