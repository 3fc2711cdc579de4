//! Rows of either kind: vectors of numbers, or records of raw fields.

use super::{Data, DataError, Record, Rows};
use crate::front::{Front, RecordError, Value};

/// Rows as a model takes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Of numbers, all of one width.
    Vectors(Rows),
    /// Of raw fields.
    Records(Vec<Record>),
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample<'a> {
    /// Of numbers.
    Vector(&'a [f32]),
    /// Of raw fields.
    Record(&'a [Value]),
}

impl From<Rows> for Samples {
    fn from(rows: Rows) -> Self {
        Self::Vectors(rows)
    }
}

impl Samples {
    /// Returns how many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Vectors(rows) => rows.len(),
            Self::Records(records) => records.len(),
        }
    }

    /// Returns `true` if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Sample<'_>> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Returns one row.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> Sample<'_> {
        match self {
            Self::Vectors(rows) => {
                let start = row * rows.width;
                Sample::Vector(&rows.data[start..start + rows.width])
            }
            Self::Records(records) => Sample::Record(&records[row]),
        }
    }

    /// Returns how many numbers are NaN or infinite, and how many rows have such a number. A number
    /// that a record leaves out is none of them.
    #[must_use]
    pub fn not_finite(&self) -> (usize, usize) {
        match self {
            Self::Vectors(rows) => rows.not_finite(),
            Self::Records(records) => {
                let odd = |v: &&Value| matches!(v, Value::Number(x) if !x.is_finite());
                let rows = records.iter().map(|r| r.iter().filter(odd).count());
                rows.filter(|n| *n > 0)
                    .fold((0, 0), |(numbers, rows), n| (numbers + n, rows + 1))
            }
        }
    }

    /// The vectors that a graph with this front end makes of its rows.
    ///
    /// # Errors
    ///
    /// Records for a graph without a front end, vectors for one with one, or records that it does
    /// not take.
    pub fn vectors(&self, front: Option<&Front>) -> Result<Rows, RecordError> {
        match (self, front) {
            (Self::Vectors(rows), None) => Ok(rows.clone()),
            (Self::Records(records), Some(front)) => {
                let mut data = Vec::with_capacity(records.len() * front.width());
                for record in records {
                    data.extend(front.vector(record)?.into_iter().map(|v| v as f32));
                }
                Ok(Rows {
                    data,
                    width: front.width(),
                })
            }
            (Self::Vectors(rows), Some(front)) => Err(RecordError::Length {
                expected: front.fields.len(),
                found: rows.width,
            }),
            (Self::Records(records), None) => Err(RecordError::Length {
                expected: 0,
                found: records.first().map_or(0, Vec::len),
            }),
        }
    }
}

impl Sample<'_> {
    /// Whether all of its numbers are finite; what a record leaves out is no number.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Vector(x) => x.iter().all(|v| v.is_finite()),
            Self::Record(record) => record
                .iter()
                .all(|v| !matches!(v, Value::Number(x) if !x.is_finite())),
        }
    }

    /// The vector that a graph with this front end reads.
    ///
    /// # Errors
    ///
    /// As [`Samples::vectors`].
    pub fn vector(&self, front: Option<&Front>) -> Result<Vec<f64>, RecordError> {
        match (self, front) {
            (Self::Vector(x), _) => Ok(x.iter().map(|v| f64::from(*v)).collect()),
            (Self::Record(record), Some(front)) => front.vector(record),
            (Self::Record(record), None) => Err(RecordError::Length {
                expected: 0,
                found: record.len(),
            }),
        }
    }
}

impl Data {
    /// The rows of the file as a model takes them: records where it has a front end, and otherwise
    /// the vectors of [`features`](Self::features).
    ///
    /// # Errors
    ///
    /// As [`records`](Self::records) and [`features`](Self::features); no rows.
    pub fn samples(
        &self,
        front: Option<&Front>,
        width: usize,
        names: &[String],
        others: &[String],
    ) -> Result<Samples, DataError> {
        let Some(front) = front else {
            return self.features(width, names, others).map(Samples::Vectors);
        };
        if let Some(error) = self.no_fields(front) {
            return Err(error);
        }
        let records: Vec<Record> = self.records(front)?.collect::<Result<_, _>>()?;
        if records.is_empty() {
            return Err(DataError::NoRows { path: self.shown() });
        }
        Ok(Samples::Records(records))
    }
}
