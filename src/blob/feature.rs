//! The records of a front end: what a feature reads, how that becomes a code, and what the code becomes.

use super::codes::{CoderKind, Given, Makes, PrecisionKind};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// One feature of a front end, 24 bytes: from a field of the caller's record to elements of the vector
/// that the trunk reads.
///
/// The records are the content of the section
/// [`SectionTag::Features`](super::SectionTag::Features), in the order of their elements and of their
/// weights.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct FeatureRecord {
    /// The code of a [`Given`]; [`LIST`](Self::LIST) is added where the field is a list of them.
    pub given: u8,
    /// The code of a [`CoderKind`]; [`MAYBE`](Self::MAYBE) is added where the field may be missing.
    pub coder: u8,
    /// The code of a [`Makes`].
    pub makes: u8,
    /// The code of a [`PrecisionKind`]: of the rows; of a number or a slot F32 or I16.
    pub precision: u8,
    /// How many elements it makes.
    pub width: U16,
    /// The most items of a list; 1 for a field that is none.
    pub items: u8,
    /// [`CANDIDATE`](Self::CANDIDATE), [`KEEP_LAST`](Self::KEEP_LAST), [`LOG1P`](Self::LOG1P),
    /// [`LOG10`](Self::LOG10), [`CLIP`](Self::CLIP), [`REPEATS`](Self::REPEATS).
    pub flags: u8,
    /// Which field of the record it reads, from 0: the next one, or one that an earlier feature reads.
    pub field: u8,
    /// Whose coder and rows it reads: its own number, or that of an earlier feature.
    pub table: u8,
    /// Zero.
    pub reserved: U16,
    /// How many entries the coder has; 0 for numbers.
    pub entries: U32,
    /// How many rows the table has; 0 where there is none.
    pub rows: U32,
    /// How many bytes of text the coder stores; 0 for all but [`CoderKind::Exact`].
    pub text: U32,
}

/// Where the parts of a feature's weights lie. Each is a multiple of 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureBytes {
    /// What is the feature's own: the numbers of a number, or the first column of a slot.
    pub own: usize,
    /// The coder, behind it.
    pub coder: usize,
    /// The rows, behind the coder.
    pub rows: usize,
}

impl FeatureBytes {
    /// Returns the bytes of all parts; `None` where there are more than addresses.
    #[must_use]
    pub const fn total(&self) -> Option<usize> {
        match self.own.checked_add(self.coder) {
            Some(bytes) => bytes.checked_add(self.rows),
            None => None,
        }
    }
}

impl FeatureRecord {
    /// Added to `given` where the field is a list.
    pub const LIST: u8 = 128;
    /// Added to `coder` where the field may be missing.
    pub const MAYBE: u8 = 64;
    /// A flag: the field belongs to the candidate, not to the context that many candidates share.
    pub const CANDIDATE: u8 = 1;
    /// A flag: of a list that is too long the last items count, not the first.
    pub const KEEP_LAST: u8 = 2;
    /// A flag: the number becomes `ln(1 + x)`.
    pub const LOG1P: u8 = 4;
    /// A flag: the number becomes `log10(x)` above a threshold.
    pub const LOG10: u8 = 8;
    /// A flag: the number is clipped first.
    pub const CLIP: u8 = 16;
    /// A flag: of a list of slots each item counts, also where another one has the same code.
    pub const REPEATS: u8 = 32;

    /// How many bytes a record has.
    pub const SIZE: usize = size_of::<Self>();

    /// The record in its place: it reads this field, and the coder and the rows of that feature.
    #[must_use]
    pub const fn at(mut self, field: u8, table: u8) -> Self {
        self.field = field;
        self.table = table;
        self
    }

    /// What the field is, or what a list of it consists of; `None` for a code that this version does
    /// not know.
    #[must_use]
    pub const fn given(&self) -> Option<Given> {
        Given::from_code(self.given & !Self::LIST)
    }

