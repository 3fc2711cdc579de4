//! Rows of data as people have them: `.npz`, `.npy`, CSV, or any of these on standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::import::{self, Tensor};

/// What a data file holds.
#[derive(Debug)]
pub struct Data {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Arrays(IndexMap<String, Tensor>),
    Csv(Csv),
}

/// A CSV file: numbers, column by column or row by row.
#[derive(Debug)]
struct Csv {
    /// The header's names, if the first line is one.
    names: Option<Vec<String>>,
    /// Row-major.
    cells: Vec<f32>,
    columns: usize,
}

/// A matrix of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Row-major.
    pub data: Vec<f32>,
    /// Numbers in a row.
    pub width: usize,
}

impl Rows {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The rows, in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.width.max(1))
    }
}

/// What is wrong with a data file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message explains its fields")]
pub enum DataError {
    #[error("{path}: cannot be read: {error}")]
    Io { path: String, error: std::io::Error },
    #[error("{path}: is a directory; give the file itself")]
    Directory { path: String },
    #[error("{path}: is empty (0 bytes)")]
    Empty { path: String },
    #[error("{path}: {reason}")]
    Arrays {
        path: String,
        reason: import::Reason,
    },
    #[error(
        "{path}: is no text and begins neither as .npy nor as .npz does; data are read from .npz, \
         .npy and CSV, told apart by their content"
    )]
    Binary { path: String },
    #[error("{path}: line {line}: {what}")]
    Csv {
        path: String,
        line: u64,
        what: String,
    },
    #[error("{path}: no array `{name}`; it holds {found}")]
    NoArray {
        path: String,
        name: String,
        found: String,
    },
    #[error("{path}: array `{name}` has shape {found:?}, needed is {expected}")]
    Shape {
        path: String,
        name: String,
        found: Vec<usize>,
        expected: String,
    },
    #[error("{path}: {found} columns of features, the model takes {expected}")]
    Columns {
        path: String,
        found: usize,
        expected: usize,
    },
    #[error("{path}: column `{name}` stands twice in the header")]
    Repeated { path: String, name: String },
    #[error("{path}: column `{name}` is no feature of the model{near}")]
    Unknown {
        path: String,
        name: String,
        near: String,
    },
    #[error("{path}: the column{} {} missing: the model needs {}", if names.len() == 1 { "" } else { "s" }, list(names), if names.len() == 1 { "it" } else { "them" })]
    Missing { path: String, names: Vec<String> },
    #[error("{path}: it has no rows")]
    NoRows { path: String },
}

fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|n| format!("`{n}`")).collect();
    let more = names.len().saturating_sub(5);
    let verb = if names.len() == 1 { "is" } else { "are" };
    if more > 0 {
        format!("{} and {more} more {verb}", shown.join(", "))
    } else {
        format!("{} {verb}", shown.join(", "))
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
            let mut bytes = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map_err(io)?;
            bytes
        } else if path.is_dir() {
            return Err(DataError::Directory { path: shown() });
        } else {
            import::read_bounded(path, import::LONGEST).map_err(|reason| match reason {
                import::Reason::Io(error) => io(error),
                reason => DataError::Arrays {
                    path: shown(),
                    reason,
                },
            })?
        };
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
        let content = if bytes.starts_with(b"\x93NUMPY") || bytes.starts_with(b"PK") {
            Content::Arrays(
                import::read_data(&bytes).map_err(|reason| DataError::Arrays {
                    path: shown(),
                    reason,
                })?,
            )
        } else {
            let text = String::from_utf8(bytes).ok().filter(|t| !t.contains('\0'));
            Content::Csv(parse_csv(
                &text.ok_or_else(|| DataError::Binary { path: shown() })?,
                &shown(),
            )?)
        };
        Ok(Self {
            path: PathBuf::from(shown()),
            content,
        })
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The array of this name; `None` if there is none, or if this is CSV.
    #[must_use]
    pub fn array(&self, name: &str) -> Option<&Tensor> {
        match &self.content {
            Content::Arrays(arrays) => arrays.get(name),
            Content::Csv(_) => None,
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

    fn found(&self) -> String {
        match &self.content {
            Content::Arrays(arrays) => {
                let shown: Vec<String> = arrays
                    .iter()
                    .take(12)
                    .map(|(n, t)| format!("`{n}` {:?}", t.shape))
                    .collect();
                shown.join(", ")
            }
            Content::Csv(csv) => match &csv.names {
                Some(names) => format!("CSV columns {}", names.join(", ")),
                None => format!("{} CSV columns without a header", csv.columns),
            },
        }
    }

    /// The features: array `x` (or the only array) of shape `[N, width]`, or the CSV columns. A
    /// header is matched with `names` where there are some; columns called as in `others` are
    /// not features.
    ///
    /// # Errors
    ///
    /// Arrays of another shape; columns that are unknown, missing or repeated, each named; no rows.
    pub fn features(
        &self,
        width: usize,
        names: &[String],
        others: &[String],
    ) -> Result<Rows, DataError> {
        let rows = match &self.content {
            Content::Arrays(arrays) => {
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
            Content::Csv(csv) => self.csv_features(csv, width, names, others)?,
        };
        if rows.is_empty() {
            Err(DataError::NoRows { path: self.shown() })
        } else {
            Ok(rows)
        }
    }

    fn csv_features(
        &self,
        csv: &Csv,
        width: usize,
        names: &[String],
        others: &[String],
    ) -> Result<Rows, DataError> {
        let path = || self.shown();
        let order: Vec<usize> = match &csv.names {
            None => (0..csv.columns).collect(),
            Some(header) => {
                if let Some((_, name)) = header
                    .iter()
                    .enumerate()
                    .find(|(i, n)| header[..*i].contains(n))
                {
                    return Err(DataError::Repeated {
                        path: path(),
                        name: name.clone(),
                    });
                }
                let is_feature = |n: &String| {
                    if names.is_empty() {
                        !others.contains(n)
                    } else {
                        names.contains(n)
                    }
                };
                if names.is_empty() {
                    (0..csv.columns)
                        .filter(|i| is_feature(&header[*i]))
                        .collect()
                } else {
                    if let Some(name) = header
                        .iter()
                        .find(|n| !is_feature(n) && !others.contains(n))
                    {
                        let near = crate::error::near_names(name, names.iter());
                        let near = near
                            .first()
                            .map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
                        return Err(DataError::Unknown {
                            path: path(),
                            name: name.clone(),
                            near,
                        });
                    }
                    let missing: Vec<String> = names
                        .iter()
                        .filter(|n| !header.contains(n))
                        .cloned()
                        .collect();
                    if !missing.is_empty() {
                        return Err(DataError::Missing {
                            path: path(),
                            names: missing,
                        });
                    }
                    names
                        .iter()
                        .filter_map(|n| header.iter().position(|h| h == n))
                        .collect()
                }
            }
        };
        if order.len() != width {
            return Err(DataError::Columns {
                path: path(),
                found: order.len(),
                expected: width,
            });
        }
        let rows = csv.cells.chunks_exact(csv.columns.max(1));
        Ok(Rows {
            data: rows.flat_map(|r| order.iter().map(|c| r[*c])).collect(),
            width,
        })
    }

    /// The labels of every row: array or column `name`, one number each, or `width` of them.
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
            Content::Arrays(_) => {
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
            Content::Csv(csv) => {
                let column = |name: &str| {
                    csv.names
                        .as_ref()
                        .and_then(|n| n.iter().position(|n| n == name))
                        .ok_or_else(no_array)
                };
                let columns = if width == 1 {
                    vec![column(name)?]
                } else {
                    (0..width)
                        .map(|i| column(&format!("{name}_{i}")))
                        .collect::<Result<_, _>>()?
                };
                Ok(csv
                    .cells
                    .chunks_exact(csv.columns)
                    .flat_map(|r| columns.iter().map(|c| r[*c]))
                    .collect())
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

/// Reads CSV; the first line is a header if any of its cells is no number.
fn parse_csv(text: &str, path: &str) -> Result<Csv, DataError> {
    let error = |line: u64, what: String| DataError::Csv {
        path: path.into(),
        line,
        what,
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let (mut names, mut cells, mut columns): (Option<Vec<String>>, Vec<f32>, usize) =
        (None, Vec::new(), 0);
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|e| error(index as u64 + 1, e.to_string()))?;
        let line = record
            .position()
            .map_or(index as u64 + 1, csv::Position::line);
        if index == 0 {
            columns = record.len();
            if record.iter().any(|c| c.parse::<f32>().is_err()) {
                names = Some(record.iter().map(str::to_owned).collect());
                continue;
            }
        }
        if record.len() != columns {
            return Err(error(
                line,
                format!("{} cells, the first line has {columns}", record.len()),
            ));
        }
        for (i, cell) in record.iter().enumerate() {
            let column = names
                .as_ref()
                .and_then(|n| n.get(i))
                .map_or_else(|| format!("column {}", i + 1), |n| format!("column `{n}`"));
            cells.push(
                cell.parse()
                    .map_err(|_| error(line, format!("{column}: `{cell:.40}` is no number")))?,
            );
        }
    }
    Ok(Csv {
        names,
        cells,
        columns,
    })
}

#[cfg(test)]
mod tests {
    use super::Data;
    use std::path::Path;

    fn csv(text: &str) -> Data {
        Data::from_bytes(Path::new("d.csv"), text.as_bytes().to_vec()).unwrap()
    }

    fn names(n: &[&str]) -> Vec<String> {
        n.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn a_header_puts_columns_in_the_models_order() {
        let d = csv("b,y,a\n1,0,2\n3,1,-4.5\n");
        let rows = d.features(2, &names(&["a", "b"]), &names(&["y"])).unwrap();
        assert_eq!(rows.data, [2.0, 1.0, -4.5, 3.0]);
        assert_eq!(rows.len(), 2);
        assert_eq!(d.labels("y", 2, 1).unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn columns_without_names_keep_their_order() {
        assert_eq!(
            csv("1,2\n3,NaN\n").features(2, &[], &[]).unwrap().data[..3],
            [1.0, 2.0, 3.0]
        );
        assert_eq!(
            csv("p,y,q\n1,9,2\n")
                .features(2, &[], &names(&["y"]))
                .unwrap()
                .data,
            [1.0, 2.0]
        );
    }

    #[test]
    fn wrong_columns_are_named() {
        let fails = |text: &str| {
            csv(text)
                .features(2, &names(&["age", "income"]), &[])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            fails("age,incme\n1,2\n"),
            "d.csv: column `incme` is no feature of the model; did you mean `income`?"
        );
        assert_eq!(
            fails("age\n1\n"),
            "d.csv: the column `income` is missing: the model needs it"
        );
        assert_eq!(
            fails("age,age\n1,2\n"),
            "d.csv: column `age` stands twice in the header"
        );
        assert_eq!(
            fails("1,2,3\n"),
            "d.csv: 3 columns of features, the model takes 2"
        );
        assert_eq!(fails("age,income\n"), "d.csv: it has no rows");
        let error = |text: &str| {
            Data::from_bytes(Path::new("d.csv"), text.as_bytes().to_vec())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error("age,income\n1,x\n"),
            "d.csv: line 2: column `income`: `x` is no number"
        );
        assert_eq!(
            error("1,2\n1\n"),
            "d.csv: line 2: 1 cells, the first line has 2"
        );
        assert_eq!(error(""), "d.csv: is empty (0 bytes)");
    }
}
