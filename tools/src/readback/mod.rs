//! What every conversion does before it reports success: it reads the blob back, and compares the
//! outputs of the engine with an independent evaluation of the weights in the blob.
//!
//! A blob can be wrong without looking so: a packing that the kernel reads in another order, a scale
//! that was rounded twice. The evaluation shares no code with the engine, so an error of either shows.

mod records;

use std::borrow::Cow;

use crate::blob::read::{self, ReadError};
use crate::data::{Record, Rows, Sample, Samples};
use crate::engine::{BlobBytes, Runner};
use crate::eval;
use crate::fixed_point::{self, Shadow};
use crate::front::{Front, RecordError, Value};
use crate::graph::elements::{Elements, NotOneHot};
use crate::graph::{Graph, Input};
use crate::quantize::Quantized;
use crate::random::Random;
use mmoe::{LoadError, RunError};

/// Allowed difference, times `max(1, |y|)`.
pub const TOLERANCE: f64 = 1e-5;
/// Multiply-accumulates that all rows together may take, so that large models do not wait for
/// minutes.
const WORK: u64 = 200_000_000;
/// Random rows, where that allows them.
const ROWS: u64 = 64;

/// What was compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Rows compared.
    pub rows: usize,
    /// Rows of them whose outputs rounding alone may change by more than the tolerance; these were
    /// held to what rounding can do.
    pub ill_conditioned: usize,
    /// Rows of them with outputs that were held to nothing, since rounding has no bound there: sums
    /// on the way may leave the numbers that f32 has.
    pub unbounded: usize,
    /// Worst difference over `max(1, |y|)` on the other rows.
    pub worst: f64,
}

/// Why a blob failed its check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message explains its fields")]
pub enum CheckError {
    #[error("the written blob does not load: {0}")]
    Load(#[from] LoadError),
    #[error("the written blob cannot be read back: {0}")]
    Read(#[from] ReadError),
    #[error("the written blob does not run: {0}")]
    Run(#[from] RunError),
    #[error("a row is none of this model: {0}")]
    Record(#[from] RecordError),
    #[error(
        "the engine disagrees with the independent evaluation: task `{task}`, output {output}, \
         {row}: {engine} against {expected}. This is a fault of mmoe, not of the model; nothing \
         was written"
    )]
    Differs {
        task: String,
        output: usize,
        row: String,
        engine: f32,
        expected: f64,
    },
    #[error(
        "the engine disagrees with the written rules: output {output}, {row}: {engine:#010x} \
         against {expected:#010x}. This is a fault of mmoe, not of the model; nothing was written"
    )]
    Bits {
        output: usize,
        row: String,
        engine: u32,
        expected: u32,
    },
    #[error(
        "the proof that no integer wraps does not hold on {row}. This is a fault of mmoe, not of \
         the model; nothing was written"
    )]
    Wrapped { row: String },
    #[error("{row} is not in a form that the blob takes: {why}")]
    NotOneHot { row: String, why: NotOneHot },
    #[error(
        "task `{task}`, output {output} was compared on no row: on every row that was tried, sums on \
         the way may leave the numbers that f32 has; nothing was written"
    )]
    NeverCompared { task: String, output: usize },
    #[error("the written blob computes {value} for output {output} on {row}; nothing was written")]
    NotFinite {
        output: usize,
        row: String,
        value: f32,
    },
}

/// A row to try, and what it is called.
struct Row {
    name: String,
    x: Values,
    /// Whether it lies within the declared ranges, if there are any.
    within: bool,
}

/// What a row holds.
enum Values {
    Vector(Vec<f32>),
    Record(Record),
}

impl Row {
    fn sample(&self) -> Sample<'_> {
        match &self.x {
            Values::Vector(x) => Sample::Vector(x),
            Values::Record(record) => Sample::Record(record),
        }
    }

    fn of(name: String, sample: Sample<'_>) -> Self {
        let x = match sample {
            Sample::Vector(x) => Values::Vector(x.to_vec()),
            Sample::Record(record) => Values::Record(record.to_vec()),
        };
        Self {
            name,
            x,
            within: true,
        }
    }
}

