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
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 || scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let mut order: Vec<(f64, bool)> = scores
        .iter()
        .copied()
        .zip(positive.iter().copied())
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The sum of the ranks of the positives tells how many negatives lie below them (Mann and
    // Whitney), which takes a sort instead of a look at all pairs. Ranks count from 1, and equal
    // scores share their mean rank, which makes a tie count half.
    let (mut ranks, mut first) = (0.0, 0);
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let mean = first as f64 + (equal.len() as f64 + 1.0) / 2.0;
        ranks += mean * equal.iter().filter(|(_, p)| *p).count() as f64;
        first += equal.len();
    }
    Some((ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Returns the mean of `−ln p`, from the probabilities that the model gave to what happened.
#[must_use]
pub fn log_loss(given: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = given.len() as f64;
    given.map(|p| -p.clamp(CLIP, 1.0 - CLIP).ln()).sum::<f64>() / n
}

/// Returns the mean of the squared differences.
#[must_use]
pub fn mse(found: &[f64], expected: &[f64]) -> f64 {
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        / found.len() as f64
}

/// Returns `Σ predicted / Σ observed`, or `None` where nothing was observed. It is 1 for a model that
/// predicts as many events as happen.
#[must_use]
pub fn calibration(predicted: &[f64], observed: &[f64]) -> Option<f64> {
    let observed: f64 = observed.iter().sum();
    (observed != 0.0).then(|| predicted.iter().sum::<f64>() / observed)
}

/// Returns the largest and the mean `|a − b|`. A NaN on one side alone is infinitely far away.
#[must_use]
pub fn difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    let apart = |(a, b): (&f64, &f64)| match (a - b).abs() {
        _ if a == b || (a.is_nan() && b.is_nan()) => 0.0,
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
    use super::{auc, calibration, difference, log_loss, mse, ranking_change};

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
        assert!((log_loss([0.5, 0.25].into_iter()) - (2f64.ln() + 4f64.ln()) / 2.0).abs() < 1e-12);
        assert!(log_loss([0.0].into_iter()) < 17.0);
        assert_eq!(mse(&[1.0, 3.0], &[0.0, 1.0]), 2.5);
        assert_eq!(calibration(&[0.5, 0.25], &[1.0, 0.0]), Some(0.75));
        assert_eq!(calibration(&[0.5], &[0.0]), None);
        assert_eq!(difference(&[1.0, 2.0], &[1.5, 2.0]), (0.5, 0.25));
        assert_eq!(difference(&[f64::NAN], &[0.0]).0, f64::INFINITY);
    }
}
