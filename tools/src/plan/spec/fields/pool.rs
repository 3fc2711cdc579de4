//! Fields that are rows of a table.

use toml::Spanned;

use super::Reader;
use crate::error::ModelError;
use crate::front::{Given, List, Pool};
use crate::plan::fields::{MakesPlan, Source};
use crate::plan::{Part, TensorRef};

impl Reader<'_> {
    /// Rows of a table.
    pub(super) fn rows(
        &self,
        given: Given,
        list: Option<List>,
        embedding: &Spanned<String>,
    ) -> Result<MakesPlan, ModelError> {
        let (lookup, all) = self.lookup(given)?;
        let source = Source {
            tensor: TensorRef::One(Part {
                line: Some(self.spec.lines.of(embedding.span().start)),
                ..Part::new(embedding.as_ref().clone())
            }),
            window: self.raw.rows.as_ref().map(|rows| (rows.start, rows.count)),
            all,
        };
        let pool = self.pool(list)?;
        Ok(MakesPlan::Rows {
            lookup,
            source,
            pool,
        })
    }

    /// How the rows of a list become one.
    fn pool(&self, list: Option<List>) -> Result<Pool, ModelError> {
        if list.is_none() {
            return Ok(Pool::One);
        }
        let pool = match self.raw.pool.as_deref() {
            Some("sum") => Pool::Sum,
            Some("mean") => Pool::Mean,
            Some("max") => Pool::Max,
            Some("concat") => Pool::Concat,
            Some(other) => {
                return self.wrong(
                    &format!("pool = \"{other}\""),
                    "the rows of a list become one by \"sum\", \"mean\" or \"max\", or stand side \
                     by side with \"concat\"",
                );
            }
            None => {
                return self.needs(
                    "pool",
                    "how the rows of a list become one: \"sum\", \"mean\", \"max\" or \"concat\"; \
                     no file says it",
                );
            }
        };
        match self.raw.empty.as_deref() {
            Some("zero") => Ok(pool),
            Some(other) => self.wrong(
                &format!("empty = \"{other}\""),
                "an empty list makes zeros: write \"zero\", or remove the key",
            ),
            None if pool == Pool::Max => self.needs(
                "empty",
                "frameworks make −1e9, NaN or zeros of an empty list; a blob makes zeros: say that \
                 this is meant by empty = \"zero\"",
            ),
            None => Ok(pool),
        }
    }
}
