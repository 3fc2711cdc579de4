//! Layer norms and RMS norms, as exporters write them out.

use std::rc::Rc;

use super::Unary;
use super::formula::{Formula, Id, Value};
use super::rewrite::close;
use super::symbol::Symbols;

/// What a formula is the variance of.
#[derive(Debug, Clone)]
pub(super) struct Variance {
    group: Rc<[Id]>,
    epsilon: f64,
    /// `None`: the mean is taken to be 0.
    mean: Option<Id>,
    /// What `base^−½` is of `1 / √(variance + ε)`.
    scale: f64,
}

/// `(x − mean) / √(variance + ε)`, or `x / √(mean square + ε)`.
pub(super) fn normalised(s: &mut Symbols, x: Id, base: Id) -> Option<Value> {
    let variance = variance(s, base)?;
    let index = match variance.mean {
        None => variance.group.iter().position(|g| *g == x)?,
        Some(mean) => {
            let centred = |s: &mut Symbols, g: Id| s.subtract(Value::Of(g), Value::Of(mean));
            variance
                .group
                .iter()
                .position(|g| centred(s, *g) == Value::Of(x))?
        }
    };
    let norm = s.make(Formula::Norm {
        group: variance.group,
        index: index as u32,
        rms: variance.mean.is_none(),
        epsilon: variance.epsilon,
    });
    Some(s.scale(norm, variance.scale))
}

/// What `id`, a variance and an epsilon, is the variance of.
fn variance(s: &mut Symbols, id: Id) -> Option<Variance> {
    if let Some(known) = s.variances.get(&id) {
        return known.clone();
    }
    let found = find_variance(s, id);
    s.variances.insert(id, found.clone());
    found
}

fn find_variance(s: &mut Symbols, id: Id) -> Option<Variance> {
    let Formula::Sum(terms, offset) = s.formula(id).clone() else {
        return None;
    };
    let share = 1.0 / terms.len() as f64;
    // Of a sum of squares, the division by their number stands outside.
    let each = terms.first()?.1;
    let mut squared = Vec::with_capacity(terms.len());
    for (term, factor) in terms.iter() {
        match *s.formula(*term) {
            Formula::Function(Unary::Power(2.0), base) if close(*factor, each) => {
                squared.push(base);
            }
            _ => return None,
        }
    }
    let mean = match s.formula(*squared.first()?) {
        Formula::Sum(terms, _) if terms.len() == 2 => {
            let is_mean = |id: Id| match s.formula(id) {
                Formula::Sum(inner, 0.0) => {
                    inner.len() == squared.len() && inner.iter().all(|(_, f)| close(*f, share))
                }
                _ => false,
            };
            terms
                .iter()
                .find(|(id, f)| *f == -1.0 && is_mean(*id))
                .map(|(id, _)| *id)
        }
        _ => None,
    };
    let group: Rc<[Id]> = match mean {
        None => squared.clone().into(),
        Some(mean) => match s.formula(mean) {
            Formula::Sum(inner, _) => inner.iter().map(|(id, _)| *id).collect(),
            _ => return None,
        },
    };
    if let Some(mean) = mean {
        for (unit, square) in group.iter().zip(&squared) {
            if s.subtract(Value::Of(*unit), Value::Of(mean)) != Value::Of(*square) {
                return None;
            }
        }
    }
    let (epsilon, scale) = if close(each, share) {
        (offset, 1.0)
    } else {
        (offset * share / each, (share / each).sqrt())
    };
    scale.is_finite().then_some(Variance {
        group,
        epsilon,
        mean,
        scale,
    })
}

/// `γ·x·s − γ·mean·s + β` with `s = 1 / √(variance + ε)`.
pub(super) fn scaled_norm(
    s: &mut Symbols,
    (of_x, factor_x): (Id, f64),
    (of_mean, factor_mean): (Id, f64),
    bias: f64,
) -> Option<Value> {
    let Formula::Product(a, b) = *s.formula(of_mean) else {
        return None;
    };
    let Formula::Product(c, d) = *s.formula(of_x) else {
        return None;
    };
    let inverse = [a, b].into_iter().find(|f| [c, d].contains(f))?;
    let Formula::Function(Unary::Power(-0.5), base) = *s.formula(inverse) else {
        return None;
    };
    let variance = variance(s, base)?;
    variance.mean.filter(|m| [a, b].contains(m))?;
    let gain = -factor_mean;
    let index = variance.group.iter().position(|unit| {
        match s.multiply(Value::Of(*unit), Value::Of(inverse)) {
            Value::Of(id) => {
                let (atom, factor, _) = s.affine(id);
                atom == of_x && close(factor_x, gain * factor)
            }
            Value::Known(_) => false,
        }
    })?;
    let norm = s.intern(Formula::Norm {
        group: variance.group,
        index: index as u32,
        rms: false,
        epsilon: variance.epsilon,
    });
    Some(s.scaled(norm, gain * variance.scale, bias))
}
