//! Small drawings of numbers.

use maud::{Markup, html};

use mmoe_tools::text::short;

/// Counts over equal steps from the smallest value to the largest.
pub(super) struct Histogram {
    low: f64,
    high: f64,
    bins: Vec<usize>,
    zeros: f64,
}

/// Bars of a histogram.
const BINS: usize = 24;

impl Histogram {
    pub(super) fn new(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (low, high) = values
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
                (a.min(v), b.max(v))
            });
        let mut bins = vec![0; BINS];
        let (mut all, mut zeros) = (0usize, 0usize);
        for v in values {
            let at = if high > low {
                ((v - low) / (high - low) * BINS as f64) as usize
            } else {
                BINS / 2
            };
            bins[at.min(BINS - 1)] += 1;
            all += 1;
            zeros += usize::from(v == 0.0);
        }
        Self {
            low,
            high,
            bins,
            zeros: zeros as f64 / all.max(1) as f64,
        }
    }

    /// Bars with their ends beside, and the share of exact zeros where it says something.
    pub(super) fn draw(&self, what: &str) -> Markup {
        let most = self.bins.iter().copied().max().unwrap_or(0).max(1);
        let (low, high) = (short(self.low), short(self.high));
        html! {
            svg class="histogram" role="img" viewBox="0 0 120 28" {
                title { (what) ", from " (low) " to " (high) }
                @for (i, n) in self.bins.iter().enumerate().filter(|(_, n)| **n > 0) {
                    // The square root keeps small bars visible beside tall ones.
                    @let height = (*n as f64 / most as f64).sqrt() * 26.0;
                    rect x=(i * 5) y=(fixed(27.0 - height)) width="4" height=(fixed(height)) {}
                }
                line x1="0" y1="27.5" x2="120" y2="27.5" {}
            }
            span class="ends" { (low) " … " (high) @if self.zeros > 0.01 { ", " (fixed(100.0 * self.zeros)) " % zeros" } }
        }
    }
}

/// Predictions in ten parts of as many rows, from the lowest to the highest: the mean prediction
/// and the mean label of each.
pub(super) struct Curve {
    points: Vec<(f64, f64)>,
}

impl Curve {
    pub(super) fn new(mut pairs: Vec<(f64, f64)>) -> Self {
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let n = pairs.len();
        let parts = (0..10)
            .map(|i| &pairs[i * n / 10..(i + 1) * n / 10])
            .filter(|part| !part.is_empty());
        let mean = |part: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
            part.iter().map(of).sum::<f64>() / part.len() as f64
        };
        Self {
            points: parts
                .map(|part| (mean(part, |p| p.0), mean(part, |p| p.1)))
                .collect(),
        }
    }

    /// The curve beside the diagonal, and its numbers as a table.
    pub(super) fn draw(&self, task: &str) -> Markup {
        let all = self.points.iter().flat_map(|(a, b)| [*a, *b]);
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
            (a.min(v), b.max(v))
        });
        let span = if high > low { high - low } else { 1.0 };
        let at = |v: f64| (v - low) / span * 180.0;
        let points: Vec<(f64, f64)> = self
            .points
            .iter()
            .map(|(p, o)| (30.0 + at(*p), 190.0 - at(*o)))
            .collect();
        let line: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{},{}", fixed(*x), fixed(*y)))
            .collect();
        html! {
            figure {
                svg class="curve" role="img" viewBox="0 0 220 220" {
                    title { "Calibration of " (task) ": mean label over mean prediction" }
                    line class="frame" x1="30" y1="190" x2="210" y2="190" {}
                    line class="frame" x1="30" y1="190" x2="30" y2="10" {}
                    line class="diagonal" x1="30" y1="190" x2="210" y2="10" {}
                    polyline points=(line.join(" ")) {}
                    @for (x, y) in &points { circle cx=(fixed(*x)) cy=(fixed(*y)) r="3" {} }
                    text x="30" y="204" { (short(low)) }
                    text x="210" y="204" text-anchor="end" { (short(high)) }
                    text x="120" y="217" text-anchor="middle" { "predicted" }
                    text x="12" y="100" text-anchor="middle" transform="rotate(-90 12 100)" { "observed" }
                }
                figcaption { (task) }
            }
        }
    }
}

/// One cell of a heat map: the number, with a shade behind it.
pub(super) fn heat(share: Option<f64>) -> Markup {
    match share {
        None => html! { td class="unseen" { "not seen" } },
        Some(v) => {
            html! { td class="heat" style=(format!("--share:{:.3}", v.clamp(0.0, 1.0))) { (format!("{v:.3}")) } }
        }
    }
}

/// One digit behind the point: enough for a drawing.
pub(super) fn fixed(v: f64) -> String {
    format!("{v:.1}")
}
