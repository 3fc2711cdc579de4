//! How good predictions are, and how far two models' predictions are apart.

/// How near to 0 and 1 a probability may come in a logarithm. A log loss of one certain but wrong
/// prediction would be infinite and hide all others, and nearer to 1 than this, f32 has hardly any
/// numbers.
const CLIP: f64 = 1e-7;

/// Returns the area under the ROC curve: the share of pairs of a positive and a negative row that the
/// scores rank right, where ties count half. `None` unless both classes occur and no score is NaN.
///
/// ```
/// use mmoe_tools::metrics::auc;
/// // Of four pairs, three are ranked right.
/// let scores = [0.1, 0.4, 0.35, 0.8];
/// assert_eq!(auc(&scores, &[false, false, true, true]), Some(0.75));
/// assert_eq!(auc(&scores, &[true; 4]), None);
/// ```
#[must_use]
pub fn auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    weighted_auc(scores, positive, &vec![1.0; scores.len()])
}

/// [`auc`] with pairs that count the product of their rows' weights.
#[must_use]
pub fn weighted_auc(scores: &[f64], positive: &[bool], weights: &[f64]) -> Option<f64> {
    let total = |class: bool| -> f64 {
        let of = positive.iter().zip(weights).filter(|(p, _)| **p == class);
        of.map(|(_, w)| w).sum()
    };
    let (positives, negatives) = (total(true), total(false));
    if positives == 0.0 || negatives == 0.0 || scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let mut order: Vec<(f64, bool, f64)> = scores
        .iter()
        .zip(positive)
        .zip(weights)
        .map(|((s, p), w)| (*s, *p, *w))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut right, mut below) = (0.0, 0.0);
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let of = |class: bool| -> f64 {
            let of = equal.iter().filter(|(_, p, _)| *p == class);
            of.map(|(.., w)| w).sum()
        };
        right += of(true) * (below + of(false) / 2.0);
        below += of(false);
    }
    Some(right / (positives * negatives))
}

/// Mean of `values`, which count by their weights.
fn mean(values: impl Iterator<Item = f64>, weights: &[f64]) -> f64 {
    let sum: f64 = values.zip(weights).map(|(v, w)| v * w).sum();
    sum / weights.iter().sum::<f64>()
}

/// Mean of `−ln p(label)`, from the probabilities that were given to what happened.
#[must_use]
pub fn log_loss(given: impl Iterator<Item = f64>, weights: &[f64]) -> f64 {
    // `clamp` keeps a NaN, which then is the result.
    mean(given.map(|p| -p.clamp(CLIP, 1.0 - CLIP).ln()), weights)
}

/// Mean of the squared differences.
#[must_use]
pub fn mse(found: &[f64], expected: &[f64]) -> f64 {
    weighted_mse(found, expected, &vec![1.0; found.len()])
}

/// [`mse`] of values that count by their weights.
#[must_use]
pub fn weighted_mse(found: &[f64], expected: &[f64], weights: &[f64]) -> f64 {
    let squares = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2));
    mean(squares, weights)
}

/// `Σ predicted / Σ observed`, each with its weight; `None` where nothing was observed.
#[must_use]
pub fn calibration(predicted: &[f64], observed: &[f64], weights: &[f64]) -> Option<f64> {
    let sum = |of: &[f64]| -> f64 { of.iter().zip(weights).map(|(v, w)| v * w).sum() };
    let observed = sum(observed);
    (observed != 0.0).then(|| sum(predicted) / observed)
}

/// Returns the largest and the mean `|a − b|`. A NaN is infinitely far away from every number, and
/// from another NaN: outputs that are no numbers never agree.
#[must_use]
pub fn difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    let apart = |(a, b): (&f64, &f64)| match (a - b).abs() {
        _ if a == b => 0.0,
        d if d.is_nan() => f64::INFINITY,
        d => d,
    };
    let all: Vec<f64> = a.iter().zip(b).map(apart).collect();
    (
        all.iter().copied().fold(0.0, f64::max),
        all.iter().sum::<f64>() / (all.len() as f64).max(1.0),
    )
}

/// How a ranking differs from that of a reference, as shares of the pairs of rows that the reference
/// ranks one above the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankingChange {
    /// Pairs that are ranked the other way round.
    pub swapped: f64,
    /// Pairs that are no longer told apart.
    pub tied: f64,
}

/// Compares the ranking by `scores` with that by `reference`.
#[must_use]
pub fn ranking_change(reference: &[f64], scores: &[f64]) -> RankingChange {
    let mut order: Vec<(f64, f64)> = reference
        .iter()
        .copied()
        .zip(scores.iter().copied())
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let pairs = |n: usize| n as f64 * (n as f64 - 1.0) / 2.0;
    let tied_in = |equal: fn(&(f64, f64), &(f64, f64)) -> bool, of: &[(f64, f64)]| -> f64 {
        of.chunk_by(equal).map(|c| pairs(c.len())).sum()
    };
    let both = tied_in(|a, b| a == b, &order);
    let ranked = pairs(order.len()) - tied_in(|a, b| a.0 == b.0, &order);
    let mut scores: Vec<f64> = order.iter().map(|o| o.1).collect();
    let swapped = inversions(&mut scores) as f64;
    let sorted: Vec<(f64, f64)> = scores.iter().map(|s| (*s, *s)).collect();
    let tied = tied_in(|a, b| a == b, &sorted) - both;
    if ranked == 0.0 {
        return RankingChange {
            swapped: 0.0,
            tied: 0.0,
        };
    }
    RankingChange {
        swapped: swapped / ranked,
        tied: tied / ranked,
    }
}

