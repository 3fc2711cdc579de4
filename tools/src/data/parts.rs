//! Tables of any length, part after part, in the memory of one part.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

#[cfg(feature = "columnar")]
use super::columns::Batches;
use super::csv::{self, PartOf};
use super::{Content, Data, DataError, another_format};

/// How many bytes of text make a part. A shorter file is read whole.
const PART: usize = 4 << 20;

/// A data file as parts that are each like a file of its own. CSV is read so, also packed by gzip and from
/// standard input, and with the cargo feature `columnar` Parquet and Arrow IPC; every other file is one
/// part.
#[derive(Debug)]
pub struct Parts(Source);

#[derive(Debug)]
enum Source {
    Whole(Option<Data>),
    Lines(Lines),
    #[cfg(feature = "columnar")]
    Batches(Batches),
}

/// The lines of a CSV file.
struct Lines {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    /// How many bytes are read at once.
    size: usize,
    part: PartOf,
    /// The header, if there is one.
    header: Vec<u8>,
    /// What was read and not handed on.
    left: Vec<u8>,
    /// Lines and rows that were handed on.
    lines: u64,
    rows: usize,
    done: bool,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("path", &self.path)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Parts {
    /// Opens a file; `-` is standard input. `records` says that fields may be texts and lists, for which
    /// columns of numbers are not enough.
    ///
    /// # Errors
    ///
    /// Those of [`Data::read`], as far as they show at the file's beginning.
    pub fn open(path: &Path, records: bool) -> Result<Self, DataError> {
        Self::open_by(path, records, PART)
    }

    /// With parts of so many bytes of text.
    fn open_by(path: &Path, records: bool, size: usize) -> Result<Self, DataError> {
        #[cfg(feature = "columnar")]
        if let Some(batches) = Batches::open(path, records)? {
            return Ok(Self(Source::Batches(batches)));
        }
        #[cfg(not(feature = "columnar"))]
        let _ = records;
        let is_input = path == Path::new("-");
        let whole = || Data::read(path).map(|data| Self(Source::Whole(Some(data))));
        if !is_input && !path.is_file() {
            // Whatever is wrong with it, or special about it, is found where files are read whole.
            return whole();
        }
        let failed = |error| DataError::Io {
            path: path.display().to_string(),
            error,
        };
        let mut input: Box<dyn Read + Send> = if is_input {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(failed)?)
        };
        let mut start = Vec::new();
        read_more(&mut input, size, &mut start).map_err(failed)?;
        if start.len() >= size && start.starts_with(b"\x1f\x8b") {
            let packed = Cursor::new(std::mem::take(&mut start)).chain(input);
            input = Box::new(flate2::read::MultiGzDecoder::new(packed));
            // Where it is damaged, that shows with the same words below.
            let _ = read_more(&mut input, size, &mut start);
        }
        if start.len() >= size
            && is_text(&start)
            && let Some((part, header)) = csv::begins(&start)
        {
            let header = start[..header].to_vec();
            return Ok(Self(Source::Lines(Lines {
                input,
                path: shown(path),
                size,
                part,
                header,
                left: start,
                lines: 0,
                rows: 0,
                done: false,
            })));
        }
        if is_input {
            let rest = super::at_most(Cursor::new(start).chain(input)).map_err(failed)?;
            let bytes = rest.ok_or_else(|| DataError::Endless {
                path: "standard input".into(),
                most: super::MOST,
            })?;
            let data = Data::from_bytes(path, bytes)?;
            return Ok(Self(Source::Whole(Some(data))));
        }
        whole()
    }

