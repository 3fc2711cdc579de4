//! Integers that suit the rows: what calibration rows leave open is tried on the rows themselves,
//! the integers' outputs against the float model's, and the best is taken. Open are whether absurd
//! values are within the range of their feature, and how much room hidden values get beyond what
//! the rows reached.

use super::outliers::{self, FAR, Suspect};
use super::{Options, QuantizeError, Quantized, calibrate, dense_layers, quantize};
use crate::eval::{self, statistics};
use crate::fixed_point::{self, Shadow};
use crate::graph::Graph;
use std::borrow::Cow;

/// Room for hidden values, the most first. Rows to come reach farther than any few hundred have,
/// and a layer that saturates is wrong by whatever it cuts off; two bits less are mostly far below
/// the rounding of int8 weights.
const ROOM: f64 = 4.0;
/// What is tried where that costs too much, before the least.
const LESS_ROOM: f64 = 2.0;
/// More room may cost this many times the loss of the least.
const WORTH: f64 = 1.25;
/// Clipping what rows show must bring the loss below this share.
const PAYS: f64 = 0.9;
/// Values this many times beyond the rest are cut off, as far as that pays.
const TIMES: [f64; 3] = [1000.0, 100.0, FAR];
/// Multiply-accumulates that judging a candidate may take.
const WORK: usize = 20_000_000;
/// Features that are tried one by one at most.
const ONE_BY_ONE: usize = 8;

/// Makes integers of a graph as [`quantize`] does, with the ranges that serve the rows best.
/// Without rows declared ranges are all there is.
///
/// # Errors
///
/// [`QuantizeError`].
pub fn fit(
    graph: &Graph,
    rows: Option<(&[f32], usize)>,
    options: &Options,
) -> Result<Quantized, QuantizeError> {
    let Some(rows) = rows else {
        return quantize(graph, &calibrate(graph, None)?, options);
    };
    let rows = calibrate::checked(graph, rows)?;
    let free: Vec<bool> = calibrate::declared(graph)
        .iter()
        .map(|(_, range)| range.is_none())
        .collect();
    let suspects = outliers::find(&rows, &free);
    let fitting = Fitting {
        judge: Judge::new(graph, &rows, &suspects),
        graph,
        rows: &rows,
        options,
        suspects: &suspects,
    };
    let best = fitting.roomiest(fitting.hidden(fitting.clipped()?)?)?;
    let best = fitting.one(best)?;
    let mut notes: Vec<String> = fitting.notes(&best.choice);
    notes.extend(best.quantized.notes);
    Ok(Quantized {
        notes,
        ..best.quantized
    })
}

/// What is chosen.
#[derive(Debug, Clone, PartialEq)]
struct Choice {
    /// For each suspect the distance from which on it saturates.
    clip: Vec<Option<f64>>,
    /// Rows that hidden tensors are not measured on.
    left_out: Vec<usize>,
    headroom: f64,
    /// See [`calibrate::Calibration::finer`].
    finer: i32,
}

/// What comes of a choice.
struct Attempt {
    choice: Choice,
    quantized: Quantized,
    loss: f64,
}

struct Fitting<'a> {
    graph: &'a Graph,
    rows: &'a [Vec<f64>],
    options: &'a Options,
    suspects: &'a [Suspect],
    judge: Judge,
}

