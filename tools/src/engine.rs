//! Running blobs through the engine on the host, with the bits that firmware computes.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use mmoe::blob::{MAGIC, NodeOp, NodeRecord, OutputKind, PrecisionKind, SectionTag};
use mmoe::{Dynamic, LoadError, RunError, SkipBelow};
use zerocopy::IntoBytes;

use crate::blob::read;
use crate::data::Sample;
use crate::eval::Evaluation;
use crate::front::{By, Front, Value};
use crate::graph::elements::Elements;

/// The bytes of a blob, in memory that is aligned as the engine needs it.
///
/// A `Vec<u8>` may lie at any address, and the engine refuses a blob that does not lie at a multiple
/// of 4. This lies at a multiple of 8.
///
/// ```
/// use mmoe_tools::engine::BlobBytes;
/// let bytes = BlobBytes::new(b"MMOE and more");
/// assert_eq!(bytes.as_ptr() as usize % 8, 0);
/// assert!(bytes.is_blob());
/// ```
#[derive(Debug, Clone)]
pub struct BlobBytes {
    words: Vec<u64>,
    len: usize,
}

impl BlobBytes {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        if !metadata.is_file() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Ok(Self::new(&bytes));
        }
        let len =
            usize::try_from(metadata.len()).map_err(|_| io::Error::other("it is too large"))?;
        let mut bytes = Self::zeros(len);
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Copies these bytes.
    #[must_use]
    pub fn new(from: &[u8]) -> Self {
        let mut bytes = Self::zeros(from.len());
        bytes.copy_from_slice(from);
        bytes
    }

    /// Creates a buffer of this many zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(8)],
            len,
        }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self
    }

    /// Returns `true` if they begin with the magic number of a blob.
    #[must_use]
    pub fn is_blob(&self) -> bool {
        self.starts_with(&MAGIC.to_le_bytes())
    }
}

impl Deref for BlobBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.words.as_bytes()[..self.len]
    }
}

impl DerefMut for BlobBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.words.as_mut_bytes()[..self.len]
    }
}

/// A task of a loaded blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The kind of its output.
    pub output: OutputKind,
    /// How many numbers it has.
    pub width: usize,
    /// Where they start among all outputs.
    pub start: usize,
    /// The number (among gates) of the gate whose mixture its tower reads.
    pub gate: Option<usize>,
}

impl Task {
    /// Where its numbers lie among all outputs.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.width
    }
}

/// A gate of a loaded blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// The tasks whose towers read its mixture.
    pub tasks: Vec<usize>,
    /// Its kind.
    pub op: NodeOp,
    /// The experts that it weighs, by their number among all experts.
    pub experts: Vec<usize>,
}

/// A loaded blob together with the buffers to run it. A clone has buffers of its own, so that
/// another thread can run the same blob.
///
/// ```
/// use mmoe_tools::engine::{BlobBytes, Runner};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/firmware/minimal/src/edge.mmoe");
/// # let path = std::path::Path::new(path);
/// let blob = BlobBytes::read(path)?;
/// let mut runner = Runner::load(&blob)?;
/// let (outputs, run) = runner.predict(&[0.5; 64])?;
/// assert_eq!((outputs.len(), run.experts), (3, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Runner<'a> {
    /// The engine's view.
    pub model: Dynamic<'a>,
    /// The outputs' descriptions, in order.
    pub tasks: Vec<Task>,
    /// The gates, in the order of the wiring.
    pub gates: Vec<Gate>,
    /// The nodes of the experts, in order.
    pub experts: Vec<usize>,
    /// What makes the vector of a record, where the blob takes records, and how its numbers are
    /// scaled.
    pub front: Option<Arc<read::Stored>>,
    /// Where codes stand for one-hot columns: how the vectors that the model was trained on become
    /// what it takes.
    pub elements: Option<Elements>,
    scratch: Vec<u32>,
    /// Scratch for a block of rows, once one was asked for.
    block: Vec<u32>,
    y: Vec<f32>,
}

/// As many rows as the engine computes at once.
const BLOCK: usize = 32;

