//! How gates use the experts on given rows.
//!
//! A gate that always chooses the same expert, or an expert that no gate uses, is flash and time for
//! nothing, and often a sign that training went wrong. These are the words for it, here and in what
//! `mmoe gates` and `mmoe report` show:
//!
//! - An expert *leads* on a row if the gate gives it the largest weight, the first of equal ones.
//! - The *entropy* of a gate is the mean over the rows of `−Σ p·ln p`, where `p` are the weights as
//!   shares of their sum, divided by that of equal shares: 0 where one expert has all, 1 where all
//!   have the same.
//! - A gate has *collapsed* on an expert that leads on at least 95 % of the rows and has at least
//!   95 % of the gate's mean weight: the other experts hardly count for it.
//! - An expert is *dead* if no gate gives it a weight of 0.01 or more on any row. A small mean alone
//!   does not make it dead: an expert for rare rows is small on average and matters on those.
//! - The *correlation* of two gates over the same experts is Pearson's, over all rows and experts.

/// The share of the rows, and of the weight, with which an expert has its gate to itself.
const COLLAPSED: f64 = 0.95;
/// A weight that no row reaches at a dead expert.
const DEAD: f64 = 0.01;

/// The statistics of one gate over all rows so far.
///
/// ```
/// use mmoe_tools::gate_stats::GateStats;
/// let mut stats = GateStats::new("gate of `click`".into(), vec![0, 1]);
/// stats.add(&[0.75, 0.25]);
/// stats.add(&[0.25, 0.75]);
/// assert_eq!(stats.mean(), [0.5, 0.5]);
/// assert_eq!(stats.leads(), [0.5, 0.5]);
/// assert_eq!(stats.max(), [0.75, 0.75]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GateStats {
    /// The name of the gate, for people.
    pub name: String,
    /// The experts that it weighs, by number among all experts.
    pub experts: Vec<usize>,
    rows: f64,
    sums: Vec<f64>,
    max: Vec<f64>,
    leads: Vec<f64>,
    entropy: f64,
}

impl GateStats {
    /// Creates the statistics of a gate that saw no row yet.
    #[must_use]
    pub fn new(name: String, experts: Vec<usize>) -> Self {
        let zeros = vec![0.0; experts.len()];
        Self {
            name,
            experts,
            rows: 0.0,
            sums: zeros.clone(),
            max: zeros.clone(),
            leads: zeros,
            entropy: 0.0,
        }
    }

    /// Adds the gate's weights on one more row.
    pub fn add(&mut self, weights: &[f32]) {
        self.rows += 1.0;
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let mut leader = 0;
        for (i, w) in weights.iter().enumerate().take(self.experts.len()) {
            let w = f64::from(*w);
            self.sums[i] += w;
            self.max[i] = self.max[i].max(w);
            if w > f64::from(weights[leader]) {
                leader = i;
            }
            let share = if total > 0.0 { w / total } else { 0.0 };
            if share > 0.0 {
                self.entropy -= share * share.ln();
            }
        }
        if let Some(n) = self.leads.get_mut(leader) {
            *n += 1.0;
        }
    }

    /// Returns the mean weight of each expert.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        self.sums.iter().map(|s| s / self.rows.max(1.0)).collect()
    }

    /// Returns the largest weight of each expert.
    #[must_use]
    pub fn max(&self) -> &[f64] {
        &self.max
    }

    /// Returns the share of rows on which each expert leads.
    #[must_use]
    pub fn leads(&self) -> Vec<f64> {
        self.leads.iter().map(|n| n / self.rows.max(1.0)).collect()
    }

    /// Returns the entropy of the gate: 0 where one expert has all the weight, 1 where all have the
    /// same.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        let most = (self.experts.len() as f64).ln();
        if most > 0.0 {
            self.entropy / self.rows.max(1.0) / most
        } else {
            0.0
        }
    }
}

/// The statistics of all gates of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Gating {
    /// The statistics of each gate, in the order of the wiring.
    pub gates: Vec<GateStats>,
    /// How many experts the model has.
    pub experts: usize,
    /// Per pair of gates that weigh the same experts: their numbers, and the sums for their
    /// correlation.
    pairs: Vec<(usize, usize, Moments)>,
}

