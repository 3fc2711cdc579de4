//! What formulas are in other words: activations, norms and gates that exporters wrote out.
//!
//! Each function gets what is about to be made and gives back what it comes to, if it knows.

use super::formula::{Formula, Id, Value};
use super::gates::{renormalised, softmax_of};
use super::norms::{normalised, scaled_norm};
use super::symbol::Symbols;
use super::{Binary, Unary};

/// Constants of formulas went through f32 once.
const CLOSE: f64 = 1e-5;

pub(super) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= CLOSE * b.abs().max(1e-30)
}

/// `factor·f(argument)` in a sum of one term with this offset.
fn offset_function(s: &Symbols, id: Id) -> Option<(Unary, Id, f64, f64)> {
    let Formula::Sum(terms, bias) = s.formula(id) else {
        return None;
    };
    let [(atom, factor)] = terms[..] else {
        return None;
    };
    match *s.formula(atom) {
        Formula::Function(f, argument) => Some((f, argument, factor, *bias)),
        _ => None,
    }
}

/// `λ` where `argument` is `λ·x`.
fn multiple(s: &mut Symbols, argument: Id, x: Id) -> Option<f64> {
    let ((a, of_a, bias_a), (b, of_b, bias_b)) = (s.affine(argument), s.affine(x));
    let factor = of_a / of_b;
    let same = a == b && (bias_a - factor * bias_b).abs() <= CLOSE * bias_a.abs().max(1e-9);
    (same && factor.is_finite()).then_some(if (factor - 1.0).abs() < CLOSE {
        1.0
    } else {
        factor
    })
}

/// `scale·f(λ·x)`.
fn applied(s: &mut Symbols, f: Unary, x: Id, factor: f64, scale: f64) -> Value {
    let argument = s.scaled(x, factor, 0.0);
    let value = s.function(f, argument);
    s.scale(value, scale)
}

/// `a·b`, neither with a factor of its own.
pub(super) fn product(s: &mut Symbols, a: Id, b: Id) -> Option<Value> {
    if a == b {
        return Some(s.power(Value::Of(a), 2.0));
    }
    one_way(s, a, b).or_else(|| one_way(s, b, a))
}

fn one_way(s: &mut Symbols, x: Id, other: Id) -> Option<Value> {
    if let Some((f, argument, factor, bias)) = offset_function(s, other)
        && close(factor, bias)
    {
        // x·(1 + erf(x / √2)), x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
        if f == Unary::Erf {
            let factor_of_x = multiple(s, argument, x)? * std::f64::consts::SQRT_2;
            let factor_of_x = if close(factor_of_x, 1.0) {
                1.0
            } else {
                factor_of_x
            };
            return Some(applied(
                s,
                Unary::Gelu,
                x,
                factor_of_x,
                2.0 * factor / factor_of_x,
            ));
        }
        if f == Unary::Tanh && is_gelu_argument(s, argument, x) {
            return Some(applied(s, Unary::GeluTanh, x, 1.0, 2.0 * factor));
        }
    }
    match s.formula(other).clone() {
        Formula::Function(Unary::Sigmoid, argument) => {
            let factor = multiple(s, argument, x)?;
            Some(applied(s, Unary::Silu, x, factor, 1.0 / factor))
        }
        Formula::Function(Unary::Clip { min: 0.0, max: 6.0 }, argument) => {
            let shifted = s.scaled(x, 1.0, 3.0);
            (shifted == Value::Of(argument)).then(|| applied(s, Unary::Hardswish, x, 1.0, 6.0))
        }
        Formula::Function(Unary::HardSigmoid { alpha, beta }, argument)
            if argument == x && close(alpha, 1.0 / 6.0) && close(beta, 0.5) =>
        {
            Some(applied(s, Unary::Hardswish, x, 1.0, 1.0))
        }
        Formula::Function(Unary::Tanh, argument) => match *s.formula(argument) {
            Formula::Function(Unary::Softplus, inner) if inner == x => {
                Some(applied(s, Unary::Mish, x, 1.0, 1.0))
            }
            _ => None,
        },
        Formula::Function(Unary::Power(p), base) => {
            if let Formula::Function(Unary::Power(q), other_base) = *s.formula(x)
                && base == other_base
                && p.fract() == 0.0
                && q.fract() == 0.0
            {
                return Some(s.power(Value::Of(base), p + q));
            }
            if base == x && p.fract() == 0.0 && p > 0.0 {
                return Some(s.power(Value::Of(base), p + 1.0));
            }
            if p == -1.0 {
                return softsign(s, x, base).or_else(|| renormalised(s, x, base));
            }
            if p == -0.5 {
                normalised(s, x, base)
            } else {
                None
            }
        }
        Formula::IsLargest(group, k, at) => {
            let (logits, whole) = softmax_of(s, &group)?;
            let own = group.get(at as usize) == Some(&x);
            (own && whole).then(|| {
                s.make(Formula::TopK {
                    logits,
                    k,
                    index: at,
                    renormalise: false,
                })
            })
        }
        _ => None,
    }
}

