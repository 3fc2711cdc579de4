//! The rules of a front end.

use std::collections::HashSet;

use super::{Bounds, By, Coder, Front, Given, Makes, Pool};

/// What keeps a front end from being one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message explains its fields")]
pub enum FrontError {
    #[error(
        "token `{token}` stands twice in the vocabulary, at {first} and at {second}: leave one out"
    )]
    Twice {
        token: String,
        first: usize,
        second: usize,
    },
    #[error(
        "{0} tokens are more than hashes of 32 bits keep apart: give dense ids (`given = \"id\"`) \
         for a vocabulary of this size"
    )]
    TooManyTokens(usize),
    #[error("field `{field}`: {what}: {remedy}")]
    Field {
        field: String,
        what: String,
        remedy: String,
    },
    #[error("the model takes no field: a record needs one")]
    Empty,
}

/// The most items of a list, as a blob counts them.
const MOST_ITEMS: usize = 255;

impl Front {
    /// Checks that fields, tables and features go together, so that every record of the right kinds
    /// makes a vector and a blob can hold the front end.
    ///
    /// # Errors
    ///
    /// [`FrontError`], which names the field.
    pub fn check(&self) -> Result<(), FrontError> {
        if self.fields.is_empty() || self.features.is_empty() {
            return Err(FrontError::Empty);
        }
        let mut names = HashSet::new();
        for (at, field) in self.fields.iter().enumerate() {
            let wrong = |what: &str, remedy: &str| {
                Err(FrontError::Field {
                    field: field.name.clone(),
                    what: what.into(),
                    remedy: remedy.into(),
                })
            };
            if !names.insert(&field.name) {
                return wrong(
                    "two fields have this name",
                    "records and files of data find fields by \
                              name, so give each its own",
                );
            }
            if field.list.is_some_and(|l| l.max == 0 || l.max > MOST_ITEMS) {
                return wrong("a list holds 1 to 255 items", "correct `max`");
            }
            if field.list.is_some() && !matches!(field.given, Given::Id | Given::Text) {
                return wrong(
                    "a list holds ids or texts",
                    "give numbers as fields of their own",
                );
            }
            if !self.features.iter().any(|f| f.field == at) {
                return wrong("nothing reads it", "leave it out");
            }
        }
        let mut read = 0;
        let mut candidate = false;
        for feature in &self.features {
            let Some(field) = self
                .fields
                .get(feature.field)
                .filter(|_| feature.field <= read)
            else {
                return Err(FrontError::Field {
                    field: feature.field.to_string(),
                    what: "a feature reads it before the fields in front of it are read".into(),
                    remedy: "features read fields in the order of the record".into(),
                });
            };
            read = read.max(feature.field + 1);
            let wrong = |what: String, remedy: &str| {
                Err(FrontError::Field {
                    field: field.name.clone(),
                    what,
                    remedy: remedy.into(),
                })
            };
            if candidate && !field.candidate {
                return wrong(
                    "it belongs to the context and stands behind a field of the candidate".into(),
                    "fields of the context come first",
                );
            }
            candidate |= field.candidate;
            let list = field.list.is_some();
            match &feature.makes {
                Makes::Number(_) => {
                    if !matches!(field.given, Given::F32 | Given::I32) || list {
                        return wrong(
                            format!("it is given as {} and used as a number", field.given.name()),
                            "write given = \"f32\" or \"i32\"",
                        );
                    }
                }
                Makes::Slot { coder, columns, .. } => {
                    self::coder(coder, field.given, &field.name)?;
                    if *columns == 0 {
                        return wrong("it has no column".into(), "a one-hot field has one or more");
                    }
                }
                Makes::Rows { table, pool } => {
                    let Some(table) = self.tables.get(*table) else {
                        return wrong("it has no table".into(), "name an embedding");
                    };
                    self::coder(&table.coder, field.given, &field.name)?;
                    if table.width == 0 || table.is_empty() || table.rows.len() % table.width != 0 {
                        return wrong(
                            format!("its table `{}` has no rows", table.name),
                            "a table has rows of one width",
                        );
                    }
                    if (*pool == Pool::One) == list {
                        return wrong(
                            format!("pool = \"{}\" does not fit", pool.name()),
                            "a list is pooled by sum, mean, max or concat, one value is not",
                        );
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a coder takes what the field is given as.
fn coder(coder: &Coder, given: Given, field: &str) -> Result<(), FrontError> {
    let fits = match (&coder.by, given) {
        (By::Direct { .. } | By::Sorted { .. }, Given::Id)
        | (By::Tokens { .. } | By::Named { .. }, Given::Text)
        | (By::Buckets(Bounds::F32(_)), Given::F32)
        | (By::Buckets(Bounds::I32(_)), Given::I32) => true,
        (By::Farm(_) | By::Sip(..) | By::Murmur(_), given) => given != Given::F32,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let (what, remedy) = match (&coder.by, given) {
        (By::Farm(_) | By::Sip(..) | By::Murmur(_), _) => (
            "a float is about to be hashed, and no two programs agree on its text".to_owned(),
            "bucketize it, or give text",
        ),
        _ => (
            format!(
                "its vocabulary does not fit what it is given as, {}",
                given.name()
            ),
            "ids have a vocabulary of whole numbers, texts one of tokens, numbers have buckets",
        ),
    };
    Err(FrontError::Field {
        field: field.into(),
        what,
        remedy: remedy.into(),
    })
}