    /// Calls `take` with each part, while the next one is read on a thread of its own; `false` ends it.
    ///
    /// # Errors
    ///
    /// The first error, of reading or of `take`.
    pub fn each<E: From<DataError>>(
        self,
        mut take: impl FnMut(Data) -> Result<bool, E>,
    ) -> Result<(), E> {
        thread::scope(|scope| {
            // One part waits, one is worked on, one is read.
            let (send, receive) = sync_channel(1);
            scope.spawn(move || {
                for part in self {
                    // Nobody receives any more where the work has ended early.
                    if send.send(part).is_err() {
                        break;
                    }
                }
            });
            for part in receive {
                if !take(part?)? {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn shown(path: &Path) -> PathBuf {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.into()
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|b| **b == b'\n').count() as u64
}

/// Reads up to a part more.
fn read_more(input: &mut dyn Read, size: usize, to: &mut Vec<u8>) -> io::Result<usize> {
    input.take(size as u64).read_to_end(to)
}

/// Whether bytes begin as lines of text do that are no JSON.
fn is_text(start: &[u8]) -> bool {
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    let json =
        text.trim_ascii_start().starts_with(b"{") || text.trim_ascii_start().starts_with(b"[");
    let archive = [&b"\x93NUMPY"[..], b"PK", b"\x1f\x8b"];
    !json
        && !archive.iter().any(|a| start.starts_with(a))
        && another_format(start).is_none()
        && !start.contains(&0)
}

impl Lines {
    /// The next part; `None` behind the last.
    fn part(&mut self) -> Option<Result<Data, DataError>> {
        let path = self.path.display().to_string();
        let failed = |error| DataError::Io {
            path: path.clone(),
            error,
        };
        // As many whole lines as there are: the last that was read may go on.
        let mut end = None;
        while !self.done && end.is_none() {
            match read_more(&mut self.input, self.size, &mut self.left) {
                Ok(0) => self.done = true,
                Ok(_) => end = csv::last_line(&self.left, self.part),
                Err(e) => {
                    self.done = true;
                    self.left.clear();
                    return Some(Err(failed(e)));
                }
            }
        }
        let rest = self.left.split_off(end.unwrap_or(self.left.len()));
        let mut bytes = std::mem::replace(&mut self.left, rest);
        if bytes.trim_ascii().is_empty() {
            return None;
        }
        let lines = newlines(&bytes);
        let mut part = self.part;
        part.before = self.lines;
        if self.rows > 0 && part.header {
            bytes.splice(..0, self.header.iter().copied());
            part.before = part.before.saturating_sub(newlines(&self.header));
        }
        self.lines += lines;
        Some(self.data(bytes, part, &path))
    }

    fn data(&mut self, bytes: Vec<u8>, part: PartOf, path: &str) -> Result<Data, DataError> {
        let text = String::from_utf8(bytes).ok().filter(|t| !t.contains('\0'));
        let text = text.ok_or_else(|| DataError::Format {
            path: path.into(),
            what: format!("is no text behind line {}", part.before + 1),
        })?;
        let csv = csv::parse_part(&text, path, Some(part))?;
        let before = self.rows;
        self.rows += csv.rows();
        Ok(Data {
            path: self.path.clone(),
            content: Content::Csv(csv),
            before,
        })
    }
}

impl Iterator for Parts {
    type Item = Result<Data, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Whole(data) => data.take().map(Ok),
            Source::Lines(lines) => lines.part(),
            #[cfg(feature = "columnar")]
            Source::Batches(batches) => batches.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// The parts of a text in a file, at most so long.
    fn parts(text: &[u8], size: usize) -> Result<Vec<Data>, DataError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        Parts::open_by(file.path(), false, size)?.collect()
    }

    fn whole(text: &[u8]) -> Result<Data, DataError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        Data::read(file.path())
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    /// Rows with names that have separators, quotes and ends of lines in them.
    fn table(header: &str, separator: char, end: &str, rows: usize, last: bool) -> String {
        let mut text = String::from(header);
        for row in 0..rows {
            let number = (row * 37 % 101) as f32 / 8.0 - 5.0;
            text += &format!("{row}{separator}{number}{separator}{}", -number);
            text += if last || row + 1 < rows { end } else { "" };
        }
        text
    }

    #[test]
    fn parts_hold_the_rows_of_the_whole() {
        let tables = [
            table("a,b,\"c\"\n", ',', "\n", 300, true),
            table(
                "\u{feff}a;b;\"c\n; of two lines\"\r\n",
                ';',
                "\r\n",
                300,
                false,
            ),
            table("", '\t', "\n", 300, false),
            table("", ',', "\r\n", 300, true),
        ];
        for text in &tables {
            let expected = whole(text.as_bytes())
                .unwrap()
                .features(3, &[], &[])
                .unwrap();
            assert_eq!(expected.len(), 300);
            for size in [64, 100, 1000, 3333, 1 << 20] {
                for bytes in [text.as_bytes().to_vec(), packed(text.as_bytes())] {
                    let parts = parts(&bytes, size).unwrap();
                    assert_eq!(parts.len() > 1, bytes.len() >= size && text.len() > size);
                    let mut rows = Vec::new();
                    for part in &parts {
                        assert_eq!(part.before * 3, rows.len());
                        rows.extend(part.features(3, &[], &[]).unwrap().data);
                    }
                    assert_eq!(rows, expected.data, "parts of {size}: {text:.40}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_found_in_the_same_line() {
        let good = table("a,\"b\nand more\",c\n", ',', "\n", 100, true);
        for bad in ["1,x,2\n", "1,2\n", "1,,3\n", "1,2,3,4\n"] {
            let text = format!("{good}{bad}{}", table("", ',', "\n", 100, true));
            let say = |data: Result<Vec<Data>, DataError>| {
                let error = data.and_then(|parts| {
                    parts
                        .iter()
                        .try_for_each(|p| p.features(3, &[], &[]).map(drop))
                });
                let text = error.unwrap_err().to_string();
                text.split_once(": ").unwrap().1.to_owned()
            };
            let expected = say(whole(text.as_bytes()).map(|d| vec![d]));
            assert!(expected.starts_with("line 103: "), "{expected}");
            for size in [64, 500, 2000] {
                assert_eq!(
                    say(parts(text.as_bytes(), size)),
                    expected,
                    "parts of {size}"
                );
            }
        }
    }

    /// Whatever is no CSV is read whole, and refused in the same words.
    #[test]
    fn other_files_are_one_part() {
        let json = "{\"a\": 1}\n".repeat(100);
        assert_eq!(parts(json.as_bytes(), 64).unwrap().len(), 1);
        let mut nothing = vec![b'a'; 200];
        nothing[10] = 0;
        let error = |r: Result<Data, DataError>| r.unwrap_err().to_string();
        let words = |e: String| e.split_once(": ").unwrap().1.to_owned();
        let found = parts(&nothing, 64).map(|mut p| p.remove(0));
        assert_eq!(words(error(found)), words(error(whole(&nothing))));
        // Text that stops being text in a later part.
        let mut text = table("a,b,c\n", ',', "\n", 100, true).into_bytes();
        text.extend(b"1,2,\xff\n");
        let found = error(parts(&text, 64).map(|mut p| p.remove(0)));
        assert!(found.contains("is no text behind line"), "{found}");
    }
}