fn is_gelu_argument(s: &mut Symbols, argument: Id, x: Id) -> bool {
    let cube = s.power(Value::Of(x), 3.0);
    let cube = s.scale(cube, 0.044_715);
    let sum = s.add(Value::Of(x), cube);
    let wanted = s.scale(sum, (2.0 / std::f64::consts::PI).sqrt());
    let Value::Of(wanted) = wanted else {
        return false;
    };
    alike(s, argument, wanted, 6)
}

/// Whether formulas are the same but for the rounding of their constants.
fn alike(s: &Symbols, a: Id, b: Id, depth: usize) -> bool {
    if a == b {
        return true;
    }
    if depth == 0 {
        return false;
    }
    let (terms_a, bias_a) = flat(s, a);
    let (terms_b, bias_b) = flat(s, b);
    let same = |(a, of_a): &(Id, f64)| {
        terms_b
            .iter()
            .any(|(b, of_b)| close(*of_a, *of_b) && alike(s, *a, *b, depth - 1))
    };
    let grew = terms_a.len() > 1 || terms_a.first().is_some_and(|(t, _)| *t != a);
    grew && terms_a.len() == terms_b.len()
        && (bias_a - bias_b).abs() < CLOSE
        && terms_a.iter().all(same)
}

/// The terms of a sum, and of sums in it, as far as they are few.
fn flat(s: &Symbols, id: Id) -> (Vec<(Id, f64)>, f64) {
    const FEW: usize = 4;
    match s.formula(id) {
        Formula::Sum(terms, bias) if terms.len() <= FEW => {
            let (mut all, mut sum) = (Vec::new(), *bias);
            for (term, factor) in terms.iter() {
                let inner = match s.formula(*term) {
                    Formula::Sum(inner, _) if inner.len() <= FEW => flat(s, *term),
                    _ => (vec![(*term, 1.0)], 0.0),
                };
                sum += factor * inner.1;
                all.extend(inner.0.into_iter().map(|(id, f)| (id, f * factor)));
            }
            (all, sum)
        }
        _ => (vec![(id, 1.0)], 0.0),
    }
}

/// `x / (1 + |x|)`.
fn softsign(s: &mut Symbols, x: Id, base: Id) -> Option<Value> {
    let (f, argument, factor, bias) = offset_function(s, base)?;
    let fits = f == Unary::Abs && argument == x && close(factor, 1.0) && close(bias, 1.0);
    fits.then(|| applied(s, Unary::Softsign, x, 1.0, 1.0))
}

/// Terms and a number.
pub(super) fn sum(s: &mut Symbols, terms: &[(Id, f64)], bias: f64) -> Option<Value> {
    let [first, second] = *terms else {
        return None;
    };
    scaled_norm(s, first, second, bias)
        .or_else(|| scaled_norm(s, second, first, bias))
        .or_else(|| two_sided(s, first, second, bias))
        .or_else(|| two_sided(s, second, first, bias))
}

/// `relu(x) − slope·relu(−x)`.
fn two_sided(
    s: &mut Symbols,
    (above, factor_above): (Id, f64),
    (below, factor_below): (Id, f64),
    bias: f64,
) -> Option<Value> {
    let Formula::Function(Unary::Relu, x) = *s.formula(above) else {
        return None;
    };
    let Formula::Function(Unary::Relu, negative) = *s.formula(below) else {
        return None;
    };
    if s.scaled(x, -1.0, 0.0) != Value::Of(negative) || s.affine(x).1 < 0.0 && s.affine(x).0 != x {
        return None;
    }
    let value = s.function(Unary::LeakyRelu(-factor_below / factor_above), Value::Of(x));
    let value = s.scale(value, factor_above);
    Some(s.add(value, Value::Known(bias)))
}

/// `base^p`.
pub(super) fn power(s: &mut Symbols, base: Id, p: f64) -> Option<Value> {
    // 1 / (1 + e^−x)
    let (f, argument, factor, bias) = offset_function(s, base)?;
    if p != -1.0 || f != Unary::Exp || !close(factor, 1.0) || !close(bias, 1.0) {
        return None;
    }
    let x = s.scaled(argument, -1.0, 0.0);
    Some(s.function(Unary::Sigmoid, x))
}

