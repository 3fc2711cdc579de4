//! Records of raw fields from files of any kind, batch by batch.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::cell::Cell;
use super::{Content, Data, DataError};
use crate::front::{Front, Value};
use crate::import::{Cells, Items, Tensor};

/// The values of one record, in the order of the fields.
pub type Record = Vec<Value>;

/// The records of a file. Nothing is kept of those that were taken, so that a file of any length is
/// read in the memory of a batch, as far as its kind allows.
#[derive(Debug)]
pub struct Records<'d> {
    cells: Vec<Cell<'d>>,
    path: String,
    source: Source<'d>,
    /// How many were taken.
    row: usize,
}

#[derive(Debug)]
enum Source<'d> {
    Csv {
        reader: Box<csv::Reader<&'d [u8]>>,
        /// Where each field stands.
        columns: Vec<usize>,
        /// How many cells a line has.
        width: usize,
        /// Lines of the file before those that are read here.
        before: u64,
    },
    Json(std::slice::Iter<'d, Map<String, Json>>),
    Arrays {
        columns: Vec<Column<'d>>,
        rows: usize,
    },
}

/// A field's array: so many elements a row, from `start` on.
#[derive(Debug)]
struct Column<'d> {
    from: Elements<'d>,
    /// Elements of a row of the array.
    stride: usize,
    /// The first of them that belongs to the field.
    start: usize,
    /// How many do.
    count: usize,
}

