//! Parquet and Arrow IPC, record batch after record batch.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::csv::Csv;
use super::{Content, Data, DataError, json};

/// How many rows of a Parquet file are one batch. Arrow files have batches of their own.
const ROWS: usize = 16_384;

type Found = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// The record batches of a file, each as a table.
pub(super) struct Batches {
    found: Found,
    path: String,
    /// Whether fields may be texts and lists.
    records: bool,
    /// Rows before the next batch.
    before: usize,
    /// Whether a batch was handed on.
    begun: bool,
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches")
            .field("path", &self.path)
            .field("before", &self.before)
            .finish_non_exhaustive()
    }
}

impl Batches {
    /// Opens a Parquet file, or an Arrow IPC file or stream; `None` for a file that begins as neither.
    pub(super) fn open(path: &Path, records: bool) -> Result<Option<Self>, DataError> {
        let shown = path.display().to_string();
        let damaged = |e: &dyn std::fmt::Display| DataError::Format {
            path: shown.clone(),
            what: format!("cannot be read ({e}): was it fully written?"),
        };
        let mut start = [0; 8];
        let read = |start: &mut [u8; 8]| File::open(path)?.read_exact(start);
        if !path.is_file() || read(&mut start).is_err() {
            return Ok(None);
        }
        let file = || File::open(path).map_err(|e| damaged(&e));
        let found: Found = if start.starts_with(b"PAR1") {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file()?);
            let reader = builder.and_then(|b| b.with_batch_size(ROWS).build());
            Box::new(reader.map_err(|e| damaged(&e))?)
        } else if start.starts_with(b"ARROW1") {
            Box::new(FileReader::try_new_buffered(file()?, None).map_err(|e| damaged(&e))?)
        } else if start.starts_with(&[0xff; 4]) {
            Box::new(StreamReader::try_new_buffered(file()?, None).map_err(|e| damaged(&e))?)
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            found,
            path: shown,
            records,
            before: 0,
            begun: false,
        }))
    }

    fn data(&mut self, batch: &RecordBatch) -> Result<Data, DataError> {
        let content = if self.records {
            self.objects(batch)?
        } else {
            Content::Csv(self.table(batch)?)
        };
        let before = self.before;
        self.before += batch.num_rows();
        self.begun = true;
        Ok(Data {
            path: self.path.clone().into(),
            content,
            before,
        })
    }

    /// The batch as objects of fields, which hold what a column of numbers cannot.
    fn objects(&self, batch: &RecordBatch) -> Result<Content, DataError> {
        let mut writer = arrow_json::LineDelimitedWriter::new(Vec::new());
        writer
            .write(batch)
            .and_then(|()| writer.finish())
            .map_err(|e| self.failed(&e))?;
        let text = String::from_utf8(writer.into_inner()).map_err(|e| self.failed(&e))?;
        let (rows, csv) = json::parse(&text, &self.path)?;
        Ok(Content::Json { rows, csv })
    }

    /// The batch as a table of numbers.
    fn table(&self, batch: &RecordBatch) -> Result<Csv, DataError> {
        let schema = batch.schema();
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let width = names.len();
        let mut cells = vec![f32::NAN; width * batch.num_rows()];
        let mut odd = Vec::new();
        for (i, column) in batch.columns().iter().enumerate() {
            let of = column.data_type();
            if !of.is_numeric() && *of != DataType::Boolean {
                let what = format!(
                    "the column is of type {of}, and features are numbers: turn it into numbers the \
                     way training did, or leave it out"
                );
                odd.push((i, 0, what));
                continue;
            }
            let numbers = cast(column, &DataType::Float32).map_err(|e| self.failed(&e))?;
            let numbers = numbers.as_primitive::<Float32Type>();
            let empty = (0..numbers.len()).find(|row| numbers.is_null(*row));
            if let Some(row) = empty {
                odd.push((i, row, String::new()));
            }
            let places = cells.iter_mut().skip(i).step_by(width.max(1));
            for ((row, place), number) in places.enumerate().zip(numbers.values()) {
                if empty.is_none() || numbers.is_valid(row) {
                    *place = *number;
                }
            }
        }
        let mut csv = Csv::of_numbers(names, cells);
        for (column, row, what) in odd {
            csv.set_odd(column, (self.before + row + 1) as u64, what);
        }
        Ok(csv)
    }

    fn failed(&self, e: &dyn std::fmt::Display) -> DataError {
        DataError::Format {
            path: self.path.clone(),
            what: format!("cannot be read behind row {} ({e})", self.before),
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Data, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.found.next() {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => return Some(self.data(&batch)),
                Some(Err(e)) => return Some(Err(self.failed(&e))),
                None if self.begun => return None,
                None => {
                    self.begun = true;
                    return Some(Err(DataError::NoRows {
                        path: self.path.clone(),
                    }));
                }
            }
        }
    }
}