impl Fitting<'_> {
    /// The rows as the input stage passes them on.
    fn rows(&self, choice: &Choice) -> Cow<'_, [Vec<f64>]> {
        let mut rows = Cow::Borrowed(self.rows);
        for (s, times) in self.suspects.iter().zip(&choice.clip) {
            let Some(times) = *times else { continue };
            let (low, high) = s.kept(self.rows, times);
            for r in rows.to_mut() {
                r[s.feature] = r[s.feature].clamp(low, high);
            }
        }
        rows
    }

    fn attempt(&self, choice: Choice) -> Result<Attempt, QuantizeError> {
        let rows = self.rows(&choice);
        let mut calibration = calibrate::from_rows(self.graph, &rows);
        calibration.headroom = choice.headroom;
        calibration.finer = choice.finer;
        if !choice.left_out.is_empty() {
            let others: Vec<Vec<f64>> = (0..rows.len())
                .filter(|r| !choice.left_out.contains(r))
                .map(|r| rows[r].clone())
                .collect();
            calibration.tensors = statistics::measured(self.graph, &others);
        }
        let quantized = quantize(self.graph, &calibration, self.options)?;
        Ok(Attempt {
            loss: self.judge.loss(self.graph, &quantized),
            choice,
            quantized,
        })
    }

    /// With absurd values cut off where that pays.
    fn clipped(&self) -> Result<Attempt, QuantizeError> {
        let none = Choice {
            clip: vec![None; self.suspects.len()],
            left_out: Vec::new(),
            headroom: ROOM,
            finer: 0,
        };
        let mut best = self.attempt(none.clone());
        let mut tried = vec![none.clone()];
        for times in TIMES {
            let cut = |s: &Suspect| (s.farthest(self.rows) > times).then_some(times);
            let choice = Choice {
                clip: self.suspects.iter().map(cut).collect(),
                ..none.clone()
            };
            if tried.contains(&choice) {
                continue;
            }
            tried.push(choice.clone());
            let made = self.attempt(choice);
            best = match (best, made) {
                (Ok(best), Ok(made)) if made.loss < PAYS * best.loss => Ok(made),
                (Err(_), Ok(made)) => Ok(made),
                (best, _) => best,
            };
        }
        let mut best = best?;
        // A feature that need not be cut off stays whole.
        let cut: Vec<usize> = (0..self.suspects.len())
            .filter(|s| best.choice.clip[*s].is_some())
            .collect();
        if (2..=ONE_BY_ONE).contains(&cut.len()) {
            for s in cut {
                let mut choice = best.choice.clone();
                choice.clip[s] = None;
                if let Ok(made) = self.attempt(choice)
                    && made.loss <= best.loss
                {
                    best = made;
                }
            }
        }
        Ok(best)
    }

    /// Without rows that hidden tensors reach far beyond the rest on, where that pays.
    fn hidden(&self, best: Attempt) -> Result<Attempt, QuantizeError> {
        let rows = self.rows(&best.choice);
        let mut reaches: Vec<Vec<f64>> = Vec::new();
        for row in rows.iter() {
            let t = statistics::measured(self.graph, std::slice::from_ref(row));
            let layers = t.after.iter().flatten().chain(&t.values);
            reaches.push(layers.map(statistics::Stats::reach).collect());
        }
        let tensors = reaches.first().map_or(0, Vec::len);
        let mut left_out: Vec<usize> = Vec::new();
        for t in 0..tensors {
            let mut column: Vec<f64> = reaches.iter().map(|r| r[t]).collect();
            let most = FAR * outliers::most(&mut column);
            let far = (0..rows.len()).filter(|r| most > 0.0 && reaches[*r][t] > most);
            left_out.extend(far);
        }
        left_out.sort_unstable();
        left_out.dedup();
        if left_out.is_empty() {
            return Ok(best);
        }
        let made = self.attempt(Choice {
            left_out,
            ..best.choice.clone()
        })?;
        Ok(if made.loss < PAYS * best.loss {
            made
        } else {
            best
        })
    }

    /// With as much room for hidden values as the loss allows.
    fn roomiest(&self, best: Attempt) -> Result<Attempt, QuantizeError> {
        let with = |headroom: f64| {
            self.attempt(Choice {
                headroom,
                ..best.choice.clone()
            })
        };
        let least = with(super::HEADROOM)?;
        let allowed = WORTH * least.loss;
        if best.loss <= allowed {
            return Ok(best);
        }
        let some = with(LESS_ROOM)?;
        Ok(if some.loss <= allowed { some } else { least })
    }

    /// With the step of one-hot columns that serves the rows best: one exponent for all of them is
    /// coarser than a step for each, so its neighbours are tried, as far as they gain.
    fn one(&self, mut best: Attempt) -> Result<Attempt, QuantizeError> {
        if self.graph.elements().is_none() {
            return Ok(best);
        }
        let wide = |a: &Attempt| {
            let layers = a.quantized.report.iter();
            layers.filter(|(_, r)| r.weight_bits == 16).count()
        };
        for finer in [1, -1, 2, -2] {
            let made = self.attempt(Choice {
                finer,
                ..best.choice.clone()
            })?;
            // Flash first: a layer of 16 bits costs more than a rounding gains.
            let key = |a: &Attempt| (wide(a), a.loss);
            if key(&made) < key(&best) {
                best = made;
            }
        }
        Ok(best)
    }

    /// What a person should know of the rows.
    fn notes(&self, choice: &Choice) -> Vec<String> {
        let mut notes = Vec::new();
        for (s, clip) in self.suspects.iter().zip(&choice.clip) {
            let times = clip.unwrap_or(100.0);
            let far = s.beyond(self.rows, times);
            if far.is_empty() {
                continue;
            }
            let name = match self.graph.feature_names.get(s.feature) {
                Some(name) => format!("`{name}`"),
                None => format!("{} (the first is 0)", s.feature),
            };
            let values = far.iter().map(|r| self.rows[*r][s.feature]);
            let farthest = values.fold(0.0f64, |m, v| if v.abs() > m.abs() { v } else { m });
            // Calibration rows are f32, which prints as the user wrote it.
            let (low, high) = s.kept(self.rows, times);
            let (low, high, farthest) = (low as f32, high as f32, farthest as f32);
            let done = if clip.is_some() {
                "the range leaves that out, and such values saturate"
            } else {
                "the range keeps that, since leaving it out would cost more than it gains; if \
                 such rows are no data, leave them out"
            };
            notes.push(format!(
                "{} of {} rows {} 10^{:.0} times the rest: feature {name}, {} ({farthest}, the \
                 others from {low} to {high}); {done}",
                far.len(),
                self.rows.len(),
                if far.len() == 1 { "spans" } else { "span" },
                s.farthest(self.rows).log10(),
                listed(&far),
            ));
        }
        if !choice.left_out.is_empty() {
            notes.push(format!(
                "{} of {} rows reach more than {FAR} times what the others do inside the model \
                 ({}): the scales leave them out, and such values saturate",
                choice.left_out.len(),
                self.rows.len(),
                listed(&choice.left_out)
            ));
        }
        notes
    }
}