#[derive(Debug)]
enum Elements<'d> {
    Numbers(&'d [f32]),
    Ints(&'d [i64]),
    Texts(&'d [String]),
}

impl Data {
    /// The records that the file holds, one after the other. Columns and arrays are found by the names
    /// of the fields; others are left alone.
    ///
    /// # Errors
    ///
    /// Fields that the file does not have; arrays of other shapes. The iterator itself fails at the
    /// first cell that is no value of its field, named with its line.
    pub fn records<'d>(&'d self, front: &'d Front) -> Result<Records<'d>, DataError> {
        let names: Vec<String> = front.fields.iter().map(|f| f.name.clone()).collect();
        let cells = Cell::all(front);
        let source = match &self.content {
            Content::Csv(csv) => {
                let (reader, columns) = csv.reader(&names, &self.shown())?;
                Source::Csv {
                    reader: Box::new(reader),
                    columns,
                    width: csv.columns,
                    before: csv.lines_before(),
                }
            }
            Content::Json { rows, .. } => Source::Json(rows.iter()),
            Content::Arrays { .. } => {
                let columns: Vec<(Column<'_>, usize)> = cells
                    .iter()
                    .map(|cell| self.column(cell))
                    .collect::<Result<_, _>>()?;
                let rows = columns.first().map_or(0, |c| c.1);
                if let Some(at) = columns.iter().position(|c| c.1 != rows) {
                    return Err(DataError::Format {
                        path: self.shown(),
                        what: format!(
                            "array `{}` has {rows} rows, `{}` has {}: a record needs all",
                            names[0], names[at], columns[at].1
                        ),
                    });
                }
                Source::Arrays {
                    columns: columns.into_iter().map(|c| c.0).collect(),
                    rows,
                }
            }
        };
        Ok(Records {
            cells,
            path: self.shown(),
            source,
            row: 0,
        })
    }

    /// Whether it has an array or a column for any field. A table without a header has its columns in
    /// the order of the fields, if there are as many.
    fn names_fields(&self, front: &Front) -> bool {
        let names = self.names();
        if names.is_empty() {
            let table = self.content.table();
            return table.is_some_and(|csv| csv.columns == front.fields.len());
        }
        let names: HashSet<&str> = names.iter().map(String::as_str).collect();
        front.fields.iter().any(|field| {
            let base = field.name.rsplit_once('_').map(|(base, _)| base);
            let wide = base.is_some_and(|b| self.array_of(b).is_some());
            wide || names.contains(field.name.as_str())
        })
    }

    /// Whether its rows are vectors of so many numbers and no records of these fields. Columns that
    /// are called as a task, as its output or as one of its numbers are no elements of a vector.
    #[must_use]
    pub fn holds_vectors(&self, front: &Front, width: usize, tasks: &[&str]) -> bool {
        let of_task = |name: &&String| {
            let name = name.strip_prefix("p_").unwrap_or(name);
            tasks.iter().any(|task| {
                let behind = name.strip_prefix(task);
                behind.is_some_and(|b| {
                    let number = b.strip_prefix('_').map(str::parse::<usize>);
                    b.is_empty() || matches!(number, Some(Ok(_)))
                })
            })
        };
        let names = self.names();
        let others: Vec<String> = names.iter().filter(of_task).cloned().collect();
        !self.names_fields(front) && self.features(width, &[], &others).is_ok()
    }

    /// The error for a file that has nothing for any field, which often is one of vectors.
    pub(super) fn no_fields(&self, front: &Front) -> Option<DataError> {
        let several = front.fields.len() > 1;
        let named = !self.names().is_empty() && !self.names_fields(front);
        (several && named).then(|| DataError::NoFields {
            path: self.shown(),
            fields: front.fields.iter().map(|f| f.name.clone()).collect(),
            found: self.found(),
        })
    }

    /// The array of a field, and how many rows it has: its own, or a column of one whose name has no
    /// number behind it.
    fn column<'d>(&'d self, cell: &Cell<'_>) -> Result<(Column<'d>, usize), DataError> {
        let name = cell.field.name.as_str();
        let (array, column) = match self.array_of(name) {
            Some(found) => (found, None),
            None => {
                let parts = name.rsplit_once('_');
                let at = parts.and_then(|(base, i)| Some((base, i.parse::<usize>().ok()?)));
                let found = at.and_then(|(base, i)| Some((self.array_of(base)?, Some(i))));
                found.ok_or_else(|| DataError::NoArray {
                    path: self.shown(),
                    name: name.into(),
                    found: self.found(),
                })?
            }
        };
        let (from, shape) = array;
        let wrong = |expected: &str| DataError::Shape {
            path: self.shown(),
            name: name.into(),
            found: shape.to_vec(),
            expected: expected.into(),
        };
        let rows = shape.first().copied().unwrap_or(0);
        let (stride, start, count) = match (shape, column, cell.field.list.is_some()) {
            ([_, width], Some(column), false) if column < *width => (*width, column, 1),
            ([_, width], None, true) => (*width, 0, *width),
            ([_] | [_, 1], None, false) => (1, 0, 1),
            (_, Some(_), _) => return Err(wrong("[rows, width], a column for each number")),
            (_, None, true) => return Err(wrong("[rows, items]")),
            (_, None, false) => return Err(wrong("[rows]")),
        };
        let column = Column {
            from,
            stride,
            start,
            count,
        };
        Ok((column, rows))
    }

    /// The elements of an array, as exactly as the file has them.
    fn array_of(&self, name: &str) -> Option<(Elements<'_>, &[usize])> {
        let Content::Arrays { tensors, cells } = &self.content else {
            return None;
        };
        if let Some(Cells { shape, items }) = cells.get(name) {
            let elements = match items {
                Items::Ints(ints) => Elements::Ints(ints),
                Items::Texts(texts) => Elements::Texts(texts),
            };
            return Some((elements, shape));
        }
        let Tensor { shape, data } = tensors.get(name)?;
        Some((Elements::Numbers(data), shape))
    }

    /// What a person should know of how columns became fields: those that were left out.
    #[must_use]
    pub fn record_remarks(&self, front: &Front, others: &[String]) -> Vec<String> {
        let fields = || front.fields.iter().map(|f| f.name.as_str());
        // An array that is used column by column.
        let columns = fields().filter_map(|name| Some(name.rsplit_once('_')?.0));
        let known: HashSet<&str> = fields()
            .chain(columns)
            .chain(others.iter().map(String::as_str))
            .collect();
        let left: Vec<String> = self
            .names()
            .into_iter()
            .filter(|n| {
                // The framework's outputs stand beside labels.
                let output = n
                    .strip_prefix("p_")
                    .is_some_and(|task| known.contains(task));
                !known.contains(n.as_str()) && !output && !n.is_empty() && n != "Unnamed: 0"
            })
            .map(|n| format!("`{n}`"))
            .collect();
        if left.is_empty() {
            return Vec::new();
        }
        let shown = left[..left.len().min(8)].join(", ");
        let more = left.len().saturating_sub(8);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        vec![format!("no field of the model, left out: {shown}{more}")]
    }
}

impl Records<'_> {
    /// Takes up to `most` records; `None` behind the last.
    pub fn batch(&mut self, most: usize) -> Option<Result<Vec<Record>, DataError>> {
        let mut batch = Vec::new();
        for record in self.by_ref().take(most) {
            match record {
                Ok(record) => batch.push(record),
                Err(error) => return Some(Err(error)),
            }
        }
        if batch.is_empty() {
            None
        } else {
            Some(Ok(batch))
        }
    }

    fn failed(&self, line: u64, field: usize, what: &str) -> DataError {
        let name = self.cells.get(field).map_or("", |c| c.field.name.as_str());
        match self.source {
            Source::Arrays { .. } => DataError::Format {
                path: self.path.clone(),
                what: format!("array `{name}`, row {}: {what}", self.row),
            },
            _ => DataError::Csv {
                path: self.path.clone(),
                line,
                what: format!("column `{name}`: {what}"),
            },
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.row as u64;
        let (line, values): (u64, Vec<Result<Value, String>>) = match &mut self.source {
            Source::Csv {
                reader,
                columns,
                width,
                before,
            } => {
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => {
                        return Some(Err(DataError::Csv {
                            path: self.path.clone(),
                            line: *before + row + 1,
                            what: error.to_string(),
                        }));
                    }
                }
                let line = *before + record.position().map_or(row + 1, csv::Position::line);
                if record.len() != *width {
                    return Some(Err(DataError::Csv {
                        path: self.path.clone(),
                        line,
                        what: format!("{} cells, the first line has {width}", record.len()),
                    }));
                }
                let cells = self.cells.iter().zip(columns.iter());
                let values = cells.map(|(cell, c)| cell.text(record.get(*c).unwrap_or("")));
                (line, values.collect())
            }
            Source::Json(rows) => {
                let record = rows.next()?;
                let values = self
                    .cells
                    .iter()
                    .map(|cell| cell.json(record.get(&cell.field.name).unwrap_or(&Json::Null)));
                (row + 1, values.collect())
            }
            Source::Arrays { columns, rows } => {
                if self.row >= *rows {
                    return None;
                }
                let cells = self.cells.iter().zip(columns.iter());
                (0, cells.map(|(cell, c)| c.value(cell, self.row)).collect())
            }
        };
        let record: Record = match values.into_iter().enumerate().try_fold(
            Vec::with_capacity(self.cells.len()),
            |mut record, (field, value)| match value {
                Ok(value) => {
                    record.push(value);
                    Ok(record)
                }
                Err(what) => Err(self.failed(line, field, &what)),
            },
        ) {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        self.row += 1;
        Some(Ok(record))
    }
}

impl Column<'_> {
    /// The value of a row.
    fn value(&self, cell: &Cell<'_>, row: usize) -> Result<Value, String> {
        let first = row * self.stride + self.start;
        let own = first..first + self.count;
        let none = || Err("its row is not there".to_owned());
        if cell.field.list.is_some() {
            let items: Vec<String> = match self.from {
                Elements::Numbers(all) => all
                    .get(own)
                    .unwrap_or_default()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                Elements::Ints(all) => all
                    .get(own)
                    .unwrap_or_default()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                Elements::Texts(all) => all.get(own).unwrap_or_default().to_vec(),
            };
            return cell.list(&items.iter().map(String::as_str).collect::<Vec<_>>());
        }
        match self.from {
            Elements::Numbers(all) => all
                .get(first)
                .map_or_else(none, |x| cell.float((*x).into())),
            Elements::Ints(all) => all.get(first).map_or_else(none, |x| cell.whole(*x)),
            Elements::Texts(all) => all.get(first).map_or_else(none, |x| cell.text(x)),
        }
    }
}