impl<'a> Runner<'a> {
    /// Loads a blob.
    ///
    /// # Errors
    ///
    /// Those of [`Dynamic::load`].
    pub fn load(blob: &'a BlobBytes) -> Result<Self, LoadError> {
        let model = Dynamic::load(blob.as_slice())?;
        let nodes = model.blob().nodes;
        let steps = |of: fn(&NodeRecord) -> bool| {
            nodes
                .iter()
                .enumerate()
                .filter(move |(_, n)| of(n))
                .map(|(i, _)| i)
        };
        let experts: Vec<usize> = steps(NodeRecord::is_expert).collect();
        let gate_steps: Vec<usize> = steps(NodeRecord::is_gate).collect();
        let records = model.blob().tasks;
        let tasks: Vec<Task> = model
            .tasks()
            .zip(records)
            .map(|(t, record)| {
                let tower = record.tower().and_then(|n| nodes.get(n));
                let gate =
                    tower.and_then(|n| gate_steps.iter().position(|g| g + 1 == usize::from(n.src)));
                Task {
                    name: t.name.into(),
                    output: t.output,
                    width: t.width,
                    start: t.start,
                    gate,
                }
            })
            .collect();
        let gates = model
            .gates()
            .enumerate()
            .map(|(i, g)| {
                let readers = (0..tasks.len())
                    .filter(|t| tasks[*t].gate == Some(i))
                    .collect();
                let experts = g
                    .experts()
                    .filter_map(|step| experts.iter().position(|e| *e == step))
                    .collect();
                Gate {
                    tasks: readers,
                    op: g.op,
                    experts,
                }
            })
            .collect();
        let (scratch, y) = (vec![0; model.scratch_words()], vec![0.0; model.outputs()]);
        let names: Vec<String> = (model.blob().feature_names())
            .map(|n| String::from_utf8_lossy(n).into_owned())
            .collect();
        let elements = model.blob().section(SectionTag::Vector);
        let elements = elements.and_then(|content| Elements::of_section(content, &names));
        // A section of another model's is not this one's.
        let elements = elements.filter(|e| e.len() == model.inputs());
        Ok(Self {
            model,
            elements,
            tasks,
            gates,
            experts,
            front: read::front(blob.as_slice()).ok().flatten().map(Arc::new),
            block: Vec::new(),
            scratch,
            y,
        })
    }

    /// The front end, where the blob takes records.
    #[must_use]
    pub fn front(&self) -> Option<&Front> {
        self.front.as_ref().map(|stored| &stored.front)
    }

    /// All outputs for one row of either kind; with `skip` without experts that no gate weighs as
    /// much.
    ///
    /// # Errors
    ///
    /// A row of another width, or a record with a value of the wrong kind.
    pub fn predict_sample(
        &mut self,
        sample: Sample<'_>,
        skip: Option<SkipBelow>,
    ) -> Result<(&[f32], mmoe::Run), RunError> {
        match (sample, skip) {
            (Sample::Vector(x), None) => self.predict(x),
            (Sample::Vector(x), Some(skip)) => self.predict_skipping(x, skip),
            (Sample::Record(record), _) => self.predict_record(record),
        }
    }