/// The rows that are tried where nobody gave any.
fn made_up(front: Option<&Front>, inputs: &[Input], count: usize) -> Vec<Row> {
    let Some(front) = front else {
        return rows(inputs, count);
    };
    let records = records::records(front, inputs, count.max(8)).into_iter();
    let row = |(name, record): (String, Vec<Value>)| Row {
        name,
        x: Values::Record(record),
        within: true,
    };
    records.map(row).collect()
}

/// What a blob takes of a row.
fn taken<'r>(runner: &Runner<'_>, row: &'r Row) -> Result<Cow<'r, [f32]>, CheckError> {
    let x = match &row.x {
        Values::Vector(x) => x,
        Values::Record(_) => return Ok(Cow::Borrowed(&[])),
    };
    let Some(elements) = &runner.elements else {
        return Ok(Cow::Borrowed(x));
    };
    let not_one_hot = |why| CheckError::NotOneHot {
        row: row.name.clone(),
        why,
    };
    elements.row(x).map(Cow::Owned).map_err(not_one_hot)
}

/// Boundary rows and then `count` random ones: zeros, ±1, large values, the ends of the declared
/// ranges.
fn rows(inputs: &[Input], count: usize) -> Vec<Row> {
    let ends = |pick: fn(&Input) -> Option<f64>, other: f64| -> Vec<f32> {
        inputs
            .iter()
            .flat_map(|i| std::iter::repeat_n(pick(i).unwrap_or(other) as f32, i.count))
            .collect()
    };
    let width: usize = inputs.iter().map(|i| i.count).sum();
    let constant = |v: f32| Row {
        name: format!("all features {v}"),
        x: Values::Vector(vec![v; width]),
        within: false,
    };
    let mut rows = vec![constant(0.0), constant(1.0), constant(-1.0)];
    if inputs.iter().any(|i| low(i).is_some() || high(i).is_some()) {
        rows.push(Row {
            name: "the lower ends of the declared ranges".into(),
            x: Values::Vector(ends(low, -1.0)),
            within: true,
        });
        rows.push(Row {
            name: "the upper ends of the declared ranges".into(),
            x: Values::Vector(ends(high, 1.0)),
            within: true,
        });
    }
    rows.extend([constant(1e4), constant(-1e4)]);
    let mut random = Random::new(0x6d6d_6f65_0000_0001);
    for n in 0..count {
        let x = inputs.iter().flat_map(|i| std::iter::repeat_n(i, i.count));
        let x = x
            .map(|i| {
                // Half of the rows stay where standardized features are, the others go beyond.
                let far = if n % 2 == 0 { 1.0 } else { 4.0 };
                let (low, high) = low(i).zip(high(i)).unwrap_or((-far, far));
                random.within(low, high) as f32
            })
            .collect();
        rows.push(Row {
            name: format!("random row {n}"),
            x: Values::Vector(x),
            within: true,
        });
    }
    make_one_hot(inputs, &mut rows, &mut random);
    rows
}

/// Makes rows of any numbers rows that occur, where columns are one-hot.
fn make_one_hot(inputs: &[Input], rows: &mut [Row], random: &mut Random) {
    let runs = inputs.iter().map(|i| (i.name.as_str(), i.count, i.codes));
    let Some(elements) = Elements::of(runs) else {
        return;
    };
    for row in rows {
        // Now and then none of a field's columns.
        let Values::Vector(x) = &mut row.x else {
            continue;
        };
        elements.make_one_hot(x, |n| random.within(0.0, n as f64 * 1.1) as usize);
    }
}

/// Rows of a check go this many standard deviations out: far, and yet where values occur.
const DEVIATIONS: f64 = 3.0;

