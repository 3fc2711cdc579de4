//! What a model's gates do over many rows, gathered in fixed memory.

/// Statistics of the gates of one level over the rows that were [added](Self::add): which experts
/// each task uses, how decided its gate is, and how much the tasks agree.
///
/// Memory: `TASKS · (EXPERTS · 12 + TASKS · 8 + 12) + 4` bytes and alignment. Sums are integers, so
/// the order of rows and of [merges](Self::merge) does not matter. [`add`](Self::add) takes a
/// logarithm per weight (libm): on a core without FPU, add one row in many.
///
/// ```
/// use mmoe::GateStats;
/// let mut stats = GateStats::<4, 2>::new();
/// stats.add(&[[0.7f32, 0.1, 0.1, 0.1], [0.25; 4]]);
/// stats.add(&[[0.9f32, 0.1, 0.0, 0.0], [0.25; 4]]);
/// assert!((stats.mean(0, 0) - 0.8).abs() < 1e-3);
/// assert_eq!(stats.lead_share(0, 0), 1.0);
/// assert!(stats.entropy(1) > 1.38 && stats.entropy(0) < 1.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateStats<const EXPERTS: usize, const TASKS: usize> {
    rows: u32,
    /// Q15.
    sum: [[u64; EXPERTS]; TASKS],
    lead: [[u32; EXPERTS]; TASKS],
    /// Q15.
    largest: [u16; TASKS],
    /// Nats, Q16.
    entropy: [u64; TASKS],
    /// Q30: products of two tasks' weights, added over experts and rows.
    cross: [[u64; TASKS]; TASKS],
}

impl<const EXPERTS: usize, const TASKS: usize> Default for GateStats<EXPERTS, TASKS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const EXPERTS: usize, const TASKS: usize> GateStats<EXPERTS, TASKS> {
    /// A mean weight below this, at every task, makes an expert dead.
    pub const DEAD: f32 = 0.01;
    /// A gate that gives one expert more than this on average has collapsed.
    pub const COLLAPSED: f32 = 0.95;

    /// No rows yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            rows: 0,
            sum: [[0; EXPERTS]; TASKS],
            lead: [[0; EXPERTS]; TASKS],
            largest: [0; TASKS],
            entropy: [0; TASKS],
            cross: [[0; TASKS]; TASKS],
        }
    }

    /// Adds one row: the `gates` of a [`Traced`](crate::Traced) prediction, f32 or
    /// [`Q15`](crate::Q15). Weights outside 0 ..= 1 are clamped.
    pub fn add<G: Copy + Into<f32>>(&mut self, gates: &[[G; EXPERTS]; TASKS]) {
        self.rows = self.rows.saturating_add(1);
        let q15 = |g: G| (g.into().clamp(0.0, 1.0) * 32768.0) as u32;
        for (t, gate) in gates.iter().enumerate() {
            let mut first = (0, 0);
            let mut entropy = 0.0f32;
            for (i, g) in gate.iter().enumerate() {
                let q = q15(*g);
                if let Some(sum) = self.sum.get_mut(t).and_then(|s| s.get_mut(i)) {
                    *sum = sum.saturating_add(u64::from(q));
                }
                if q > first.1 {
                    first = (i, q);
                }
                let p = (*g).into();
                if p > 0.0 {
                    entropy -= p * libm::logf(p);
                }
            }
            if let Some(lead) = self.lead.get_mut(t).and_then(|l| l.get_mut(first.0)) {
                *lead = lead.saturating_add(1);
            }
            if let (Some(largest), Some(sum)) = (self.largest.get_mut(t), self.entropy.get_mut(t)) {
                *largest = (*largest).max(first.1 as u16);
                *sum = sum.saturating_add((entropy.max(0.0) * 65536.0) as u64);
            }
            for (u, other) in gates.iter().enumerate() {
                let dot: u64 = gate
                    .iter()
                    .zip(other)
                    .map(|(a, b)| u64::from(q15(*a)) * u64::from(q15(*b)))
                    .sum();
                if let Some(cross) = self.cross.get_mut(t).and_then(|c| c.get_mut(u)) {
                    *cross = cross.saturating_add(dot);
                }
            }
        }
    }

    /// Adds another device's or another thread's rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        for t in 0..TASKS {
            let pairs = (
                self.sum.get_mut(t),
                other.sum.get(t),
                self.lead.get_mut(t),
                other.lead.get(t),
                self.cross.get_mut(t),
                other.cross.get(t),
            );
            if let (Some(sum), Some(sum2), Some(lead), Some(lead2), Some(cross), Some(cross2)) =
                pairs
            {
                for (a, b) in sum.iter_mut().zip(sum2) {
                    *a = a.saturating_add(*b);
                }
                for (a, b) in lead.iter_mut().zip(lead2) {
                    *a = a.saturating_add(*b);
                }
                for (a, b) in cross.iter_mut().zip(cross2) {
                    *a = a.saturating_add(*b);
                }
            }
        }
        for (a, b) in self.largest.iter_mut().zip(&other.largest) {
            *a = (*a).max(*b);
        }
        for (a, b) in self.entropy.iter_mut().zip(&other.entropy) {
            *a = a.saturating_add(*b);
        }
    }

    /// How many rows were added.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    fn per_row(&self, sum: f32) -> f32 {
        if self.rows == 0 {
            0.0
        } else {
            sum / self.rows as f32
        }
    }

    /// The mean weight of an expert at a task's gate; 0 for one that does not exist.
    #[must_use]
    pub fn mean(&self, task: usize, expert: usize) -> f32 {
        self.per_row(
            self.sum
                .get(task)
                .and_then(|s| s.get(expert))
                .map_or(0.0, |s| *s as f32 / 32768.0),
        )
    }

    /// The share of rows in which the expert has the task's largest weight (ties: the lowest index
    /// has it).
    #[must_use]
    pub fn lead_share(&self, task: usize, expert: usize) -> f32 {
        self.per_row(
            self.lead
                .get(task)
                .and_then(|l| l.get(expert))
                .map_or(0.0, |l| *l as f32),
        )
    }

    /// The largest weight that the task's gate ever gave.
    #[must_use]
    pub fn largest(&self, task: usize) -> f32 {
        self.largest
            .get(task)
            .map_or(0.0, |l| f32::from(*l) / 32768.0)
    }

    /// The mean entropy of the task's gate, in nats: 0 for one expert alone, `ln EXPERTS` for all
    /// alike.
    #[must_use]
    pub fn entropy(&self, task: usize) -> f32 {
        self.per_row(self.entropy.get(task).map_or(0.0, |e| *e as f32 / 65536.0))
    }

    /// Pearson correlation of two tasks' weights over experts and rows: 1 where they use the
    /// experts alike. NaN where a gate never changes and gives every expert the same.
    #[must_use]
    pub fn correlation(&self, a: usize, b: usize) -> f32 {
        let n = self.rows as f32 * EXPERTS as f32;
        let mean = |t: usize| {
            self.sum.get(t).map_or(0.0, |s| {
                s.iter().map(|v| *v as f32 / 32768.0).sum::<f32>() / n
            })
        };
        let moment = |t: usize, u: usize| {
            self.cross
                .get(t)
                .and_then(|c| c.get(u))
                .map_or(0.0, |c| *c as f32 / (1u32 << 30) as f32 / n)
        };
        let covariance = |t, u| moment(t, u) - mean(t) * mean(u);
        covariance(a, b) / libm::sqrtf(covariance(a, a) * covariance(b, b))
    }

    /// The experts that no task uses ([`DEAD`](Self::DEAD)), as a mask; nothing before the first
    /// row.
    #[must_use]
    pub fn dead_experts(&self) -> u32 {
        let dead = |e: &usize| self.rows > 0 && (0..TASKS).all(|t| self.mean(t, *e) < Self::DEAD);
        (0..EXPERTS.min(32)).filter(dead).fold(0, |m, e| m | 1 << e)
    }

    /// The tasks whose gate has [`COLLAPSED`](Self::COLLAPSED), as a mask.
    #[must_use]
    pub fn collapsed(&self) -> u32 {
        let collapsed =
            |t: &usize| EXPERTS > 1 && (0..EXPERTS).any(|e| self.mean(*t, e) > Self::COLLAPSED);
        (0..TASKS.min(32))
            .filter(collapsed)
            .fold(0, |m, t| m | 1 << t)
    }
}