/// Sorts the numbers, and returns how many pairs were in the wrong order. A merge sort counts them on
/// the way, in n·log n steps instead of one for each pair.
fn inversions(v: &mut [f64]) -> u64 {
    if v.len() < 2 {
        return 0;
    }
    let (left, right) = v.split_at_mut(v.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        if j == right.len() || (i < left.len() && left[i].total_cmp(&right[j]).is_le()) {
            merged.push(left[i]);
            i += 1;
        } else {
            count += (left.len() - i) as u64;
            merged.push(right[j]);
            j += 1;
        }
    }
    v.copy_from_slice(&merged);
    count
}

#[cfg(test)]
mod tests {
    use super::{
        auc, calibration, difference, log_loss, mse, ranking_change, weighted_auc, weighted_mse,
    };

    /// By definition: all pairs of a positive and a negative.
    fn auc_of_pairs(scores: &[f64], positive: &[bool]) -> f64 {
        let (mut right, mut all) = (0.0, 0.0);
        for (s, _) in scores.iter().zip(positive).filter(|(_, p)| **p) {
            for (t, _) in scores.iter().zip(positive).filter(|(_, p)| !**p) {
                all += 1.0;
                right += if s > t {
                    1.0
                } else if s == t {
                    0.5
                } else {
                    0.0
                };
            }
        }
        right / all
    }

    fn random(n: usize, mut state: u64, steps: u64) -> Vec<f64> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) % steps
        };
        (0..n).map(|_| next() as f64 / steps as f64).collect()
    }

    #[test]
    fn auc_is_the_share_of_pairs() {
        for seed in 0..20 {
            let scores = random(100, seed, 7 + seed * 50);
            let positive: Vec<bool> = random(100, seed + 100, 2)
                .iter()
                .map(|v| *v > 0.0)
                .collect();
            let found = auc(&scores, &positive).unwrap();
            assert!((found - auc_of_pairs(&scores, &positive)).abs() < 1e-12);
        }
        assert_eq!(auc(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(auc(&[0.1, 0.2], &[false, true]), Some(1.0));
    }

    /// A weight of k is k equal rows, and a weight of 0 is none.
    #[test]
    fn weights_stand_for_rows() {
        let (scores, labels) = (random(40, 1, 9), random(40, 2, 2));
        let weights: Vec<f64> = random(40, 3, 4).iter().map(|w| 4.0 * w).collect();
        let repeated = |of: &[f64]| -> Vec<f64> {
            let each = of.iter().zip(&weights);
            each.flat_map(|(v, w)| std::iter::repeat_n(*v, *w as usize))
                .collect()
        };
        let positive = |of: &[f64]| -> Vec<bool> { of.iter().map(|v| *v > 0.0).collect() };
        let (s, l) = (repeated(&scores), repeated(&labels));
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(
            weighted_auc(&scores, &positive(&labels), &weights).unwrap(),
            auc_of_pairs(&s, &positive(&l)),
        );
        near(weighted_mse(&scores, &labels, &weights), mse(&s, &l));
        near(
            calibration(&scores, &labels, &weights).unwrap(),
            calibration(&s, &l, &vec![1.0; s.len()]).unwrap(),
        );
        near(
            log_loss(scores.iter().copied(), &weights),
            log_loss(s.iter().copied(), &vec![1.0; s.len()]),
        );
    }

    #[test]
    fn ranking_changes_are_shares_of_pairs() {
        for seed in 0..20 {
            let a = random(60, seed, 11);
            let b = random(60, seed + 7, 5);
            let (mut swapped, mut tied, mut all) = (0.0, 0.0, 0.0);
            for i in 0..60 {
                for j in 0..60 {
                    if a[i] < a[j] {
                        all += 1.0;
                        swapped += f64::from(u8::from(b[i] > b[j]));
                        tied += f64::from(u8::from(b[i] == b[j]));
                    }
                }
            }
            let found = ranking_change(&a, &b);
            assert!(
                (found.swapped - swapped / all).abs() < 1e-12
                    && (found.tied - tied / all).abs() < 1e-12,
                "{found:?}"
            );
        }
    }

    #[test]
    fn losses_follow_their_formulas() {
        assert!(
            (log_loss([0.5, 0.25].into_iter(), &[1.0; 2]) - (2f64.ln() + 4f64.ln()) / 2.0).abs()
                < 1e-12
        );
        assert!(log_loss([0.0].into_iter(), &[1.0]) < 17.0);
        assert_eq!(mse(&[1.0, 3.0], &[0.0, 1.0]), 2.5);
        assert_eq!(
            calibration(&[0.5, 0.25], &[1.0, 0.0], &[1.0; 2]),
            Some(0.75)
        );
        assert_eq!(calibration(&[0.5], &[0.0], &[1.0]), None);
        assert_eq!(difference(&[1.0, 2.0], &[1.5, 2.0]), (0.5, 0.25));
        let none = [f64::NAN, 0.0];
        for (a, b) in [(none, [0.0, 0.0]), ([0.0, 0.0], none), (none, none)] {
            assert_eq!(difference(&a, &b), (f64::INFINITY, f64::INFINITY));
        }
        let infinite = [f64::INFINITY];
        assert_eq!(difference(&infinite, &infinite), (0.0, 0.0));
    }
}