fn low(i: &Input) -> Option<f64> {
    i.range(DEVIATIONS).map(|r| r.0).or(i.min)
}

fn high(i: &Input) -> Option<f64> {
    i.range(DEVIATIONS).map(|r| r.1).or(i.max)
}

/// Compares a float blob with an f64 evaluation of its stored weights. `inputs` are the graph's,
/// for the declared ranges.
///
/// # Errors
///
/// A blob that does not load or cannot be read back, or an output that differs by more than
/// [`TOLERANCE`]`·max(1, |y|)` and by more than f32 rounding can explain; one that is no
/// number on a row within the declared ranges, or that no row could be compared on. `progress` is told after
/// each row how many of how many are done.
pub fn float(
    blob: &BlobBytes,
    inputs: &[Input],
    mut progress: impl FnMut(usize, usize),
) -> Result<Checked, CheckError> {
    let graph = read::graph(blob.as_slice())?;
    let stored = graph.elements();
    let mut runner = Runner::load(blob)?;
    let count = (WORK / runner.model.macs().max(1)).clamp(2, ROWS) as usize;
    let rows = made_up(graph.front.as_ref(), inputs, count);
    let mut checked = Checked {
        rows: rows.len(),
        ill_conditioned: 0,
        unbounded: 0,
        worst: 0.0,
    };
    let tasks = runner.tasks.clone();
    let mut compared = vec![false; runner.model.outputs()];
    for (n, row) in rows.iter().enumerate() {
        let taken = taken(&runner, row)?;
        let x = (&*taken, stored.as_ref());
        compare(&graph, &mut runner, row, x, &mut checked, &mut compared)?;
        progress(n + 1, rows.len());
    }
    for task in &tasks {
        if let Some(output) = compared[task.range()].iter().position(|held| !held) {
            return Err(CheckError::NeverCompared {
                task: task.name.clone(),
                output,
            });
        }
    }
    Ok(checked)
}

/// How far an integer blob is from the float model, and what it cut off.
#[derive(Debug, Clone, PartialEq)]
pub struct Integers {
    /// On the rows given (or made within the declared ranges).
    pub given: Apart,
    /// On rows of which each feature is that of another calibration row: what inputs may be beyond
    /// those that somebody thought of giving. `None` without calibration rows.
    pub recombined: Option<Apart>,
    /// What saturated where, on all these rows.
    pub shadow: Shadow,
    /// Features beyond their range, and of how many, on the rows given.
    pub clipped: (usize, usize),
}

/// How far an integer blob is from the float model on some rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Apart {
    /// Rows compared.
    pub rows: usize,
    /// Worst `|a − b|`.
    pub worst: f64,
    /// On which row that was.
    pub worst_row: String,
    /// Its mean.
    pub mean: f64,
}

