//! What commands print and write.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
pub(super) use mmoe_tools::text::grouped;
use tempfile::NamedTempFile;

/// Writes to standard output. A reader that has gone away, such as `head`, is no error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e).context("standard output"),
        _ => Ok(()),
    }
}

/// A file that comes into being whole, by [`Pending::keep`], or not at all.
#[derive(Debug)]
pub(super) struct Pending {
    file: NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// Writes everything beside `path`.
    pub(super) fn write(
        path: &Path,
        write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>,
    ) -> Result<Self> {
        if path.is_dir() {
            bail!("{}: is a directory; name a file in it", path.display());
        }
        if path.exists() && !path.is_file() {
            bail!(
                "{}: is no regular file, and only such a file can be put in its place whole",
                path.display()
            );
        }
        // What a link points at is replaced, not the link.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let failed = || {
            format!(
                "{}: cannot be written (nothing was left behind)",
                path.display()
            )
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".mmoe-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder).with_context(failed)?;
        let mut buffered = BufWriter::new(file.as_file_mut());
        write(&mut buffered)
            .and_then(|()| Ok(buffered.flush()?))
            .with_context(failed)?;
        drop(buffered);
        file.as_file().sync_all().with_context(failed)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Where the bytes are for now.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Puts the file in its place.
    pub(super) fn keep(self) -> Result<()> {
        self.file
            .persist(&self.path)
            .map(drop)
            .map_err(|e| e.error)
            .with_context(|| format!("{}: cannot be written", self.path.display()))
    }
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    Pending::write(path, |to| Ok(to.write_all(bytes)?))?.keep()
}

/// A bar on standard error, if that is a terminal. It shows itself only when the work takes longer
/// than a moment.
pub(super) fn progress(what: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.with_message(what)
}

/// Columns of text: the first to the left, the others to the right.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that stand to the left.
    left: usize,
}

impl Table {
    /// A table whose first `left` columns are words.
    pub(super) fn new(left: usize, header: &[&str]) -> Self {
        Self {
            rows: vec![header.iter().map(|h| (*h).to_owned()).collect()],
            left,
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The text, each line behind `indent`.
    pub(super) fn text(&self, indent: &str) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows
                .iter()
                .filter_map(|r| r.get(c))
                .map(|s| s.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::from(indent);
            for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if c == 0 { "" } else { "  " };
                let _ = if c < self.left {
                    write!(line, "{gap}{cell:width$}")
                } else {
                    write!(line, "{gap}{cell:>width$}")
                };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// `1 row`, `2 rows`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!(
        "{} {what}{}",
        grouped(n as u64),
        if n == 1 { "" } else { "s" }
    )
}

/// Six significant digits, for people.
pub(super) fn short(v: f64) -> String {
    let size = v.abs();
    if v == 0.0 || (1e-3..1e6).contains(&size) {
        let digits = if size >= 1.0 {
            5 - (size.log10() as usize).min(5)
        } else {
            6
        };
        format!("{v:.digits$}")
    } else {
        format!("{v:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, short};

    #[test]
    fn numbers_for_people() {
        assert_eq!(short(0.123_456_78), "0.123457");
        assert_eq!(short(-12.345_678), "-12.3457");
        assert_eq!(short(1.5e-7), "1.500e-7");
        assert_eq!(short(f64::NAN), "NaN");
    }

    #[test]
    fn tables_line_up() {
        let mut t = Table::new(1, &["task", "auc"]);
        t.row(vec!["a".into(), "0.5".into()]);
        assert_eq!(t.text("  "), "  task  auc\n  a     0.5\n");
    }
}