/// `f(x)`.
pub(super) fn function(s: &mut Symbols, f: Unary, x: Id) -> Option<Value> {
    let inner = match *s.formula(x) {
        Formula::Function(f, _) => Some(f),
        _ => None,
    };
    let base = |s: &Symbols| match *s.formula(x) {
        Formula::Function(_, base) => base,
        _ => x,
    };
    match f {
        Unary::Relu if is_positive(s, x, 8) => Some(Value::Of(x)),
        Unary::Clip { min, max } if min == f64::NEG_INFINITY && max == f64::INFINITY => {
            Some(Value::Of(x))
        }
        Unary::Clip {
            min: 0.0,
            max: f64::INFINITY,
        } => Some(s.function(Unary::Relu, Value::Of(x))),
        Unary::Clip { min: 0.0, max: 1.0 } if hard_sigmoid(s, x).is_some() => {
            let (alpha, argument) = hard_sigmoid(s, x)?;
            Some(s.function(Unary::HardSigmoid { alpha, beta: 0.5 }, argument))
        }
        Unary::Clip { min, max } => {
            let (low, high) = match inner {
                Some(Unary::Relu) => (0.0, f64::INFINITY),
                Some(Unary::Clip { min, max }) => (min, max),
                _ => return None,
            };
            let within = Unary::Clip {
                min: low.max(min),
                max: high.min(max),
            };
            Some(s.function(within, Value::Of(base(s))))
        }
        Unary::Relu => match inner {
            Some(Unary::Relu | Unary::Sigmoid | Unary::Softplus | Unary::Exp) => Some(Value::Of(x)),
            Some(Unary::Clip { max, .. }) if max > 0.0 => {
                let within = match inner {
                    Some(Unary::Clip { min, max }) => Unary::Clip {
                        min: min.max(0.0),
                        max,
                    },
                    _ => return None,
                };
                Some(s.function(within, Value::Of(base(s))))
            }
            _ => None,
        },
        Unary::Erfc => {
            let erf = s.function(Unary::Erf, Value::Of(x));
            let negative = s.scale(erf, -1.0);
            Some(s.add(negative, Value::Known(1.0)))
        }
        // An odd function: the sign stands outside.
        Unary::Erf if s.affine(x).1 < 0.0 => {
            let positive = s.scaled(x, -1.0, 0.0);
            let value = s.function(Unary::Erf, positive);
            Some(s.scale(value, -1.0))
        }
        // ln(1 + e^x)
        Unary::Log => {
            let (f, argument, factor, bias) = offset_function(s, x)?;
            (f == Unary::Exp && close(factor, 1.0) && close(bias, 1.0))
                .then(|| s.function(Unary::Softplus, Value::Of(argument)))
        }
        _ => None,
    }
}

/// Whether a formula is never below 0, as far as that can be seen.
fn is_positive(s: &Symbols, x: Id, depth: usize) -> bool {
    let deeper = |x: Id| depth > 0 && is_positive(s, x, depth - 1);
    match s.formula(x) {
        Formula::Function(f, _) => matches!(
            f,
            Unary::Relu | Unary::Sigmoid | Unary::Softplus | Unary::Exp | Unary::Abs
        ),
        Formula::Softmax(..) | Formula::TopK { .. } | Formula::IsLargest(..) => true,
        Formula::Sum(terms, bias) => {
            // A mixture, and not a layer's unit whose weights happen to be above 0: its neighbours
            // keep their relu.
            let mixed = |id: Id| terms.len() == 1 || matches!(s.formula(id), Formula::Product(..));
            let positive = |(id, factor): &(Id, f64)| *factor >= 0.0 && mixed(*id) && deeper(*id);
            *bias >= 0.0 && terms.iter().all(positive)
        }
        Formula::Product(a, b) => deeper(*a) && deeper(*b),
        _ => false,
    }
}

/// `α` and `z` where `x` is `α·z + ½` with the factor of a framework's hard sigmoid.
fn hard_sigmoid(s: &mut Symbols, x: Id) -> Option<(f64, Value)> {
    let (_, factor, offset) = s.affine(x);
    let alpha = [1.0 / 6.0, 0.2].into_iter().find(|a| close(factor, *a));
    let alpha = alpha.filter(|_| close(offset, 0.5))?;
    Some((alpha, s.scaled(x, 1.0 / alpha, -offset / alpha)))
}