#[cfg(test)]
mod tests {
    use super::GateStats;
    use crate::Q15;

    #[test]
    fn halves_merge_to_the_whole() {
        let rows: std::vec::Vec<[[f32; 3]; 2]> = (0..20)
            .map(|i| {
                let a = i as f32 / 20.0;
                [[a, 1.0 - a, 0.0], [0.2 + a / 2.0, 0.8 - a / 2.0, 0.0]]
            })
            .collect();
        let (mut all, mut one, mut two) =
            (GateStats::<3, 2>::new(), GateStats::new(), GateStats::new());
        for (i, r) in rows.iter().enumerate() {
            all.add(r);
            if i % 3 == 0 { one.add(r) } else { two.add(r) }
        }
        two.merge(&one);
        assert_eq!(two, all);
        assert_eq!(all.rows(), 20);
        assert_eq!(all.dead_experts(), 0b100);
        assert_eq!(all.collapsed(), 0);
        assert!((all.mean(0, 0) - 0.475).abs() < 1e-4);
        assert_eq!(all.lead_share(0, 0), 0.5);
    }

    #[test]
    fn correlation_is_pearsons() {
        let rows = [
            [[0.9f32, 0.1], [0.6, 0.4]],
            [[0.2, 0.8], [0.3, 0.7]],
            [[0.5, 0.5], [0.1, 0.9]],
        ];
        let mut s = GateStats::<2, 2>::new();
        rows.iter().for_each(|r| s.add(r));
        let flat = |t: usize| rows.iter().flat_map(move |r| r[t]).map(f64::from);
        let mean = |t: usize| flat(t).sum::<f64>() / 6.0;
        let cov = |a: usize, b: usize| {
            flat(a)
                .zip(flat(b))
                .map(|(x, y)| (x - mean(a)) * (y - mean(b)))
                .sum::<f64>()
        };
        let want = cov(0, 1) / (cov(0, 0) * cov(1, 1)).sqrt();
        assert!(
            (f64::from(s.correlation(0, 1)) - want).abs() < 1e-3,
            "{} {want}",
            s.correlation(0, 1)
        );
        assert!((s.correlation(0, 0) - 1.0).abs() < 1e-4);
    }

    #[test]
    fn integers_and_collapse() {
        let mut s = GateStats::<2, 1>::new();
        s.add(&[[Q15(32768), Q15(0)]]);
        assert_eq!(
            (s.collapsed(), s.dead_experts(), s.largest(0), s.entropy(0)),
            (1, 2, 1.0, 0.0)
        );
    }
}
