//! CSV: numbers in rows, as spreadsheets and pandas write them.
//!
//! The reader is lenient about form and strict about content. Separators, byte order marks and pandas'
//! index column vary by program and mean nothing, so they are accepted. A cell that is no number could
//! only be guessed, so it is an error if its column is used.

use std::collections::{HashMap, HashSet};

use super::DataError;

/// The hint where a whole line was read as one cell.
const SEPARATORS: &str = "; cells are separated by commas, semicolons or tabs";

/// A file whose cells were read, but not judged: only columns that are used must hold numbers.
#[derive(Debug)]
pub(super) struct Csv {
    /// The file, for whoever wants more than numbers of it.
    text: String,
    /// The header's names, if the first line is one.
    names: Option<Vec<String>>,
    /// Where each name stands first.
    places: HashMap<String, usize>,
    /// Row-major; NaN where a cell is no number.
    cells: Vec<f32>,
    pub(super) columns: usize,
    /// The first cell of each column that is no number.
    odd: Vec<Option<Odd>>,
    /// A column that is no feature, whatever the model.
    aside: Option<usize>,
    /// What separates the cells.
    delimiter: u8,
    /// Lines of the file before those of `text`.
    before: u64,
}

/// What is known of a text that is a part of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartOf {
    /// What separates the cells.
    pub(super) delimiter: u8,
    /// Whether the text begins with the header; that of a later part is the file's, put before it.
    pub(super) header: bool,
    /// Lines of the file before those of the text.
    pub(super) before: u64,
}

/// A cell that is no number.
#[derive(Debug, Clone)]
struct Odd {
    line: u64,
    what: String,
    /// Whether there is nothing at all, which a label may be.
    empty: bool,
}

/// Reads CSV. Cells are separated by tabs, semicolons or commas, whichever of them the first line
/// has, looked for in this order; the first line is a header if one of its cells is text.
pub(super) fn parse(text: &str, path: &str) -> Result<Csv, DataError> {
    parse_part(text, path, None)
}

/// Reads a part of a file; `None` where it is the whole of it.
pub(super) fn parse_part(text: &str, path: &str, part: Option<PartOf>) -> Result<Csv, DataError> {
    let before = part.map_or(0, |p| p.before);
    let error = |line: u64, what: String| DataError::Csv {
        path: path.into(),
        line: before + line,
        what,
    };
    let text = text.trim_start_matches('\u{feff}');
    let delimiter = part.map_or_else(|| delimiter(text), |p| p.delimiter);
    let mut reader = lines(text, csv::Trim::All, delimiter);
    let mut read = Csv {
        delimiter,
        before,
        ..Csv::empty(text)
    };
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|e| error(index as u64 + 1, e.to_string()))?;
        let line = record
            .position()
            .map_or(index as u64 + 1, csv::Position::line);
        if index == 0 {
            if part.map_or_else(|| is_header(&record), |p| p.header) {
                let names = record.iter().map(str::to_owned).collect();
                read = Csv {
                    text: read.text,
                    delimiter,
                    before,
                    ..Csv::with_names(names)
                };
                continue;
            }
            read.columns = record.len();
            read.odd = vec![None; read.columns];
        }
        if record.len() != read.columns {
            let columns = read.columns;
            return Err(error(
                line,
                format!("{} cells, the first line has {columns}", record.len()),
            ));
        }
        read.push(record.iter(), before + line);
    }
    Ok(read)
}

/// A reader of the lines of a file, the header among them.
fn lines(text: &str, trim: csv::Trim, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(trim)
        .from_reader(text.as_bytes())
}

/// How the cells and the header are of a file that begins so, and how long the header is, in bytes. `None`
/// where there is no whole line.
pub(super) fn begins(start: &[u8]) -> Option<(PartOf, usize)> {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The end may lie in a character.
        Err(e) => std::str::from_utf8(&start[..e.valid_up_to()]).ok()?,
    };
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let text = &text[mark..];
    let delimiter = delimiter(text);
    let mut reader = lines(text, csv::Trim::All, delimiter);
    let mut first = csv::StringRecord::new();
    let read = reader.read_record(&mut first).ok()?;
    let header = read && is_header(&first);
    let length = usize::try_from(reader.position().byte()).ok()? + mark;
    let part = PartOf {
        delimiter,
        header,
        before: 0,
    };
    Some((part, if header { length } else { 0 }))
}