    /// All outputs for one record of raw fields.
    ///
    /// # Errors
    ///
    /// A record of another length, or a value of the wrong kind.
    pub fn predict_record(&mut self, record: &[Value]) -> Result<(&[f32], mmoe::Run), RunError> {
        // An enumeration is given by the numbers of its variants; one that it has not is beyond all.
        let numbered = |(field, value): (usize, &Value)| -> Option<Value> {
            let front = self.front()?;
            let mut features = front.features.iter().filter(|f| f.field == field);
            let By::Named { tokens, .. } = &features.next()?.coder(front)?.by else {
                return None;
            };
            let number = |text: &String| {
                let at = tokens.iter().position(|t| t == text);
                at.and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX)
            };
            match value {
                Value::Text(text) => Some(Value::Id(number(text))),
                Value::Texts(texts) => Some(Value::Ids(texts.iter().map(number).collect())),
                _ => None,
            }
        };
        let record: Vec<Cow<'_, Value>> = record
            .iter()
            .enumerate()
            .map(|v| numbered(v).map_or(Cow::Borrowed(v.1), Cow::Owned))
            .collect();
        // The engine borrows texts, and lists of them, from slices.
        let texts: Vec<Vec<&[u8]>> = record
            .iter()
            .map(|value| match value.as_ref() {
                Value::Texts(texts) => texts.iter().map(|t| t.as_bytes()).collect(),
                _ => Vec::new(),
            })
            .collect();
        let values: Vec<mmoe::Value<'_>> = record
            .iter()
            .zip(&texts)
            .map(|(value, texts)| match value.as_ref() {
                Value::Missing => mmoe::Value::Missing,
                Value::Number(x) => mmoe::Value::Number(*x),
                Value::Int(x) => mmoe::Value::Integer(*x),
                Value::Id(id) => mmoe::Value::Id(*id),
                Value::Text(text) => mmoe::Value::Text(text.as_bytes()),
                Value::Ids(ids) => mmoe::Value::Ids(ids),
                Value::Texts(_) => mmoe::Value::Texts(texts),
            })
            .collect();
        let run = self
            .model
            .predict_record(&values, &mut self.scratch, &mut self.y)?;
        Ok((&self.y, run))
    }

    /// All outputs for one row of features.
    ///
    /// # Errors
    ///
    /// A row of another width.
    pub fn predict(&mut self, x: &[f32]) -> Result<(&[f32], mmoe::Run), RunError> {
        let run = self.model.predict(x, &mut self.scratch, &mut self.y)?;
        Ok((&self.y, run))
    }

    /// All outputs for several rows of features, row after row, with the bits that each row has alone.
    ///
    /// # Errors
    ///
    /// Features that are no whole number of rows, too little room for the outputs.
    pub fn predict_batch(&mut self, x: &[f32], y: &mut [f32]) -> Result<mmoe::Run, RunError> {
        if self.block.is_empty() {
            self.block = vec![0; BLOCK * self.model.scratch_words()];
        }
        self.model.predict_batch(x, &mut self.block, y)
    }

    /// The same without experts that no gate weighs as much as `skip` says.
    ///
    /// # Errors
    ///
    /// A row of another width.
    pub fn predict_skipping(
        &mut self,
        x: &[f32],
        skip: SkipBelow,
    ) -> Result<(&[f32], mmoe::Run), RunError> {
        let run = self
            .model
            .predict_skipping(x, skip, &mut self.scratch, &mut self.y)?;
        Ok((&self.y, run))
    }

    /// After a prediction: the weights of gate number `gate`, one per expert that it sees.
    #[must_use]
    pub fn gate_weights(&self, gate: usize) -> Vec<f32> {
        let mut weights = vec![0.0; self.gates.get(gate).map_or(0, |g| g.experts.len())];
        let n = self.model.gate_weights(&self.scratch, gate, &mut weights);
        weights.truncate(n);
        weights
    }

    /// The output of expert number `expert`, which must read the input.
    ///
    /// # Errors
    ///
    /// An expert that does not, an integer model, or a row of another width.
    pub fn expert(&mut self, expert: usize, x: &[f32]) -> Result<Vec<f32>, RunError> {
        let step = *self.experts.get(expert).ok_or(RunError::Node)?;
        let width = self
            .model
            .blob()
            .nodes
            .get(step)
            .map_or(0, |n| usize::from(n.outputs.get()));
        let mut y = vec![0.0; width];
        let n = self.model.expert(step, x, &mut self.scratch, &mut y)?;
        y.truncate(n);
        Ok(y)
    }

    /// How files call the gates: `gate_<task>` for each task that reads one, `gate<n>` for the
    /// others; and the gate's number.
    #[must_use]
    pub fn gate_names(&self) -> Vec<(String, usize)> {
        let name = |(i, g): (usize, &Gate)| -> Vec<(String, usize)> {
            if g.tasks.is_empty() {
                return vec![(format!("gate{i}"), i)];
            }
            g.tasks
                .iter()
                .map(|t| (format!("gate_{}", self.tasks[*t].name), i))
                .collect()
        };
        self.gates.iter().enumerate().flat_map(name).collect()
    }

    /// Everything about one row, in the form that the f64 evaluation has it. Experts that do not
    /// read the input are left empty, as are all of an integer model and of one that takes records.
    ///
    /// # Errors
    ///
    /// A row of another width.
    pub fn evaluate(&mut self, x: Sample<'_>, experts: bool) -> Result<Evaluation, RunError> {
        let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|v| f64::from(*v)).collect() };
        let y = wide(self.predict_sample(x, None)?.0);
        let tasks = self.tasks.iter().map(|t| y[t.range()].to_vec()).collect();
        let gates = (0..self.gates.len())
            .map(|g| wide(&self.gate_weights(g)))
            .collect();
        let count = if experts { self.experts.len() } else { 0 };
        let experts = (0..count)
            .map(|e| match x {
                Sample::Vector(x) => self.expert(e, x).map(|y| wide(&y)).unwrap_or_default(),
                Sample::Record(_) => Vec::new(),
            })
            .collect();
        Ok(Evaluation {
            tasks,
            gates,
            experts,
        })
    }

    /// The features' names; empty where the blob stores none.
    #[must_use]
    pub fn feature_names(&self) -> Vec<String> {
        self.model
            .blob()
            .feature_names()
            .map(|n| String::from_utf8_lossy(n).into_owned())
            .collect()
    }

    /// The precision by which people call the model: the narrowest of its dense layers'.
    #[must_use]
    pub fn precision(&self) -> &'static str {
        let has = |p: PrecisionKind| {
            let mut layers = self.model.blob().layers.iter();
            layers.any(|l| l.is_matrix() && l.precision() == Some(p))
        };
        let narrowest = match self.model.is_integer() {
            true if has(PrecisionKind::I8) => PrecisionKind::I8,
            true => PrecisionKind::I16,
            false if has(PrecisionKind::W8) => PrecisionKind::W8,
            false => PrecisionKind::F32,
        };
        narrowest.name()
    }
}
