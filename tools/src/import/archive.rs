//! Zip archives whose members are read within a budget of memory.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::Reason;
use super::collect::Budget;

/// A zip archive in memory.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    names: Vec<String>,
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Reason> {
        // An archive is known by its first bytes, so nothing stands in front of it. Said to the zip
        // library, as it would guess: it takes the directory to end where its last record begins,
        // and is wrong where a zip64 record of 76 bytes stands between and the first header is just
        // as long, which it is for a name of 30 characters (`mmoe-formats.compiled/data.pkl`).
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let zip = ZipArchive::with_config(config, Cursor::new(bytes)).map_err(|e| {
            damaged(format_args!(
                "its list of members, which stands at its end, is broken or cut off ({e})"
            ))
        })?;
        if zip.has_duplicate_names() {
            return Err(damaged("two of its members have the same name"));
        }
        let names = (0..zip.len())
            .map(|i| match zip.name_for_index(i) {
                Some(Ok(name)) => Ok(name.into_owned()),
                Some(Err(e)) => Err(damaged(e)),
                None => Err(damaged("its directory is incomplete")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Archive { zip, names })
    }

    /// The members' names, in the archive's order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// One member's content, booked in `budget`. Its checksum has been verified.
    pub(super) fn read(&mut self, name: &str, budget: &mut Budget) -> Result<Vec<u8>, Reason> {
        let member = self
            .zip
            .by_name(name)
            .map_err(|e| damaged(format_args!("member `{name}`: {e}")))?;
        let claimed = member.size();
        budget.take(claimed, &format!("member `{name}`"))?;
        // The claim is checked against what comes out: a member may not grow past it, and nothing
        // is allocated for bytes that never come.
        let mut out = Vec::new();
        let room = budget.left();
        out.try_reserve_exact(claimed as usize)
            .map_err(|_| damaged(format_args!("member `{name}` is too large")))?;
        member
            .take(claimed.saturating_add(1).min(claimed + room as u64))
            .read_to_end(&mut out)
            .map_err(|e| damaged(format_args!("member `{name}`: {e}")))?;
        if out.len() as u64 != claimed {
            return Err(damaged(format_args!(
                "member `{name}` has {} bytes instead of the {claimed} it claims",
                out.len()
            )));
        }
        Ok(out)
    }
}

fn damaged(reason: impl ToString) -> Reason {
    Reason::damaged("zip", reason)
}