/// Where the last line starts of a text, in bytes: that one may go on behind the text. `None` where there
/// is no other.
pub(super) fn last_line(text: &[u8], part: PartOf) -> Option<usize> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(part.delimiter)
        .from_reader(text);
    let mut record = csv::ByteRecord::new();
    let mut last = 0;
    while reader.read_byte_record(&mut record).ok()? {
        last = record.position().map_or(last, csv::Position::byte);
    }
    usize::try_from(last).ok().filter(|last| *last > 0)
}

/// Finds what separates the cells, in the first line outside of quotes. A tab never stands in a name by
/// accident and a semicolon hardly ever, while a comma may be a decimal comma, so they are looked for
/// in this order.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut found = [false; 2];
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            b'\t' if !quoted => found[0] = true,
            b';' if !quoted => found[1] = true,
            _ => {}
        }
    }
    match found {
        [true, _] => b'\t',
        [_, true] => b';',
        _ => b',',
    }
}

/// Returns `true` if the first line is a header: it has a name that is not a number, or it numbers its
/// columns behind pandas' index, which has no name.
fn is_header(record: &csv::StringRecord) -> bool {
    let numbered = record.len() > 1
        && record
            .iter()
            .enumerate()
            .all(|(i, c)| i.checked_sub(1).map_or(String::new(), |i| i.to_string()) == c);
    numbered || record.iter().any(|c| !c.is_empty() && number(c).is_none())
}

/// Reads a number, or a truth value as pandas writes it.
pub(super) fn number(cell: &str) -> Option<f32> {
    match cell {
        "True" | "true" | "TRUE" => Some(1.0),
        "False" | "false" | "FALSE" => Some(0.0),
        _ => cell.parse().ok(),
    }
}

/// Explains what is wrong with a cell that is not a number, and what to do.
pub(super) fn complaint(cell: &str) -> String {
    if cell.is_empty() {
        return "the cell is empty; fill missing values the way training did (pandas: fillna)"
            .into();
    }
    if cell.replacen(',', ".", 1).parse::<f32>().is_ok() {
        return format!("`{cell:.40}` has a decimal comma; write numbers with a point");
    }
    format!(
        "`{cell:.40}` is no number; turn words into numbers the way training did (pandas: \
         get_dummies), or leave the column out"
    )
}