/// A maximum, a minimum or a comparison.
pub(super) fn pair(s: &mut Symbols, f: Binary, a: Value, b: Value) -> Option<Value> {
    // The place of the largest, compared with one place.
    if let (Binary::Equal, Value::Of(place), Value::Known(at))
    | (Binary::Equal, Value::Known(at), Value::Of(place)) = (f, a, b)
        && let Formula::Place(group, 1, 0) = s.formula(place).clone()
        && at.fract() == 0.0
        && (0.0..group.len() as f64).contains(&at)
    {
        return Some(s.make(Formula::IsLargest(group, 1, at as u32)));
    }
    let (Value::Of(a), Value::Of(b)) = (a, b) else {
        return None;
    };
    if f != Binary::Max {
        return None;
    }
    // max(x, slope·x)
    let (x, factor) = match (multiple(s, b, a), multiple(s, a, b)) {
        (Some(factor), _) if factor.abs() <= 1.0 => (a, factor),
        (_, Some(factor)) if factor.abs() <= 1.0 => (b, factor),
        _ => return None,
    };
    (factor >= 0.0).then(|| s.function(Unary::LeakyRelu(factor), Value::Of(x)))
}

/// `condition ? a : b`.
pub(super) fn choice(s: &mut Symbols, condition: Id, a: Value, b: Value) -> Option<Value> {
    /// Beyond it softplus is its argument, within 5e-7 of it.
    const BEYOND: f64 = 14.0;
    let Formula::Pair(Binary::Less | Binary::LessOrEqual, low, high) = *s.formula(condition) else {
        return None;
    };
    if let Some(step) = smooth_step(s, low, high, a, b) {
        return Some(step);
    }
    // threshold < β·x ? x : softplus(β·x) / β
    if let (Value::Known(threshold), Value::Of(_), Value::Of(x), Value::Of(curve)) =
        (low, high, a, b)
        && threshold >= BEYOND
    {
        let (atom, factor, offset) = s.affine(curve);
        if let Formula::Function(Unary::Softplus, argument) = *s.formula(atom)
            && offset == 0.0
            && multiple(s, argument, x).is_some_and(|m| close(m * factor, 1.0))
            && high == Value::Of(argument)
        {
            return Some(b);
        }
    }
    // 0 < x ? λ·x : f(x)
    let (x, above, below) = match (low, high) {
        (Value::Known(0.0), Value::Of(x)) => (x, a, b),
        (Value::Of(x), Value::Known(0.0)) => (x, b, a),
        _ => return None,
    };
    let Value::Of(above) = above else {
        return None;
    };
    let scale = multiple(s, above, x).filter(|scale| *scale > 0.0)?;
    let curve = match s.scale(below, 1.0 / scale) {
        Value::Known(0.0) => Unary::Relu,
        Value::Known(_) => return None,
        Value::Of(below) => match multiple(s, below, x) {
            Some(slope) => Unary::LeakyRelu(slope),
            None => {
                let (f, argument, factor, bias) = offset_function(s, below)?;
                let elu = f == Unary::Exp && argument == x && close(-bias, factor);
                elu.then_some(Unary::Elu(factor))?
            }
        },
    };
    Some(applied(s, curve, x, 1.0, scale))
}

/// `t ≤ −γ/2 ? 0 : (γ/2 ≤ t ? 1 : −2t³/γ³ + 3t/2γ + ½)`.
fn smooth_step(s: &mut Symbols, t: Value, low: Value, zero: Value, rest: Value) -> Option<Value> {
    let (Value::Of(t), Value::Known(low), Value::Known(0.0), Value::Of(rest)) =
        (t, low, zero, rest)
    else {
        return None;
    };
    let Formula::Choice(above, Value::Known(1.0), Value::Of(curve)) = *s.formula(rest) else {
        return None;
    };
    let half = -low;
    let from = (Value::Known(half), Value::Of(t));
    if !matches!(s.formula(above), Formula::Pair(Binary::Less | Binary::LessOrEqual, a, b) if (*a, *b) == from)
        || half <= 0.0
    {
        return None;
    }
    let width = 2.0 * half;
    let cube = s.power(Value::Of(t), 3.0);
    let cube = s.scale(cube, -2.0 / width.powi(3));
    let line = s.scaled(t, 1.5 / width, 0.5);
    let Value::Of(wanted) = s.add(cube, line) else {
        return None;
    };
    alike(s, curve, wanted, 6).then(|| {
        let t = s.scaled(t, 1.0 / width, 0.0);
        s.function(Unary::SmoothStep, t)
    })
}