/// `row 17`, or `rows 3, 17, 80 and 5 more`.
fn listed(rows: &[usize]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = rows.iter().take(SHOWN).map(usize::to_string).collect();
    let more = match rows.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let kind = if rows.len() == 1 { "row" } else { "rows" };
    format!("{kind} {}{more}", shown.join(", "))
}

/// Rows with what the float model makes of them.
struct Judge {
    rows: Vec<Judged>,
    /// What most outputs span.
    spreads: Vec<f64>,
}

struct Judged {
    x: Vec<f32>,
    y: Vec<f64>,
    /// For how many rows this one stands.
    weight: f64,
}

impl Judge {
    /// Some of the rows; those with absurd values count as many as they are, and no more.
    fn new(graph: &Graph, rows: &[Vec<f64>], suspects: &[Suspect]) -> Self {
        let mut absurd: Vec<usize> = suspects.iter().flat_map(|s| s.beyond(rows, FAR)).collect();
        absurd.sort_unstable();
        absurd.dedup();
        let ordinary: Vec<usize> = (0..rows.len()).filter(|r| !absurd.contains(r)).collect();
        let weights: usize = dense_layers(graph).map(|(.., d)| d.weight.len()).sum();
        let most = (WORK / weights.max(1)).clamp(16, 128);
        let judged = |of: &[usize]| -> Vec<Judged> {
            let taken = of.iter().step_by(of.len().div_ceil(most).max(1));
            let weight = of.len() as f64 / taken.len().max(1) as f64;
            let one = |r: &usize| Judged {
                x: rows[*r].iter().map(|v| *v as f32).collect(),
                y: eval::evaluate(graph, &rows[*r]).tasks.concat(),
                weight,
            };
            taken.map(one).collect()
        };
        let (mut judged, absurd) = (judged(&ordinary), judged(&absurd));
        let spreads = spreads(if judged.is_empty() { &absurd } else { &judged });
        judged.extend(absurd);
        Self {
            rows: judged,
            spreads,
        }
    }

    /// The mean difference in shares of what most outputs span; a row that is all wrong counts 1.
    fn loss(&self, graph: &Graph, quantized: &Quantized) -> f64 {
        let (mut sum, mut all) = (0.0, 0.0);
        for row in &self.rows {
            let x = fixed_point::quantize_input(quantized, &row.x);
            let made = fixed_point::evaluate(graph, quantized, &x, &mut Shadow::default());
            for ((y, wanted), spread) in made.shown.iter().zip(&row.y).zip(&self.spreads) {
                // NaN counts as all wrong too.
                sum += row.weight * ((f64::from(*y) - wanted).abs() / spread).min(1.0);
                all += row.weight;
            }
        }
        sum / all
    }
}

/// What nine of ten values of each output span.
fn spreads(rows: &[Judged]) -> Vec<f64> {
    let outputs = rows.first().map_or(0, |r| r.y.len());
    (0..outputs)
        .map(|o| {
            let mut values: Vec<f64> = rows.iter().map(|r| r.y[o]).collect();
            values.sort_by(f64::total_cmp);
            let (low, high) = (
                values[values.len() / 20],
                values[values.len() - 1 - values.len() / 20],
            );
            (high - low).max(1e-3 * high.abs()).max(1e-9)
        })
        .collect()
}