/// Sums of x, y, x², y², xy, and how many.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Moments {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Gating {
    /// Starts with these gates, of a model with this many experts.
    #[must_use]
    pub fn new(gates: Vec<GateStats>, experts: usize) -> Self {
        let alike = |a: usize, b: usize| gates[a].experts == gates[b].experts;
        let pairs = (0..gates.len()).flat_map(|a| (a + 1..gates.len()).map(move |b| (a, b)));
        let pairs = pairs
            .filter(|(a, b)| alike(*a, *b))
            .map(|(a, b)| (a, b, Moments::default()))
            .collect();
        Self {
            gates,
            experts,
            pairs,
        }
    }

    /// One row: the weights of each gate.
    pub fn add(&mut self, weights: &[&[f32]]) {
        for (gate, weights) in self.gates.iter_mut().zip(weights) {
            gate.add(weights);
        }
        for (a, b, m) in &mut self.pairs {
            for (x, y) in weights[*a].iter().zip(weights[*b]) {
                let (x, y) = (f64::from(*x), f64::from(*y));
                *m = Moments {
                    n: m.n + 1.0,
                    x: m.x + x,
                    y: m.y + y,
                    xx: m.xx + x * x,
                    yy: m.yy + y * y,
                    xy: m.xy + x * y,
                };
            }
        }
    }

    /// Correlation of two gates' weights over all rows and experts, for gates that weigh the same
    /// experts; `None` where one never moves.
    #[must_use]
    pub fn correlations(&self) -> Vec<(usize, usize, Option<f64>)> {
        let correlation = |m: &Moments| {
            let cov = m.xy - m.x * m.y / m.n;
            let (vx, vy) = (m.xx - m.x * m.x / m.n, m.yy - m.y * m.y / m.n);
            let noise = 1e-12 * m.n;
            (vx > noise && vy > noise).then(|| (cov / (vx * vy).sqrt()).clamp(-1.0, 1.0))
        };
        self.pairs
            .iter()
            .map(|(a, b, m)| (*a, *b, correlation(m)))
            .collect()
    }

    /// What a person should look at: gates that collapsed on one expert, and experts that no gate
    /// uses.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for gate in &self.gates {
            if gate.experts.len() < 2 {
                continue;
            }
            for ((expert, lead), mean) in gate.experts.iter().zip(gate.leads()).zip(gate.mean()) {
                if lead >= COLLAPSED && mean >= COLLAPSED * gate.mean().iter().sum::<f64>() {
                    warnings.push(format!(
                        "{} has collapsed on expert {expert}: it leads in {:.1} % of the rows \
                         with a mean weight of {mean:.3}",
                        gate.name,
                        100.0 * lead
                    ));
                }
            }
        }
        for expert in 0..self.experts {
            let seen = self.gates.iter().filter_map(|g| {
                g.experts
                    .iter()
                    .position(|e| *e == expert)
                    .map(|i| g.max[i])
            });
            let largest = seen.fold(None, |m: Option<f64>, w| Some(m.map_or(w, |m| m.max(w))));
            match largest {
                Some(w) if w < DEAD => {
                    warnings.push(format!(
                        "expert {expert} is dead: no gate weighs it more than {w:.4} on any row"
                    ));
                }
                _ => {}
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::{GateStats, Gating};

    fn gating(names: &[&str], experts: usize) -> Gating {
        Gating::new(
            names
                .iter()
                .map(|n| GateStats::new((*n).into(), (0..experts).collect()))
                .collect(),
            experts,
        )
    }

    #[test]
    fn statistics_of_two_rows() {
        let mut g = gating(&["a", "b"], 2);
        g.add(&[&[0.75, 0.25], &[0.25, 0.75]]);
        g.add(&[&[0.25, 0.75], &[0.75, 0.25]]);
        let a = &g.gates[0];
        assert_eq!(
            (a.mean(), a.max(), a.leads()),
            (vec![0.5, 0.5], &[0.75, 0.75][..], vec![0.5, 0.5])
        );
        let h = -(0.75f64.ln() * 0.75 + 0.25f64.ln() * 0.25) / 2f64.ln();
        assert!((a.entropy() - h).abs() < 1e-12);
        assert_eq!(g.correlations(), [(0, 1, Some(-1.0))]);
        assert!(g.warnings().is_empty());
    }

    #[test]
    fn a_collapsed_gate_and_a_dead_expert_are_named() {
        let mut g = gating(&["gate_y"], 3);
        for _ in 0..10 {
            g.add(&[&[0.98, 0.015, 0.005]]);
        }
        let w = g.warnings();
        assert_eq!(w.len(), 2, "{w:?}");
        assert!(
            w[0].starts_with("gate_y has collapsed on expert 0")
                && w[1].starts_with("expert 2 is dead"),
            "{w:?}"
        );
        // A gate that never moves has no correlation.
        let mut g = gating(&["a", "b"], 2);
        g.add(&[&[0.5, 0.5], &[0.1, 0.9]]);
        assert_eq!(g.correlations()[0].2, None);
    }

    #[test]
    fn an_expert_for_rare_rows_is_not_dead() {
        let mut g = gating(&["gate_y"], 2);
        for row in 0..100 {
            let rare = if row < 2 { 0.4 } else { 0.0 };
            g.add(&[&[1.0 - rare, rare]]);
        }
        assert!((g.gates[0].mean()[1] - 0.008).abs() < 1e-6);
        let warnings = g.warnings();
        // Its gate has all but collapsed on the other one, which is another thing to know.
        assert!(
            warnings.len() == 1 && warnings[0].starts_with("gate_y has collapsed on expert 0"),
            "{warnings:?}"
        );
    }

    #[test]
    fn entropy_is_of_shares_and_from_0_to_1() {
        // Sigmoid gates do not add up to one; what counts is how they share.
        for (weights, entropy) in [
            (&[0.3f32, 0.3, 0.3, 0.3][..], 1.0),
            (&[0.9, 0.0, 0.0, 0.0], 0.0),
            (&[0.5, 0.5, 0.0, 0.0], 0.5),
        ] {
            let mut g = gating(&["gate_y"], 4);
            g.add(&[weights]);
            assert!((g.gates[0].entropy() - entropy).abs() < 1e-6, "{weights:?}");
        }
    }
}
