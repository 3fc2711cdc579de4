//! Rows of data as people have them: `.npz`, `.npy`, CSV or JSON, each also packed by gzip or on
//! standard input.

mod cell;
#[cfg(feature = "columnar")]
mod columns;
mod csv;
mod error;
mod json;
mod parts;
mod records;
mod samples;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::graph::elements::Elements;
use crate::import::{self, Cells, Tensor};
use csv::Csv;
pub use error::DataError;
pub use parts::Parts;
pub use records::{Record, Records};
pub use samples::{Sample, Samples};

/// How many bytes are read of what is not a regular file, and may never end.
const MOST: u64 = 1 << 31;

/// What a data file holds.
#[derive(Debug)]
pub struct Data {
    path: PathBuf,
    content: Content,
    /// Rows of the file before these, where they are a part of it.
    before: usize,
}

#[derive(Debug)]
enum Content {
    Arrays {
        /// The arrays of numbers.
        tensors: IndexMap<String, Tensor>,
        /// Those of integers once more, and those of texts, as exactly as the file has them.
        cells: IndexMap<String, Cells>,
    },
    Csv(Csv),
    Json {
        rows: Vec<serde_json::Map<String, serde_json::Value>>,
        /// The same as a table of numbers.
        csv: Csv,
    },
}

impl Content {
    /// The table of numbers, of what is no archive of arrays.
    fn table(&self) -> Option<&Csv> {
        match self {
            Self::Arrays { .. } => None,
            Self::Csv(csv) | Self::Json { csv, .. } => Some(csv),
        }
    }

    fn tensors(&self) -> Option<&IndexMap<String, Tensor>> {
        match self {
            Self::Arrays { tensors, .. } => Some(tensors),
            Self::Csv(_) | Self::Json { .. } => None,
        }
    }
}

/// Rows of numbers, all of one width.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The numbers, row after row.
    pub data: Vec<f32>,
    /// How many numbers a row has.
    pub width: usize,
}

impl Rows {
    /// Returns how many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.width).unwrap_or(0)
    }

    /// Returns `true` if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Returns the rows, in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.width.max(1))
    }

    /// Returns how many numbers are NaN or infinite, and how many rows have such a number.
    #[must_use]
    pub fn not_finite(&self) -> (usize, usize) {
        let in_row = |row: &[f32]| row.iter().filter(|v| !v.is_finite()).count();
        self.iter()
            .map(in_row)
            .filter(|n| *n > 0)
            .fold((0, 0), |(numbers, rows), n| (numbers + n, rows + 1))
    }
}

