//! Fields that are one-hot columns.

use super::Reader;
use crate::error::ModelError;
use crate::front::Given;
use crate::front::build::{Keys, Lookup, Match};
use crate::plan::fields::MakesPlan;

impl Reader<'_> {
    /// One column for each value; of a list, those of its items are 1.
    pub(super) fn hot(&self, given: Given) -> Result<MakesPlan, ModelError> {
        let raw = self.raw;
        for (key, said) in [
            ("rows", raw.rows.is_some()),
            ("pool", raw.pool.is_some()),
            ("empty", raw.empty.is_some()),
        ] {
            if said {
                return self.wrong(
                    &format!("`{key}` belongs to an embedding"),
                    "the columns of a list's items are 1, and those of an empty list are 0: remove it",
                );
            }
        }
        if let Some(values) = &self.values {
            return self.named(given, values);
        }
        if raw.columns.is_some() {
            return self.wrong(
                "`columns` without the names of the columns",
                "write [order] with columns = \"columns.json\": the names of all columns of the \
                 vector, in their order (list(frame.columns))",
            );
        }
        let (mut lookup, _) = self.lookup(given)?;
        let count = match (&mut lookup.keys, raw.count) {
            (Keys::Rows(ids), Some(count)) => {
                *ids = count;
                count
            }
            (Keys::Rows(_), None) => {
                return self.needs(
                    "count",
                    "how many columns training had for it, one for each id from 0 on: count = 24; or \
                     a vocabulary of the ids",
                );
            }
            // As many columns as buckets: that of missing values is one of theirs.
            (Keys::Buckets(_, rows), Some(count)) if rows.len() == count => {
                *rows = (0..count).map(Some).collect();
                count
            }
            (_, Some(count)) => count,
            (_, None) => lookup.rows().iter().max().map_or(0, |last| last + 1),
        };
        if let Some(row) = lookup.rows().iter().find(|row| **row >= count) {
            return self.wrong(
                &format!("a column {row}, and there are {count}"),
                "columns count from 0, those of the vocabulary in its order: correct `count`, \
                 `missing` or `other`",
            );
        }
        Ok(MakesPlan::Hot(lookup, count))
    }

    /// Columns that were named for their values.
    fn named(&self, given: Given, values: &[String]) -> Result<MakesPlan, ModelError> {
        let raw = self.raw;
        for (key, said) in [
            ("vocabulary", raw.vocabulary.is_some()),
            ("buckets", raw.buckets.is_some()),
            ("hash", raw.hash.is_some()),
            ("count", raw.count.is_some()),
        ] {
            if said {
                return self.wrong(
                    &format!("`{key}` stands beside the names of columns"),
                    "the names hold the values: remove it, or `columns` from [order]",
                );
            }
        }
        let keys = values.iter().cloned().zip((0..).map(Some)).collect();
        let keys = match given {
            Given::Text => Keys::Texts(keys, self.matched()?),
            Given::Id => self.ids(keys)?,
            Given::F32 | Given::I32 => {
                return self.wrong(
                    &format!("one-hot columns of what is given as {}", given.name()),
                    "write given = \"text\" or \"id\"",
                );
            }
        };
        if let Keys::Texts(tokens, Match::Named) = &keys {
            self.variants(tokens)?;
        }
        // As `get_dummies` does it, unless somebody says otherwise: no column is 1.
        let lookup = Lookup {
            keys,
            other: self.special("other", raw.other.as_ref())?,
            missing: Some(self.special("missing", raw.missing.as_ref())?),
        };
        self.checked(&lookup)?;
        Ok(MakesPlan::Hot(lookup, values.len()))
    }
}