/// Runs an integer blob on rows of `samples` and on rows recombined from them, or within the
/// declared ranges where there are none, holds its outputs against the slow evaluation of
/// `docs/numerics.md` bit for bit, and says how far they are from the float model's.
///
/// # Errors
///
/// A blob that does not load or run, gives no numbers, or gives other bits than the rules; an
/// integer that wraps.
pub fn integer(
    blob: &BlobBytes,
    graph: &Graph,
    quantized: &Quantized,
    samples: Option<&Samples>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Integers, CheckError> {
    let mut runner = Runner::load(blob)?;
    let count = (WORK / runner.model.macs().max(1)).clamp(2, ROWS) as usize;
    let given: Vec<Row> = match samples {
        Some(samples) => {
            let step = samples.len().div_ceil(count).max(1);
            samples
                .iter()
                .enumerate()
                .step_by(step)
                .map(|(n, x)| Row::of(format!("calibration row {n}"), x))
                .collect()
        }
        None => made_up(graph.front.as_ref(), &graph.inputs, count)
            .into_iter()
            .filter(|r| r.within)
            .collect(),
    };
    let mut recombined = match samples {
        None => Vec::new(),
        Some(Samples::Vectors(rows)) => recombined(rows, quantized, count),
        Some(Samples::Records(records)) => recombined_records(records, count),
    };
    let mut random = Random::new(0x6d6d_6f65_0000_0003);
    make_one_hot(&graph.inputs, &mut recombined, &mut random);
    let all = given.len() + recombined.len();
    let mut shadow = Shadow::default();
    let mut made = |rows: &[Row], before: usize| -> Result<Apart, CheckError> {
        let mut apart = Apart {
            rows: rows.len(),
            ..Apart::default()
        };
        let (mut sum, mut n) = (0.0, 0.0);
        for (done, row) in rows.iter().enumerate() {
            for d in integer_row(&mut runner, graph, quantized, row, &mut shadow)? {
                if d > apart.worst {
                    apart.worst = d;
                    apart.worst_row.clone_from(&row.name);
                }
                sum += d;
                n += 1.0;
            }
            progress(before + done + 1, all);
        }
        apart.mean = sum / n;
        Ok(apart)
    };
    let on_given = made(&given, 0)?;
    let on_recombined = if recombined.is_empty() {
        None
    } else {
        Some(made(&recombined, given.len())?)
    };
    let mut features = 0;
    let mut clipped = 0;
    for row in &given {
        let x = row.sample().vector(graph.front.as_ref())?;
        features += x.len();
        let scaled = quantized.input.iter().zip(&x);
        clipped += scaled
            .filter(|(scale, x)| fixed_point::clips(**scale, **x as f32))
            .count();
    }
    Ok(Integers {
        given: on_given,
        recombined: on_recombined,
        shadow,
        clipped: (clipped, features),
    })
}

/// Rows of which each feature is that of some row of `samples`; values that the input stage cuts
/// off are left to the rows given.
fn recombined(samples: &Rows, quantized: &Quantized, count: usize) -> Vec<Row> {
    let rows: Vec<&[f32]> = samples.iter().collect();
    if rows.len() < 2 {
        return Vec::new();
    }
    let columns: Vec<Vec<f32>> = (0..samples.width)
        .zip(&quantized.input)
        .map(|(j, scale)| {
            let all = rows.iter().filter_map(|r| r.get(j).copied());
            let within: Vec<f32> = (all.clone())
                .filter(|v| !fixed_point::clips(*scale, *v))
                .collect();
            if within.is_empty() {
                all.collect()
            } else {
                within
            }
        })
        .collect();
    let mut random = Random::new(0x6d6d_6f65_0000_0002);
    (0..count)
        .map(|n| Row {
            name: format!("recombined row {n}"),
            x: Values::Vector(
                columns
                    .iter()
                    .map(|c| c[random.within(0.0, c.len() as f64) as usize])
                    .collect(),
            ),
            within: true,
        })
        .collect()
}

/// Records of which each field is that of some record given.
fn recombined_records(records: &[Record], count: usize) -> Vec<Row> {
    let fields = records.first().map_or(0, Vec::len);
    if records.len() < 2 {
        return Vec::new();
    }
    let mut random = Random::new(0x6d6d_6f65_0000_0002);
    (0..count)
        .map(|n| {
            let mut pick = |field: usize| {
                let record = &records[random.within(0.0, records.len() as f64) as usize];
                record[field].clone()
            };
            Row {
                name: format!("recombined row {n}"),
                x: Values::Record((0..fields).map(&mut pick).collect()),
                within: true,
            }
        })
        .collect()
}

/// What one row's outputs are off, each.
fn integer_row(
    runner: &mut Runner<'_>,
    graph: &Graph,
    quantized: &Quantized,
    row: &Row,
    shadow: &mut Shadow,
) -> Result<Vec<f64>, CheckError> {
    let x = row.sample().vector(graph.front.as_ref())?;
    let expected = eval::evaluate(graph, &x).tasks.concat();
    let (y, _) = match &row.x {
        Values::Record(record) => runner.predict_record(record)?,
        Values::Vector(_) => {
            let taken = taken(runner, row)?;
            runner.predict(&taken)?
        }
    };
    let input = match (row.sample(), &graph.front) {
        (Sample::Record(record), Some(front)) => {
            fixed_point::quantize_record(front, quantized, record)?
        }
        (Sample::Vector(x), _) => fixed_point::quantize_input(quantized, x),
        (Sample::Record(_), None) => Vec::new(),
    };
    let ruled = fixed_point::evaluate(graph, quantized, &input, shadow);
    if shadow.wrapped() {
        return Err(CheckError::Wrapped {
            row: row.name.clone(),
        });
    }
    if let Some((output, (y, e))) = y
        .iter()
        .zip(&ruled.shown)
        .enumerate()
        .find(|(_, (y, e))| y.to_bits() != e.to_bits())
    {
        return Err(CheckError::Bits {
            output,
            row: row.name.clone(),
            engine: y.to_bits(),
            expected: e.to_bits(),
        });
    }
    if let Some((output, value)) = y.iter().enumerate().find(|(_, y)| !y.is_finite()) {
        return Err(CheckError::NotFinite {
            output,
            row: row.name.clone(),
            value: *value,
        });
    }
    Ok(y.iter()
        .zip(&expected)
        .map(|(y, e)| (f64::from(*y) - e).abs())
        .collect())
}

fn compare(
    graph: &Graph,
    runner: &mut Runner<'_>,
    row: &Row,
    (taken, elements): (&[f32], Option<&Elements>),
    checked: &mut Checked,
    compared: &mut [bool],
) -> Result<(), CheckError> {
    let x = match &row.x {
        Values::Record(_) => row.sample().vector(graph.front.as_ref())?,
        // What the blob's own records make of what it takes, in their order.
        Values::Vector(_) => {
            let vector = elements.map_or_else(|| taken.to_vec(), |e| e.vector(taken));
            vector.iter().map(|v| f64::from(*v)).collect()
        }
    };
    let expected: Vec<f64> = eval::evaluate(graph, &x).tasks.concat();
    let tasks = runner.tasks.clone();
    let (y, _) = match &row.x {
        Values::Record(record) => runner.predict_record(record)?,
        Values::Vector(_) => runner.predict(taken)?,
    };
    let share = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() / b.abs().max(1.0);
    let worst = y.iter().zip(&expected).map(share).fold(0.0, |w: f64, s| {
        if s.is_nan() { f64::INFINITY } else { w.max(s) }
    });
    if worst <= TOLERANCE {
        checked.worst = checked.worst.max(worst);
        compared.fill(true);
        return Ok(());
    }
    // Only now is the bound worth its time.
    let bounds: Vec<f64> = eval::error::bounds(graph, &x).concat();
    checked.ill_conditioned += 1;
    let mut unbounded = false;
    for task in &tasks {
        for (o, i) in task.range().enumerate() {
            let difference = (f64::from(y[i]) - expected[i]).abs();
            let allowed = (TOLERANCE * expected[i].abs().max(1.0)).max(bounds[i]);
            let broken =
                y[i].is_nan() || (y[i].is_infinite() && expected[i].abs() <= f64::from(f32::MAX));
            // Where features are usual, no sum may leave the numbers that f32 has.
            if broken && (row.within || allowed.is_finite()) {
                return Err(CheckError::NotFinite {
                    output: i,
                    row: row.name.clone(),
                    value: y[i],
                });
            }
            if !allowed.is_finite() {
                unbounded = true;
                continue;
            }
            compared[i] = true;
            if difference.is_nan() || difference > allowed {
                let (engine, expected) = (y[i], expected[i]);
                return Err(CheckError::Differs {
                    task: task.name.clone(),
                    output: o,
                    row: row.name.clone(),
                    engine,
                    expected,
                });
            }
        }
    }
    checked.unbounded += usize::from(unbounded);
    Ok(())
}