impl Data {
    /// Reads a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is empty, damaged, or of no kind that is known.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let shown = || path.display().to_string();
        let io = |error| DataError::Io {
            path: shown(),
            error,
        };
        let bytes = if path == Path::new("-") {
            at_most(io::stdin().lock()).map_err(io)?
        } else if path.is_dir() {
            return Err(DataError::Directory { path: shown() });
        } else if path.is_file() {
            Some(
                import::read_bounded(path, import::LONGEST).map_err(|reason| match reason {
                    import::Reason::Io(error) => io(error),
                    reason => DataError::Arrays {
                        path: shown(),
                        reason,
                    },
                })?,
            )
        } else {
            at_most(File::open(path).map_err(io)?).map_err(io)?
        };
        let bytes = bytes.ok_or_else(|| DataError::Endless {
            path: shown(),
            most: MOST,
        })?;
        Self::from_bytes(path, bytes)
    }

    fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, DataError> {
        let shown = || {
            if path == Path::new("-") {
                "standard input".to_owned()
            } else {
                path.display().to_string()
            }
        };
        if bytes.is_empty() {
            return Err(DataError::Empty { path: shown() });
        }
        let format = |what: &str| DataError::Format {
            path: shown(),
            what: what.into(),
        };
        if bytes.starts_with(b"\x1f\x8b") {
            let unpacked = at_most(flate2::read::MultiGzDecoder::new(bytes.as_slice()));
            return match unpacked {
                Ok(Some(bytes)) if bytes.starts_with(b"\x1f\x8b") => {
                    Err(format("is packed by gzip twice: unpack it once"))
                }
                Ok(Some(bytes)) => Self::from_bytes(path, bytes),
                Ok(None) => Err(DataError::Endless {
                    path: shown(),
                    most: MOST,
                }),
                Err(e) => Err(format(&format!(
                    "is packed by gzip and damaged ({e}): copy it again"
                ))),
            };
        }
        let content = if bytes.starts_with(b"\x93NUMPY") || bytes.starts_with(b"PK") {
            let failed = |reason| DataError::Arrays {
                path: shown(),
                reason,
            };
            Content::Arrays {
                tensors: import::read_data(&bytes).map_err(failed)?,
                cells: import::read_cells(&bytes).map_err(failed)?,
            }
        } else {
            if let Some(what) = another_format(&bytes) {
                return Err(format(what));
            }
            let text = String::from_utf8(bytes).ok().filter(|t| !t.contains('\0'));
            let text = text.ok_or_else(|| {
                format(
                    "is no text and begins neither as .npy nor as .npz does; data are read from \
                     .npz, .npy, CSV and JSON, told apart by their content",
                )
            })?;
            if text
                .trim_start_matches('\u{feff}')
                .trim_start()
                .starts_with(['{', '['])
            {
                let (rows, csv) = json::parse(text.trim_start_matches('\u{feff}'), &shown())?;
                Content::Json { rows, csv }
            } else {
                Content::Csv(csv::parse(&text, &shown())?)
            }
        };
        Ok(Self {
            path: PathBuf::from(shown()),
            content,
            before: 0,
        })
    }

    /// The file's name, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The array of this name; `None` if there is none, or if this is no archive of arrays.
    #[must_use]
    pub fn array(&self, name: &str) -> Option<&Tensor> {
        self.content.tensors()?.get(name)
    }

    /// The names of its arrays or columns.
    fn names(&self) -> Vec<String> {
        match &self.content {
            Content::Arrays { tensors, cells } => {
                let texts = cells.keys().filter(|name| !tensors.contains_key(*name));
                tensors.keys().chain(texts).cloned().collect()
            }
            Content::Csv(csv) | Content::Json { csv, .. } => csv.names().to_vec(),
        }
    }

    /// The name under which the outputs of a task stand: `p_` and its own, where the file has labels
    /// under that, or its own.
    #[must_use]
    pub fn output_name(&self, task: &str, width: usize) -> String {
        let beside = format!("p_{task}");
        if self.has_labels(&beside, width) {
            beside
        } else {
            task.to_owned()
        }
    }

    /// Takes the array of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn require(&self, name: &str) -> Result<&Tensor, DataError> {
        self.array(name).ok_or_else(|| DataError::NoArray {
            path: self.shown(),
            name: name.into(),
            found: self.found(),
        })
    }

    /// The error for an array of the wrong shape.
    pub(crate) fn wrong_shape(&self, name: &str, tensor: &Tensor, expected: &str) -> DataError {
        DataError::Shape {
            path: self.shown(),
            name: name.into(),
            found: tensor.shape.clone(),
            expected: expected.into(),
        }
    }

    /// Whether it is a table with columns, and no archive of arrays.
    pub(crate) fn is_table(&self) -> bool {
        self.content.table().is_some()
    }

    /// The error for rows that are no records of the model.
    pub(crate) fn no_record(&self, error: &crate::front::RecordError) -> DataError {
        DataError::Format {
            path: self.shown(),
            what: error.to_string(),
        }
    }

    /// The error for a number that nothing can be compared with.
    pub(crate) fn not_finite(&self, name: &str, row: usize, number: f32) -> DataError {
        DataError::NotFinite {
            path: self.shown(),
            name: name.into(),
            row,
            number,
        }
    }

    fn found(&self) -> String {
        match &self.content {
            Content::Arrays { tensors, cells } => {
                let texts = cells
                    .iter()
                    .filter(|(name, _)| !tensors.contains_key(*name));
                let texts = texts.map(|(n, c)| format!("`{n}` {:?} of texts", c.shape));
                let numbers = tensors.iter().map(|(n, t)| format!("`{n}` {:?}", t.shape));
                let shown: Vec<String> = numbers.chain(texts).take(12).collect();
                shown.join(", ")
            }
            Content::Csv(csv) | Content::Json { csv, .. } => csv.found(),
        }
    }

    /// The features: array `x` (or the only array) of shape `[N, width]`, or the CSV columns. A
    /// header is matched with `names` where there are some, in any order; columns called as in
    /// `others` are not features.
    ///
    /// # Errors
    ///
    /// Arrays of another shape; columns that are unknown, missing or repeated, each named; a cell
    /// that is no number; no rows.
    pub fn features(
        &self,
        width: usize,
        names: &[String],
        others: &[String],
    ) -> Result<Rows, DataError> {
        let rows = match &self.content {
            Content::Arrays {
                tensors: arrays, ..
            } => {
                let only = if arrays.len() == 1 {
                    arrays.first()
                } else {
                    None
                };
                let no_array = || DataError::NoArray {
                    path: self.shown(),
                    name: "x".into(),
                    found: self.found(),
                };
                let (name, x) = arrays.get_key_value("x").or(only).ok_or_else(no_array)?;
                let data = match x.shape.as_slice() {
                    [_, columns] if *columns == width => &x.data,
                    // One row, as NumPy users write it.
                    [columns] if *columns == width => &x.data,
                    _ => {
                        return Err(DataError::Shape {
                            path: self.shown(),
                            name: name.clone(),
                            found: x.shape.clone(),
                            expected: format!("[rows, {width}]: the model takes {width} features"),
                        });
                    }
                };
                Rows {
                    data: data.clone(),
                    width,
                }
            }
            Content::Csv(csv) | Content::Json { csv, .. } => Rows {
                data: csv.take(
                    &csv.features(width, names, others, &self.shown())?,
                    false,
                    &self.shown(),
                )?,
                width,
            },
        };
        if rows.is_empty() {
            Err(DataError::NoRows { path: self.shown() })
        } else {
            Ok(rows)
        }
    }

    /// What a CSV's header calls so many features, in the file's order; columns called as in `others`
    /// are none. `None` of other files and of other numbers.
    #[must_use]
    pub fn feature_names(&self, width: usize, others: &[String]) -> Option<Vec<String>> {
        let Content::Csv(csv) = &self.content else {
            return None;
        };
        let columns = csv.features(width, &[], others, "").ok()?;
        csv.names_of(&columns)
    }

    /// The features of a model with one-hot columns, as numbers and codes. The file has either those,
    /// or the vectors that the model was trained on.
    ///
    /// # Errors
    ///
    /// As [`features`](Self::features); vectors that are not one-hot where they have to be.
    pub fn elements(
        &self,
        elements: &Elements,
        names: &[String],
        others: &[String],
    ) -> Result<Rows, DataError> {
        self.features(elements.len(), names, others).or_else(|e| {
            let vectors = self.features(elements.width(), &[], others);
            let vectors = vectors.map_err(|_| e)?;
            let not_one_hot = |(row, why)| DataError::NotOneHot {
                path: self.shown(),
                row: self.before + row,
                why,
            };
            elements.rows(&vectors).map_err(not_one_hot)
        })
    }

    /// The same as the vectors that the model was trained on, whichever the file has.
    ///
    /// # Errors
    ///
    /// As [`features`](Self::features).
    pub fn vectors(
        &self,
        elements: &Elements,
        names: &[String],
        others: &[String],
    ) -> Result<Rows, DataError> {
        self.features(elements.width(), names, others).or_else(|e| {
            let rows = self.features(elements.len(), &elements.names(names), others);
            let rows = rows.map_err(|_| e)?;
            Ok(Rows {
                data: rows.iter().flat_map(|row| elements.vector(row)).collect(),
                width: elements.width(),
            })
        })
    }

    /// What a person should know of how CSV columns became features: they are taken in the file's
    /// order where the model has no names to check a header against, and a column without a name
    /// is left out.
    #[must_use]
    pub fn remarks(&self, names: &[String], others: &[String]) -> Vec<String> {
        self.content
            .table()
            .map_or_else(Vec::new, |csv| csv.remarks(names, others))
    }

    /// Whether there are labels under this name: an array or a column of it, or `width` of them.
    #[must_use]
    pub fn has_labels(&self, name: &str, width: usize) -> bool {
        match &self.content {
            Content::Arrays { tensors, .. } => tensors.contains_key(name),
            Content::Csv(csv) | Content::Json { csv, .. } => Self::label_columns(name, width)
                .iter()
                .any(|n| csv.column(n).is_some()),
        }
    }

    /// Takes the weight of every row: array or column `name`, which then is no feature.
    ///
    /// # Errors
    ///
    /// There is none, or it has another shape.
    pub fn take_weights(&mut self, name: &str) -> Result<Vec<f32>, DataError> {
        let path = self.shown();
        let no_array = DataError::NoArray {
            path: path.clone(),
            name: name.into(),
            found: self.found(),
        };
        match &mut self.content {
            Content::Arrays { tensors, .. } => {
                tensors.shift_remove(name).map(|t| t.data).ok_or(no_array)
            }
            Content::Csv(csv) | Content::Json { csv, .. } => match csv.column(name) {
                Some(column) => csv.set_aside(column, &path),
                None => Err(no_array),
            },
        }
    }

    /// The labels of every row: array or column `name`, one number each, or `width` of them. A
    /// label that is missing, which is an empty cell of CSV, is NaN.
    ///
    /// # Errors
    ///
    /// There is none, or it has another shape.
    pub fn labels(&self, name: &str, rows: usize, width: usize) -> Result<Vec<f32>, DataError> {
        let no_array = || DataError::NoArray {
            path: self.shown(),
            name: name.into(),
            found: self.found(),
        };
        match &self.content {
            Content::Arrays { .. } => {
                let t = self.require(name)?;
                if t.data.len() != rows * width || t.shape.first() != Some(&rows) {
                    let expected = if width == 1 {
                        format!("[{rows}], a label for each row of `x`")
                    } else {
                        format!("[{rows}, {width}]")
                    };
                    return Err(self.wrong_shape(name, t, &expected));
                }
                Ok(t.data.clone())
            }
            Content::Csv(csv) | Content::Json { csv, .. } => {
                let columns: Vec<usize> = Self::label_columns(name, width)
                    .iter()
                    .map(|n| csv.column(n).ok_or_else(no_array))
                    .collect::<Result<_, _>>()?;
                csv.take(&columns, true, &self.shown())
            }
        }
    }

    /// Names of columns under which a task's labels may stand.
    #[must_use]
    pub fn label_columns(name: &str, width: usize) -> Vec<String> {
        if width == 1 {
            vec![name.to_owned()]
        } else {
            (0..width).map(|i| format!("{name}_{i}")).collect()
        }
    }
}

