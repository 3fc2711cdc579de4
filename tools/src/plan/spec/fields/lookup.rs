//! From values to rows: vocabularies, dense ids, buckets and hashes.

use toml::Spanned;

use super::super::raw::{self, Special};
use super::Reader;
use super::vocabulary::{self, Vocabulary};
use crate::codegen::camel;
use crate::error::ModelError;
use crate::front::build::{Keys, Lookup, Match};
use crate::front::{Bounds, By, Given, NONE};

/// More variants than a person reads.
const MOST_VARIANTS: usize = 64;

impl Reader<'_> {
    /// From the values of a field that is no number to rows, and whether these are all rows that its
    /// table may have.
    pub(super) fn lookup(&self, given: Given) -> Result<(Lookup, bool), ModelError> {
        let raw = self.raw;
        let sources = [
            ("vocabulary", raw.vocabulary.is_some()),
            ("buckets", raw.buckets.is_some()),
            ("hash", raw.hash.is_some()),
        ];
        let said: Vec<&str> = sources.iter().filter(|s| s.1).map(|s| s.0).collect();
        if let [one, other, ..] = said.as_slice() {
            return self.wrong(
                &format!("`{one}` stands beside `{other}`"),
                "each makes a code: keep one of them",
            );
        }
        if raw.match_by.is_some() && (given != Given::Text || raw.vocabulary.is_none()) {
            return self.wrong("`match` belongs to a vocabulary of texts", "remove it");
        }
        if let Some(hash) = &raw.hash {
            return self.hash(given, hash);
        }
        if let Some(bounds) = &raw.buckets {
            return self.buckets(given, bounds);
        }
        match (&raw.vocabulary, given) {
            (Some(vocabulary), Given::Id | Given::Text) => self.vocabulary(given, vocabulary),
            (Some(_), _) => self.wrong(
                "a vocabulary of numbers",
                "write given = \"id\" or \"text\"; numbers that fall into ranges have `buckets`",
            ),
            (None, Given::Id) => self.dense(),
            (None, Given::Text) => self.needs(
                "vocabulary",
                "texts need one: a file (.json, .csv with token,index, .txt, .npz, .npy), or a \
                 list here; or hash = { kind = \"farm64\", buckets = 1000 }",
            ),
            (None, _) => self.needs(
                "buckets",
                "a number has a code where it falls into ranges: buckets = [18.0, 25.0]",
            ),
        }
    }

    /// Ids that are the rows' numbers.
    fn dense(&self) -> Result<(Lookup, bool), ModelError> {
        let lookup = Lookup {
            keys: Keys::Rows(0),
            other: self.special("other", self.raw.other.as_ref())?,
            missing: self.missing()?,
        };
        Ok((lookup, false))
    }

    fn hash(&self, given: Given, hash: &raw::Hash) -> Result<(Lookup, bool), ModelError> {
        if given == Given::F32 {
            return self.wrong(
                "a float is about to be hashed, and no two programs agree on its text",
                "bucketize it (`buckets`), or give text",
            );
        }
        if self.raw.other.is_some() {
            return self.wrong(
                "`other` beside a hash",
                "every value has a bucket: remove it",
            );
        }
        let n = hash.buckets;
        if n == 0 {
            return self.wrong("a hash into no bucket", "correct `buckets`");
        }
        let by = match (hash.kind.as_str(), hash.key) {
            ("farm64", None) => By::Farm(n),
            ("murmur3", None) => By::Murmur(n),
            ("sip24", Some(key)) => By::Sip(n, key),
            ("sip24", None) => {
                return self.wrong(
                    "sip24 without a key",
                    "write both numbers, key = [133, 137]; a salt s of Keras is key = [s, s]",
                );
            }
            (kind @ ("farm64" | "murmur3"), Some(_)) => {
                return self.wrong(&format!("{kind} has no key"), "remove it");
            }
            (other, _) => {
                return self.wrong(
                    &format!("hash kind = \"{other}\""),
                    "write \"farm64\" (TensorFlow, Keras without a salt), \"sip24\" (with key) or \
                     \"murmur3\" (scikit-learn)",
                );
            }
        };
        self.in_order(by)
    }

    fn buckets(&self, given: Given, bounds: &[f64]) -> Result<(Lookup, bool), ModelError> {
        if bounds.windows(2).any(|pair| pair[0] >= pair[1]) || bounds.iter().any(|b| b.is_nan()) {
            return self.wrong(
                "its bounds do not ascend",
                "write them from the lowest to the highest",
            );
        }
        if self.raw.other.is_some() {
            return self.wrong(
                "`other` beside buckets",
                "every number has a bucket: remove it",
            );
        }
        #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
        let by = match given {
            Given::F32 => By::Buckets(Bounds::F32(bounds.iter().map(|b| *b as f32).collect())),
            Given::I32 if bounds.iter().all(|b| b.fract() == 0.0 && b.abs() < 2e9) => {
                By::Buckets(Bounds::I32(bounds.iter().map(|b| *b as i32).collect()))
            }
            Given::I32 => {
                return self.wrong(
                    "bounds between whole numbers",
                    "a field that is given as i32 has whole bounds; x >= 2.5 is x >= 3",
                );
            }
            Given::Id | Given::Text => {
                return self.wrong(
                    &format!("buckets of what is given as {}", given.name()),
                    "write given = \"f32\" or \"i32\"",
                );
            }
        };
        self.in_order(by)
    }

    /// Buckets stand for the rows in order, that for missing values passed over.
    fn in_order(&self, by: By) -> Result<(Lookup, bool), ModelError> {
        let missing = self.missing()?;
        let rows = (0..).filter(|row| missing != Some(Some(*row)));
        let rows = rows.take(by.buckets()).map(Some).collect();
        let lookup = Lookup {
            keys: Keys::Buckets(by, rows),
            other: None,
            missing,
        };
        Ok((lookup, true))
    }

    fn vocabulary(
        &self,
        given: Given,
        named: &Spanned<raw::Tokens>,
    ) -> Result<(Lookup, bool), ModelError> {
        let place = self
            .spec
            .place(&format!("field `{}`", self.raw.name), named.span());
        let vocabulary = vocabulary::read(named.as_ref(), self.dir, &place)?;
        let Some(other) = &self.raw.other else {
            return self.needs(
                "other",
                "the row (or column) of a value that is not in the vocabulary: other = 1, or other = \
                 \"zero\" for zeros",
            );
        };
        let missing = self.missing()?;
        let other = self.special("other", Some(other))?;
        let listed = matches!(vocabulary, Vocabulary::Listed(_));
        let tokens: Vec<(String, Option<usize>)> = match vocabulary {
            Vocabulary::Listed(tokens) => {
                let special = [missing.flatten(), other];
                let free = (0..).filter(|row| !special.contains(&Some(*row)));
                tokens.into_iter().zip(free.map(Some)).collect()
            }
            Vocabulary::Indexed(tokens) => {
                let tokens = tokens.into_iter();
                tokens.map(|(token, row)| (token, Some(row))).collect()
            }
        };
        if tokens.is_empty() {
            return self.wrong("its vocabulary is empty", "correct `vocabulary`");
        }
        let keys = if given == Given::Text {
            Keys::Texts(tokens, self.matched()?)
        } else {
            self.ids(tokens)?
        };
        if let Keys::Texts(tokens, Match::Named) = &keys {
            self.variants(tokens)?;
        }
        let lookup = Lookup {
            keys,
            other,
            missing,
        };
        self.checked(&lookup)?;
        Ok((lookup, listed))
    }

    /// Tokens as ids.
    pub(super) fn ids(&self, tokens: Vec<(String, Option<usize>)>) -> Result<Keys, ModelError> {
        let id = |(token, row): (String, Option<usize>)| match token.parse() {
            Ok(id) => Ok((id, row)),
            Err(_) => self.wrong(
                &format!("`{token:.40}` in its vocabulary is no id"),
                "ids are whole numbers from 0 to 4294967295; write given = \"text\" for others",
            ),
        };
        tokens
            .into_iter()
            .map(id)
            .collect::<Result<_, _>>()
            .map(Keys::Ids)
    }

    /// Whether tokens are the names of an enumeration's variants.
    pub(super) fn variants(&self, tokens: &[(String, Option<usize>)]) -> Result<(), ModelError> {
        variants(tokens.iter().map(|(token, _)| token)).or_else(|what| {
            self.wrong(
                &what,
                "an enum has up to 64 values whose names are identifiers; write match = \"exact\" \
                 for others",
            )
        })
    }

    /// Whether each value stands once.
    pub(super) fn checked(&self, lookup: &Lookup) -> Result<(), ModelError> {
        lookup.check().or_else(|error| {
            let text = error.to_string();
            let (what, remedy) = text
                .split_once(": ")
                .unwrap_or((&text, "correct `vocabulary`"));
            self.wrong(what, remedy)
        })
    }

    /// How a device finds a token.
    pub(super) fn matched(&self) -> Result<Match, ModelError> {
        match self.raw.match_by.as_deref() {
            None => Ok(Match::default()),
            Some("exact") => Ok(Match::Exact),
            Some("hash") => Ok(Match::Hash),
            Some("enum") => Ok(Match::Named),
            Some(wrong) => self.wrong(
                &format!("match = \"{wrong}\""),
                "write \"enum\", which makes a Rust enum of it, \"exact\", which stores the tokens, or \
                 \"hash\", which stores 4 bytes for each and takes an unknown one for a known one once \
                 in 2^32 divided by the number of tokens",
            ),
        }
    }

    /// The row of a table that `key` names; `None` for a row of zeros.
    pub(super) fn special(
        &self,
        key: &str,
        value: Option<&Special>,
    ) -> Result<Option<usize>, ModelError> {
        match value {
            None => Ok(None),
            Some(Special::Index(i)) if u32::try_from(*i).is_ok_and(|i| i < NONE) => {
                Ok(usize::try_from(*i).ok())
            }
            Some(Special::Word(word)) if word == "zero" => Ok(None),
            Some(Special::Word(word)) if word == "error" => self.wrong(
                &format!("{key} = \"error\""),
                "a device has nobody to ask: name a row, or \"zero\" for a row of zeros",
            ),
            Some(_) => self.wrong(
                &format!("`{key}` is no row"),
                "write the number of a row of its table, from 0, or \"zero\" for a row of zeros",
            ),
        }
    }

    /// The row of a missing value, where a record may leave it out.
    fn missing(&self) -> Result<Option<Option<usize>>, ModelError> {
        let row = self.special("missing", self.raw.missing.as_ref())?;
        Ok(self.raw.missing.as_ref().map(|_| row))
    }
}

/// Whether tokens are the names of an enumeration's variants.
fn variants<'t>(tokens: impl ExactSizeIterator<Item = &'t String>) -> Result<(), String> {
    if tokens.len() > MOST_VARIANTS {
        return Err(format!("an enum of {} values", tokens.len()));
    }
    let is_name = |t: &str| {
        t.starts_with(|c: char| c.is_ascii_alphabetic())
            && t.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut seen = std::collections::HashSet::new();
    for token in tokens {
        if !is_name(token) {
            return Err(format!("`{token:.40}` is no name of a variant"));
        }
        if !seen.insert(camel(token)) {
            return Err(format!(
                "two values are called `{}` as variants",
                camel(token)
            ));
        }
    }
    Ok(())
}
