//! Writing files whole or not at all, and never over what a command reads.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use same_file::is_same_file;
use tempfile::NamedTempFile;

/// Links that point at links are followed so often, as the system does.
const LINKS: usize = 40;

/// Where a command writes. Made before the work begins, so that a place that will not do costs
/// nobody any time.
#[derive(Debug)]
pub(crate) struct Target {
    /// What a link points at is replaced, not the link.
    path: PathBuf,
}

impl Target {
    /// Refuses a place that is no file, and one that would take the place of what the command
    /// reads: `inputs` are its files, each with what it is called, such as `the weights`.
    pub(crate) fn new<'p>(
        path: &Path,
        inputs: impl IntoIterator<Item = (&'static str, &'p Path)>,
    ) -> Result<Self> {
        let shown = path.display();
        if path == Path::new("-") {
            bail!("-: this is written to a file only; name one with -o");
        }
        if path.is_dir() {
            bail!("{shown}: is a directory; name a file in it");
        }
        if path.exists() && !path.is_file() {
            bail!(
                "{shown}: is no regular file, and only such a file can be put in its place whole"
            );
        }
        for (what, input) in inputs {
            if is_same_file(path, input).unwrap_or(false) {
                bail!(
                    "{shown}: the output would take the place of {what} ({}); name another file",
                    input.display()
                );
            }
        }
        let path = resolved(path)?;
        let folder = folder(&path);
        if !folder.is_dir() {
            bail!(
                "{shown}: cannot be written: there is no folder {}; make it first, or name another \
                 place",
                folder.display()
            );
        }
        Ok(Self { path })
    }

    /// Its path, for messages.
    pub(crate) fn shown(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Writes everything beside the place.
    pub(crate) fn pending(&self, bytes: &[u8]) -> Result<Pending> {
        self.pending_as(bytes, 0o666)
    }

    /// The same, for these permissions less what the user's mask takes away.
    fn pending_as(&self, bytes: &[u8], mode: u32) -> Result<Pending> {
        let shown = self.path.display();
        self.pending_by(mode, |file| {
            file.write_all(bytes)
                .with_context(|| format!("{shown}: cannot be written (nothing was left behind)"))
        })
    }

    /// The same, of what `fill` writes.
    fn pending_by(
        &self,
        mode: u32,
        fill: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<Pending> {
        let failed = || {
            format!(
                "{}: cannot be written (nothing was left behind)",
                self.path.display()
            )
        };
        // Without the temporary file's name, which nobody has asked for.
        let plain = |e: io::Error| io::Error::from(e.kind());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".mmoe-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        #[cfg(not(unix))]
        let _ = mode;
        let mut file = interrupts::unfinished(|| builder.tempfile_in(folder(&self.path)))
            .map_err(plain)
            .with_context(failed)?;
        let mut buffered = BufWriter::new(file.as_file_mut());
        fill(&mut buffered)?;
        let written = buffered.flush();
        drop(buffered);
        written
            .and_then(|()| file.as_file().sync_all())
            .with_context(failed)?;
        // What stands there now may have been closed to others on purpose.
        if let Ok(old) = std::fs::metadata(&self.path) {
            file.as_file()
                .set_permissions(old.permissions())
                .with_context(failed)?;
        }
        Ok(Pending {
            file,
            path: self.path.clone(),
        })
    }

    /// Writes a new file whole or not at all, for its owner alone from the first byte on. One that has
    /// come into being meanwhile stays.
    pub(crate) fn write_secret(&self, bytes: &[u8]) -> Result<()> {
        self.pending_as(bytes, 0o600)?.keep_new()
    }

    /// Writes the file whole or not at all.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        self.pending(bytes)?.keep()
    }

    /// The same, of what `fill` writes bit by bit.
    pub(crate) fn write_by(&self, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        self.pending_by(0o666, fill)?.keep()
    }
}

/// What a path leads to, also where nothing is there yet.
fn resolved(path: &Path) -> Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        match std::fs::read_link(&at) {
            Ok(to) => at = folder(&at).join(to),
            Err(_) => return Ok(at),
        }
    }
    bail!("{}: its links go round in a circle", path.display())
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A file that comes into being whole, by [`Pending::keep`], or not at all.
#[derive(Debug)]
pub(crate) struct Pending {
    file: NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// Where the bytes are for now.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Puts the file in its place.
    pub(crate) fn keep(self) -> Result<()> {
        let done = self.file.persist(&self.path);
        Self::kept(done, &self.path)
    }

    /// Puts the file in its place, which must still be free.
    fn keep_new(self) -> Result<()> {
        let done = self.file.persist_noclobber(&self.path);
        Self::kept(done, &self.path)
    }

    fn kept(done: Result<std::fs::File, tempfile::PersistError>, path: &Path) -> Result<()> {
        let done = done
            .map(drop)
            .map_err(|e| e.error)
            .with_context(|| format!("{}: cannot be written", path.display()));
        interrupts::finished();
        done
    }
}

/// A command that is interrupted takes its unfinished file along.
mod interrupts {
    use std::io;
    use std::path::PathBuf;
    use std::sync::{Mutex, MutexGuard, Once, PoisonError};

    use tempfile::NamedTempFile;

    /// The file to remove if a signal ends the program.
    static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);
    static LISTENING: Once = Once::new();

    fn lock() -> MutexGuard<'static, Option<PathBuf>> {
        UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a file that a signal removes. The lock is held meanwhile, so that there is no moment
    /// in which the file is there and nobody knows of it.
    pub(super) fn unfinished(
        make: impl FnOnce() -> io::Result<NamedTempFile>,
    ) -> io::Result<NamedTempFile> {
        LISTENING.call_once(listen);
        let mut unfinished = lock();
        let file = make()?;
        *unfinished = Some(file.path().to_owned());
        Ok(file)
    }

    /// The file is in its place.
    pub(super) fn finished() {
        *lock() = None;
    }

    #[cfg(unix)]
    fn listen() {
        use signal_hook::consts::{SIGINT, SIGTERM};
        // Where signals cannot be had, a signal leaves the file behind, as it always may.
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else {
            return;
        };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                // Held to the end: no other file comes into being.
                let mut unfinished = lock();
                if let Some(file) = unfinished.take() {
                    let _ = std::fs::remove_file(file);
                }
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
    }

    #[cfg(not(unix))]
    fn listen() {}
}