impl Csv {
    fn empty(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            names: None,
            places: HashMap::new(),
            cells: Vec::new(),
            columns: 0,
            odd: Vec::new(),
            aside: None,
            delimiter: b',',
            before: 0,
        }
    }

    /// A table of these columns without rows.
    pub(super) fn with_names(names: Vec<String>) -> Self {
        let mut read = Self::empty("");
        read.columns = names.len();
        read.odd = vec![None; read.columns];
        for (i, name) in names.iter().enumerate() {
            read.places.entry(name.clone()).or_insert(i);
        }
        read.names = Some(names);
        read
    }

    /// A table of these columns with these numbers, row after row.
    #[cfg(feature = "columnar")]
    pub(super) fn of_numbers(names: Vec<String>, cells: Vec<f32>) -> Self {
        Self {
            cells,
            ..Self::with_names(names)
        }
    }

    /// Says that a row of a column is no number, or (`what` is empty) that nothing is there.
    #[cfg(feature = "columnar")]
    pub(super) fn set_odd(&mut self, column: usize, line: u64, what: String) {
        let empty = what.is_empty();
        let what = if empty { complaint("") } else { what };
        if let Some(odd) = self.odd.get_mut(column) {
            *odd = Some(Odd { line, what, empty });
        }
    }

    /// Adds a row of as many cells as there are columns.
    pub(super) fn push<'c>(&mut self, cells: impl Iterator<Item = &'c str>, line: u64) {
        for (cell, odd) in cells.zip(&mut self.odd) {
            // Whether this column is used is not known yet, so the error waits with its line.
            let value = number(cell);
            // An empty cell gives way to one that nothing may hold.
            if value.is_none() && odd.as_ref().is_none_or(|o| o.empty && !cell.is_empty()) {
                *odd = Some(Odd {
                    line,
                    what: complaint(cell),
                    empty: cell.is_empty(),
                });
            }
            self.cells.push(value.unwrap_or(f32::NAN));
        }
    }

    /// The names of its columns, if it has a header.
    pub(super) fn names(&self) -> &[String] {
        self.names.as_deref().unwrap_or_default()
    }

    /// The lines behind the header, cells as they are, and where each of these columns stands.
    /// Without a header the columns are these, in this order.
    pub(super) fn reader(
        &self,
        wanted: &[String],
        path: &str,
    ) -> Result<(csv::Reader<&[u8]>, Vec<usize>), DataError> {
        let mut records = lines(&self.text, csv::Trim::None, self.delimiter);
        let Some(header) = &self.names else {
            if self.columns != wanted.len() {
                return Err(DataError::Columns {
                    path: path.into(),
                    found: self.columns,
                    expected: wanted.len(),
                    hint: ", in the order of its fields where there is no header",
                });
            }
            return Ok((records, (0..wanted.len()).collect()));
        };
        // It was read before.
        let _ = records.read_record(&mut csv::StringRecord::new());
        let used = header
            .iter()
            .enumerate()
            .filter(|(_, n)| wanted.contains(n));
        if let Some((_, name)) = used
            .into_iter()
            .find(|(i, n)| self.places.get(*n) != Some(i))
        {
            return Err(DataError::Repeated {
                path: path.into(),
                name: name.clone(),
            });
        }
        let columns: Vec<Option<usize>> = wanted.iter().map(|n| self.column(n)).collect();
        let missing: Vec<String> = (wanted.iter().zip(&columns))
            .filter(|(_, c)| c.is_none())
            .map(|(n, _)| n.clone())
            .collect();
        if missing.is_empty() {
            return Ok((records, columns.into_iter().flatten().collect()));
        }
        let near = crate::error::near_names(&missing[0], header.iter());
        Err(match near.first() {
            Some(near) if missing.len() == 1 => DataError::Near {
                path: path.into(),
                name: missing[0].clone(),
                near: near.clone(),
            },
            _ => DataError::Missing {
                path: path.into(),
                names: missing,
            },
        })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.cells.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Lines of the file before those that [`reader`](Self::reader) counts.
    pub(super) fn lines_before(&self) -> u64 {
        self.before
    }

    /// Where the column of this name stands.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Takes a column that is no feature.
    pub(super) fn set_aside(&mut self, column: usize, path: &str) -> Result<Vec<f32>, DataError> {
        self.aside = Some(column);
        self.take(&[column], false, path)
    }

    /// What there is, for a message.
    pub(super) fn found(&self) -> String {
        match &self.names {
            Some(names) => format!("CSV columns {}", names.join(", ")),
            None => format!("{} CSV columns without a header", self.columns),
        }
    }

    /// Whether this column only numbers the rows: pandas writes its index first, without a name.
    fn is_index(&self, column: usize) -> bool {
        column == 0
            && self.columns > 1
            && self
                .names
                .as_ref()
                .and_then(|n| n.first())
                .is_some_and(|n| n.is_empty() || n == "Unnamed: 0")
    }

    /// The columns that may be features, in the file's order.
    fn candidates<'c>(&'c self, others: &[String]) -> impl Iterator<Item = usize> + use<'c> {
        let others: HashSet<usize> = others.iter().filter_map(|n| self.column(n)).collect();
        (0..self.columns)
            .filter(move |i| !self.is_index(*i) && !others.contains(i) && self.aside != Some(*i))
    }

    /// The columns of the features, in the model's order.
    pub(super) fn features(
        &self,
        width: usize,
        names: &[String],
        others: &[String],
        path: &str,
    ) -> Result<Vec<usize>, DataError> {
        let path = || path.to_owned();
        let order: Vec<usize> = match &self.names {
            Some(header) => {
                if let Some((_, name)) = header
                    .iter()
                    .enumerate()
                    .find(|(i, n)| self.places.get(*n) != Some(i))
                {
                    return Err(DataError::Repeated {
                        path: path(),
                        name: name.clone(),
                    });
                }
                if names.is_empty() {
                    self.candidates(others).collect()
                } else {
                    self.by_name(header, names, others, &path())?
                }
            }
            None => self.candidates(&[]).collect(),
        };
        if order.len() != width {
            let hint = if self.columns == 1 && width > 1 {
                SEPARATORS
            } else {
                ""
            };
            return Err(DataError::Columns {
                path: path(),
                found: order.len(),
                expected: width,
                hint,
            });
        }
        Ok(order)
    }

    /// What the header calls these columns.
    pub(super) fn names_of(&self, columns: &[usize]) -> Option<Vec<String>> {
        let header = self.names.as_ref()?;
        columns.iter().map(|c| header.get(*c).cloned()).collect()
    }

    /// The columns that the header calls as the model calls its features.
    fn by_name(
        &self,
        header: &[String],
        names: &[String],
        others: &[String],
        path: &str,
    ) -> Result<Vec<usize>, DataError> {
        let known: HashSet<&String> = names.iter().chain(others).collect();
        let unknown = |(i, n): &(usize, &String)| {
            !known.contains(n) && !self.is_index(*i) && self.aside != Some(*i)
        };
        if let Some((_, name)) = header.iter().enumerate().find(unknown) {
            let near = match crate::error::near_names(name, names.iter()).first() {
                _ if self.columns == 1 && names.len() > 1 => SEPARATORS.to_owned(),
                Some(near) => format!("; did you mean `{near}`?"),
                None => "; leave it out".to_owned(),
            };
            return Err(DataError::Unknown {
                path: path.into(),
                name: name.clone(),
                near,
            });
        }
        let columns: Vec<Option<usize>> = names.iter().map(|n| self.column(n)).collect();
        let missing: Vec<String> = names
            .iter()
            .zip(&columns)
            .filter(|(_, c)| c.is_none())
            .map(|(n, _)| n.clone())
            .collect();
        if !missing.is_empty() {
            return Err(DataError::Missing {
                path: path.into(),
                names: missing,
            });
        }
        Ok(columns.into_iter().flatten().collect())
    }

    /// The numbers of these columns, row by row; NaN for an empty cell, where cells may be.
    pub(super) fn take(
        &self,
        columns: &[usize],
        may_be_empty: bool,
        path: &str,
    ) -> Result<Vec<f32>, DataError> {
        let odd = columns
            .iter()
            .filter_map(|c| Some((*c, self.odd[*c].as_ref()?)))
            .filter(|(_, odd)| !(may_be_empty && odd.empty))
            .min_by_key(|(_, odd)| odd.line);
        if let Some((column, odd)) = odd {
            let column = match &self.names {
                Some(names) => format!("column `{}`", names[column]),
                None => format!("column {}", column + 1),
            };
            return Err(DataError::Csv {
                path: path.into(),
                line: odd.line,
                what: format!("{column}: {}", odd.what),
            });
        }
        let rows = self.cells.chunks_exact(self.columns.max(1));
        Ok(rows.flat_map(|r| columns.iter().map(|c| r[*c])).collect())
    }

    /// See [`Data::remarks`](super::Data::remarks).
    pub(super) fn remarks(&self, names: &[String], others: &[String]) -> Vec<String> {
        let mut remarks = Vec::new();
        let Some(header) = &self.names else {
            return remarks;
        };
        if self.is_index(0) {
            remarks.push(
                "the first column has no name, as pandas writes its index: it is left out \
                 (to_csv(…, index=False) does not write it)"
                    .into(),
            );
        }
        if names.is_empty() {
            let columns: Vec<&String> = self.candidates(others).map(|i| &header[i]).collect();
            let list = match columns.as_slice() {
                [first, .., last] if columns.len() > 4 => format!("`{first}` … `{last}`"),
                some => some
                    .iter()
                    .map(|n| format!("`{n}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            remarks.push(format!(
                "the model has no names of features to check the header against, so its columns \
                 are taken in the order of the file: {list} ([[inputs]] in a spec names them)"
            ));
        }
        remarks
    }
}
