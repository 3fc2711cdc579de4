//! Calibration values far beyond the rest of their feature: a sentinel such as −9999, a glitch of a
//! sensor, one absurd row. A scale that reaches them leaves no steps for the others.

/// Values this many times farther out than most of their feature's are looked at.
pub(super) const FAR: f64 = 30.0;

/// A feature of which some rows lie far beyond the others.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) feature: usize,
    /// Its median.
    middle: f64,
    /// How far from the median most values are.
    bulk: f64,
}

impl Suspect {
    fn distance(&self, row: &[f64]) -> f64 {
        row.get(self.feature)
            .map_or(0.0, |v| (v - self.middle).abs() / self.bulk)
    }

    /// The rows that lie this many times farther out than most.
    pub(super) fn beyond(&self, rows: &[Vec<f64>], times: f64) -> Vec<usize> {
        (0..rows.len())
            .filter(|r| self.distance(&rows[*r]) > times)
            .collect()
    }

    /// The range of the other rows.
    pub(super) fn kept(&self, rows: &[Vec<f64>], times: f64) -> (f64, f64) {
        let others = rows.iter().filter(|r| self.distance(r) <= times);
        others.fold((self.middle, self.middle), |(low, high), r| {
            (low.min(r[self.feature]), high.max(r[self.feature]))
        })
    }

    /// How many times farther out than most its farthest row is.
    pub(super) fn farthest(&self, rows: &[Vec<f64>]) -> f64 {
        rows.iter().fold(0.0, |far, r| self.distance(r).max(far))
    }
}

/// The value that three of four are not beyond; 0 of none.
pub(super) fn most(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * 3 / 4).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}

/// The features that `free` marks (nobody declared their range) with values far out.
pub(super) fn find(rows: &[Vec<f64>], free: &[bool]) -> Vec<Suspect> {
    let suspect = |feature: usize| {
        let mut values: Vec<f64> = rows.iter().map(|r| r[feature]).collect();
        values.sort_by(f64::total_cmp);
        let middle = values[values.len() / 2];
        let mut distances: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
        let mut bulk = most(&mut distances);
        if bulk == 0.0 {
            // Most rows have one value, so what counts is how the others compare with each other;
            // a few say nothing of that, and are held against what a flag would be.
            let mut others: Vec<f64> = distances.into_iter().filter(|d| *d > 0.0).collect();
            let few = others.len() * 50 <= rows.len();
            bulk = most(&mut others);
            if few {
                bulk = bulk.min(middle.abs().max(1.0));
            }
        }
        let found = Suspect {
            feature,
            middle,
            bulk,
        };
        (bulk > 0.0 && found.farthest(rows) > FAR).then_some(found)
    };
    free.iter()
        .enumerate()
        .filter(|(_, free)| **free && !rows.is_empty())
        .filter_map(|(feature, _)| suspect(feature))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::find;

    fn column(values: impl Iterator<Item = f64>) -> Vec<Vec<f64>> {
        values.map(|v| vec![v]).collect()
    }

    fn normal(n: usize) -> impl Iterator<Item = f64> {
        (0..n).map(|i| (i as f64 * 0.7).sin() * 3.0)
    }

    #[test]
    fn absurd_values_stand_out_and_ordinary_ones_do_not() {
        let with = |more: &[f64]| column(normal(200).chain(more.iter().copied()));
        for (more, far) in [
            (&[1e6][..], 1),
            (&[-9999.0, -9999.0, -9999.0], 3),
            (&[9.0, -8.0], 0),
        ] {
            let rows = with(more);
            let found = find(&rows, &[true]);
            assert_eq!(found.len(), usize::from(far > 0), "{more:?}");
            if let Some(s) = found.first() {
                assert_eq!(s.beyond(&rows, 100.0).len(), far);
                let (low, high) = s.kept(&rows, 100.0);
                assert!((-3.0..-2.9).contains(&low) && (2.9..=3.0).contains(&high));
            }
        }
        assert!(find(&with(&[1e6]), &[false]).is_empty());
    }

    #[test]
    fn rare_flags_and_counts_are_no_outliers_but_one_number_among_zeros_is() {
        let zeros = |n: usize, more: &[f64]| {
            column(std::iter::repeat_n(0.0, n).chain(more.iter().copied()))
        };
        assert!(find(&zeros(300, &[1.0]), &[true]).is_empty());
        assert!(find(&zeros(100, &[1.0; 9]), &[true]).is_empty());
        assert!(find(&zeros(100, &[3.0, 7.0, 20.0, 11.0]), &[true]).is_empty());
        assert_eq!(find(&zeros(199, &[1e6]), &[true]).len(), 1);
        assert!(find(&[], &[true]).is_empty());
    }
}