    /// Whether the field is a list.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        self.given & Self::LIST != 0
    }

    /// How the field becomes a code; `None` for a code that this version does not know.
    #[must_use]
    pub const fn coder(&self) -> Option<CoderKind> {
        CoderKind::from_code(self.coder & !Self::MAYBE)
    }

    /// Whether the field may be missing.
    #[must_use]
    pub const fn may_be_missing(&self) -> bool {
        self.coder & Self::MAYBE != 0
    }

    /// What the code becomes; `None` for a code that this version does not know.
    #[must_use]
    pub const fn makes(&self) -> Option<Makes> {
        Makes::from_code(self.makes)
    }

    /// The precision of the rows; `None` for a code that this version does not know.
    #[must_use]
    pub const fn precision(&self) -> Option<PrecisionKind> {
        PrecisionKind::from_code(self.precision)
    }

    /// Whether the flag is set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// How many elements a row of the table has; 0 where there is no table.
    #[must_use]
    pub const fn row_width(&self) -> usize {
        let width = self.width.get() as usize;
        match self.makes() {
            Some(Makes::Row | Makes::Sum | Makes::Mean | Makes::Max) => width,
            Some(Makes::Rows) => match width.checked_div(self.items as usize) {
                Some(width) => width,
                None => 0,
            },
            Some(Makes::Number | Makes::Slot) | None => 0,
        }
    }

    /// Whether it reads the coder and the rows of another feature. `at` is its own number.
    #[must_use]
    pub const fn shares(&self, at: usize) -> bool {
        self.table as usize != at
    }

    /// Returns the bytes of its weights in a model whose activations are integers or not; `at` is its
    /// own number. `None` where the format does not allow the record: unknown codes, codes that do not
    /// go together, or a size of 0.
    #[must_use]
    pub const fn bytes(&self, at: usize, integer: bool) -> Option<FeatureBytes> {
        let (Some(makes), Some(given), Some(precision)) =
            (self.makes(), self.given(), self.precision())
        else {
            return None;
        };
        if !self.lists_fit(makes) || !self.flags_fit(makes) || self.reserved.get() != 0 {
            return None;
        }
        let element = match (precision, integer) {
            (PrecisionKind::F32, false) | (PrecisionKind::I16, true) => true,
            (PrecisionKind::W8, false) | (PrecisionKind::I8, true) => false,
            _ => return None,
        };
        let own = match makes {
            Makes::Number => match self.number_bytes(given, integer) {
                Some(bytes) if element && !self.shares(at) => bytes,
                _ => return None,
            },
            Makes::Slot if element && self.rows.get() == 0 => 4,
            Makes::Slot => return None,
            Makes::Row | Makes::Sum | Makes::Mean | Makes::Max | Makes::Rows => 0,
        };
        let (Some(coder), Some(rows)) = (self.coder_bytes(given), self.row_bytes(precision)) else {
            return None;
        };
        Some(if self.shares(at) {
            FeatureBytes {
                own,
                coder: 0,
                rows: 0,
            }
        } else {
            FeatureBytes { own, coder, rows }
        })
    }

    /// Whether lists stand where they may, and whether the width is that of what is made.
    const fn lists_fit(&self, makes: Makes) -> bool {
        let (items, width) = (self.items as usize, self.width.get() as usize);
        let list = match makes {
            Makes::Number | Makes::Row => false,
            Makes::Slot => self.is_list(),
            Makes::Sum | Makes::Mean | Makes::Max | Makes::Rows => true,
        };
        let wide = match makes {
            Makes::Number => width == 1,
            // One element each.
            Makes::Slot => width == items,
            Makes::Row | Makes::Sum | Makes::Mean | Makes::Max => width > 0,
            Makes::Rows => width > 0 && matches!(width.checked_rem(items), Some(0)),
        };
        list == self.is_list() && wide && (if list { items > 0 } else { items == 1 })
    }

    const fn flags_fit(&self, makes: Makes) -> bool {
        let mut allowed = Self::CANDIDATE;
        if self.is_list() {
            allowed |= Self::KEEP_LAST;
        }
        match makes {
            Makes::Number => allowed |= Self::LOG1P | Self::LOG10 | Self::CLIP,
            Makes::Slot if self.is_list() => allowed |= Self::REPEATS,
            _ => {}
        }
        let both = Self::LOG1P | Self::LOG10;
        self.flags & !allowed == 0 && self.flags & both != both
    }

    /// Bytes of a number: what clips it, what its logarithm needs, what stands for a missing one, and in
    /// integer models its offset and scale.
    const fn number_bytes(&self, given: Given, integer: bool) -> Option<usize> {
        let scale = if integer { 8 } else { 0 };
        match (given, self.may_be_missing()) {
            (Given::F32, false) => {
                let clip = if self.has(Self::CLIP) { 8 } else { 0 };
                let log = if self.has(Self::LOG10) { 8 } else { 0 };
                Some(clip + log + 4 + scale)
            }
            (Given::I32, maybe) if self.flags & !Self::CANDIDATE == 0 => {
                Some(if maybe { 4 + scale } else { scale })
            }
            _ => None,
        }
    }

    /// Bytes of the coder, with what stands for a missing field.
    const fn coder_bytes(&self, given: Given) -> Option<usize> {
        let (n, text) = (self.entries.get() as usize, self.text.get() as usize);
        let Some(coder) = self.coder() else {
            return None;
        };
        let number = matches!(self.makes(), Some(Makes::Number));
        if matches!(coder, CoderKind::Number) {
            return if number && n == 0 && text == 0 && self.rows.get() == 0 {
                Some(0)
            } else {
                None
            };
        }
        if number || n == 0 || (text != 0 && !matches!(coder, CoderKind::Exact)) {
            return None;
        }
        let Some(words) = n.checked_mul(4) else {
            return None;
        };
        let hashed = matches!(given, Given::U32 | Given::I32 | Given::Text);
        let bytes = match (coder, given) {
            (CoderKind::Direct, Given::U32) => Some(4),
            (CoderKind::Sorted, Given::U32) => words.checked_add(4),
            (CoderKind::Texts, Given::Text) => words.checked_add(8),
            (CoderKind::Exact, Given::Text) if text <= 0xffff => {
                // The tokens' ends are 16 bits each, and the tokens follow them.
                let Some(ends) = n.checked_mul(2) else {
                    return None;
                };
                sum(sum(words.checked_add(8), Some(ends)), Some(text))
            }
            (CoderKind::Buckets, Given::F32 | Given::I32) => Some(words),
            (CoderKind::Farm | CoderKind::Murmur, _) if hashed => Some(0),
            (CoderKind::Sip, _) if hashed => Some(16),
            _ => None,
        };
        let missing = if self.may_be_missing() { 4 } else { 0 };
        padded(sum(bytes, Some(missing)))
    }

    /// Bytes of the rows.
    const fn row_bytes(&self, precision: PrecisionKind) -> Option<usize> {
        let rows = self.rows.get() as usize;
        let width = self.row_width();
        if width == 0 {
            return if rows == 0 { Some(0) } else { None };
        }
        if rows == 0 {
            return None;
        }
        let Some(cells) = rows.checked_mul(width) else {
            return None;
        };
        match precision {
            PrecisionKind::F32 => cells.checked_mul(4),
            // The scale or the shift stands in front.
            PrecisionKind::W8 | PrecisionKind::I8 => padded(cells.checked_add(4)),
            PrecisionKind::I16 => padded(cells.checked_mul(2)),
        }
    }

    /// Whether another feature may read the field that this one reads.
    pub(super) fn reads_alike(&self, other: &Self) -> bool {
        self.given == other.given
            && self.may_be_missing() == other.may_be_missing()
            && self.has(Self::CANDIDATE) == other.has(Self::CANDIDATE)
    }

    /// Whether it may read the coder and the rows of `owner`, which is number `table` and earlier.
    pub(super) fn may_share(&self, owner: &Self, table: usize) -> bool {
        let coder = |r: &Self| (r.given & !Self::LIST, r.coder, r.entries, r.text);
        let rows = |r: &Self| (r.precision, r.rows, r.row_width());
        !owner.shares(table)
            && coder(self) == coder(owner)
            && (self.row_width() == 0 || rows(self) == rows(owner))
    }
}

const fn sum(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => a.checked_add(b),
        _ => None,
    }
}

/// Up to a multiple of 4.
const fn padded(n: Option<usize>) -> Option<usize> {
    match n {
        Some(n) => n.checked_next_multiple_of(4),
        None => None,
    }
}