/// Everything, unless it is more than [`MOST`] bytes.
fn at_most(from: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = from.take(MOST + 1).read_to_end(&mut bytes)?;
    Ok((read as u64 <= MOST).then_some(bytes))
}

/// What to do about formats that data often come in but are not read.
fn another_format(bytes: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| bytes.starts_with(with);
    if begins(b"BZh") || begins(b"\xfd7zXZ") || begins(b"\x28\xb5\x2f\xfd") {
        Some("is compressed: unpack it first")
    } else if begins(b"PAR1") {
        Some(
            "is a Parquet file, which `mmoe run` and `mmoe eval` read where the tool was built with \
             `--features columnar`; or write it as CSV first, in Python: \
             pandas.read_parquet(FILE).to_csv(\"data.csv\", index=False)",
        )
    } else if begins(b"ARROW1") || begins(b"FEA1") {
        Some(
            "is an Arrow file, which `mmoe run` and `mmoe eval` read where the tool was built with \
             `--features columnar`; or write it as CSV first, in Python: \
             pandas.read_feather(FILE).to_csv(\"data.csv\", index=False)",
        )
    } else if begins(&mmoe::blob::MAGIC.to_le_bytes()) {
        Some("is a blob, where rows of data are wanted: .npz, .npy, CSV or JSON")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
