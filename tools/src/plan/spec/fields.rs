//! `[[fields]]`: the raw fields of a record, and what the vector is made of.

use std::path::Path;

use toml::Spanned;

use super::Spec;
use super::raw::{self, Special};
use super::vocabulary::{self, Vocabulary};
use crate::codegen::camel;
use crate::error::{ModelError, near_names};
use crate::front::{
    Bounds, By, Coder, Field, FrontError, Given, List, Makes, NONE, Number, Pool, Table, Transform,
    Written,
};
use crate::plan::fields::{FieldsPlan, Rows, Scaling, Source};
use crate::plan::{Part, TensorRef};

/// From this many bytes a token on, the tokens' hashes alone are stored unless the spec says
/// otherwise.
const LONG_TOKEN: usize = 8;

/// More variants than a person reads.
const MOST_VARIANTS: usize = 64;

/// The plan of a spec's fields; `None` where it has none.
pub(super) fn plan(spec: &Spec) -> Result<Option<FieldsPlan>, ModelError> {
    let raw = &spec.raw;
    let Some(first) = raw.fields.first() else {
        return match &raw.order {
            None => Ok(None),
            Some(order) => Err(invalid(
                spec.place("[order]", order.span()),
                "it orders fields, and there are none",
                "add [[fields]], or remove it",
            )),
        };
    };
    if !raw.inputs.is_empty() {
        return Err(invalid(
            spec.place("[[fields]]", first.span()),
            "it stands beside [[inputs]]",
            "a model takes a record of raw fields, or a vector of numbers: keep one of them",
        ));
    }
    let mut plan = FieldsPlan {
        text: text(spec),
        ..FieldsPlan::default()
    };
    for index in order(spec)? {
        let field = &raw.fields[index];
        let reader = Reader {
            spec,
            dir: &spec.dir,
            raw: field.as_ref(),
            place: spec.place(&format!("field `{}`", field.as_ref().name), field.span()),
        };
        reader.field(&mut plan)?;
    }
    Ok(Some(plan))
}

/// What the spec says of the fields, for a spec that is written of the plan.
fn text(spec: &Spec) -> String {
    let Ok(mut table) = spec.lines.0.parse::<toml::Table>() else {
        return String::new();
    };
    table.retain(|key, _| key == "fields" || key == "order");
    toml::to_string(&table).unwrap_or_default()
}

/// The fields in the order of the vector, those of the candidate last.
fn order(spec: &Spec) -> Result<Vec<usize>, ModelError> {
    let fields = &spec.raw.fields;
    let name = |i: usize| &fields[i].as_ref().name;
    for (i, field) in fields.iter().enumerate() {
        if (0..i).any(|j| name(j) == name(i)) {
            return Err(invalid(
                spec.place("[[fields]]", field.span()),
                &format!("two fields are called `{}`", name(i)),
                "records and files of data find fields by name, so give each its own",
            ));
        }
    }
    let Some(order) = &spec.raw.order else {
        return Ok((0..fields.len()).collect());
    };
    let place = spec.place("[order]", order.span());
    let mut indices = Vec::new();
    for wanted in &order.as_ref().vector {
        let Some(i) = (0..fields.len()).find(|i| name(*i) == wanted) else {
            let names: Vec<String> = (0..fields.len()).map(|i| name(i).clone()).collect();
            let near = near_names(wanted, names.iter());
            let near = near.first().map_or_else(
                || format!("write one of {}", names.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(invalid(
                place,
                &format!("no field is called `{wanted}`"),
                &near,
            ));
        };
        if indices.contains(&i) {
            return Err(invalid(
                place,
                &format!("`{wanted}` stands twice"),
                "name each field once",
            ));
        }
        indices.push(i);
    }
    if let Some(i) = (0..fields.len()).find(|i| !indices.contains(i)) {
        return Err(invalid(
            place,
            &format!("field `{}` is not in `vector`", name(i)),
            "name every field, in the order in which training put them side by side",
        ));
    }
    Ok(indices)
}

/// Reads one field.
struct Reader<'s> {
    spec: &'s Spec,
    dir: &'s Path,
    raw: &'s raw::Field,
    place: String,
}

/// Codes, and which rows or columns of training they stand for.
struct Coded {
    coder: Coder,
    rows: Rows,
}

impl Reader<'_> {
    fn wrong<T>(&self, what: &str, remedy: &str) -> Result<T, ModelError> {
        Err(invalid(self.place.clone(), what, remedy))
    }

    fn needs<T>(&self, key: &str, remedy: &str) -> Result<T, ModelError> {
        Err(ModelError::MissingKey {
            place: self.place.clone(),
            key: key.into(),
            remedy: remedy.into(),
        })
    }

    fn front<T>(&self, result: Result<T, FrontError>) -> Result<T, ModelError> {
        result.or_else(|error| match error {
            FrontError::Field { what, remedy, .. } => self.wrong(&what, &remedy),
            other => {
                let text = other.to_string();
                match text.split_once(": ") {
                    Some((what, remedy)) => self.wrong(what, remedy),
                    None => self.wrong(&text, "correct `vocabulary`"),
                }
            }
        })
    }

    fn field(&self, plan: &mut FieldsPlan) -> Result<(), ModelError> {
        let raw = self.raw;
        let (given, list) = self.given()?;
        let candidate = match raw.part.as_deref() {
            None | Some("context") => false,
            Some("candidate") => true,
            Some(other) => {
                return self.wrong(
                    &format!("part = \"{other}\""),
                    "a field belongs to the \"context\", which many candidates share, or to the \
                     \"candidate\"",
                );
            }
        };
        let text = Written {
            separator: raw.separator.clone().unwrap_or_else(|| "|".into()),
            padding: raw.padding.as_ref().map(ToString::to_string),
            missing: raw.missing_values.clone(),
        };
        if text.separator.is_empty() {
            return self.wrong(
                "separator = \"\"",
                "give what stands between items, as \"|\"",
            );
        }
        let at = plan.front.fields.len();
        plan.front.fields.push(Field {
            name: raw.name.clone(),
            given,
            list,
            candidate,
            text,
        });
        self.meaning(plan, at, given, list)
    }

    /// What the field is given as.
    fn given(&self) -> Result<(Given, Option<List>), ModelError> {
        let raw = self.raw;
        let (name, list) = match raw.given.as_ref() {
            raw::GivenAs::One(name) => (name, false),
            raw::GivenAs::List([name]) => (name, true),
        };
        let given = match name.as_str() {
            "f32" => Given::F32,
            "i32" => Given::I32,
            "id" => Given::Id,
            "text" => Given::Text,
            other => {
                return self.wrong(
                    &format!("given = \"{other}\""),
                    "write \"f32\", \"i32\", \"id\", \"text\", or a list of ids or texts: \
                     [\"id\"]; integers of 64 bits are given as \"text\"",
                );
            }
        };
        let keep_last = match raw.keep.as_deref() {
            None | Some("first") => false,
            Some("last") => true,
            Some(other) => {
                return self.wrong(
                    &format!("keep = \"{other}\""),
                    "a list that is too long keeps its \"first\" or its \"last\" items",
                );
            }
        };
        if !list {
            for (key, given) in [
                ("max", raw.max.is_some()),
                ("keep", raw.keep.is_some()),
                ("separator", raw.separator.is_some()),
                ("pool", raw.pool.is_some()),
                ("padding", raw.padding.is_some()),
                ("empty", raw.empty.is_some()),
            ] {
                if given {
                    return self.wrong(
                        &format!("`{key}` belongs to a list"),
                        "write given = [\"id\"] or [\"text\"], or remove it",
                    );
                }
            }
            return Ok((given, None));
        }
        if !matches!(given, Given::Id | Given::Text) {
            return self.wrong(
                &format!("a list of {}", given.name()),
                "a list holds \"id\" or \"text\"; give numbers as fields of their own",
            );
        }
        let Some(max) = raw.max else {
            return self.needs(
                "max",
                "the most items that count, which bounds the time on a device: max = 20; a longer \
                 list keeps its first, or with keep = \"last\" its last",
            );
        };
        if !(1..=255).contains(&max) {
            return self.wrong(&format!("max = {max}"), "a list holds 1 to 255 items");
        }
        Ok((given, Some(List { max, keep_last })))
    }

    /// What the vector gets of it.
    fn meaning(
        &self,
        plan: &mut FieldsPlan,
        at: usize,
        given: Given,
        list: Option<List>,
    ) -> Result<(), ModelError> {
        let raw = self.raw;
        let hot = raw.one_hot.unwrap_or(false) || raw.multi_hot.is_some();
        let is_number = raw.embedding.is_none() && !hot;
        if raw.embedding.is_some() && hot {
            return self.wrong(
                "`embedding` stands beside one-hot columns",
                "keep one of them",
            );
        }
        if is_number {
            if !matches!(given, Given::F32 | Given::I32) {
                return self.needs(
                    "embedding",
                    "name the tensor of its table: embedding = \"….weight\", or write one_hot = \
                     true where training had a column for each value",
                );
            }
            return self.number(plan, at, given);
        }
        for (key, given) in [
            ("transform", raw.transform.is_some()),
            ("mean", raw.mean.is_some()),
            ("std", raw.std.is_some()),
            ("clip", raw.clip.is_some()),
            ("range", raw.range.is_some()),
            ("threshold", raw.threshold.is_some()),
            ("below", raw.below.is_some()),
        ] {
            if given {
                return self.wrong(
                    &format!("`{key}` belongs to a number"),
                    "a field with an embedding or with one-hot columns has none",
                );
            }
        }
        let coded = self.coder(given)?;
        match &raw.embedding {
            Some(embedding) => self.rows(plan, at, list, embedding, coded),
            None => self.wrong(
                "`[[fields]]` makes rows of tables and numbers, and no one-hot columns",
                "describe the vector with its columns in [[inputs]], one_hot = true",
            ),
        }
    }

    fn number(&self, plan: &mut FieldsPlan, at: usize, given: Given) -> Result<(), ModelError> {
        let raw = self.raw;
        for (key, given) in [
            ("vocabulary", raw.vocabulary.is_some()),
            ("match", raw.match_by.is_some()),
            ("other", raw.other.is_some()),
            ("hash", raw.hash.is_some()),
            ("buckets", raw.buckets.is_some()),
        ] {
            if given {
                return self.wrong(
                    &format!("`{key}` makes a code, and nothing says what becomes of it"),
                    "name the tensor of its table (`embedding`), or write one_hot = true",
                );
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
        let narrow = |v: f64| v as f32;
        let missing = match &raw.missing {
            None => f32::NAN,
            Some(Special::Number(x)) if x.is_finite() => narrow(*x),
            #[expect(clippy::cast_precision_loss, reason = "the one rounding")]
            Some(Special::Index(x)) => *x as f32,
            Some(_) => {
                return self.wrong(
                    "`missing` is no number",
                    "write what a missing value counts as, before the logarithm and the \
                     standardization, as training filled it: missing = 0.0",
                );
            }
        };
        let clip = match raw.clip {
            None => None,
            Some([low, high]) if low <= high => Some((narrow(low), narrow(high))),
            Some([low, high]) => {
                return self.wrong(&format!("clip = [{low}, {high}]"), "the first is the lower");
            }
        };
        let transform = match (raw.transform.as_deref(), raw.threshold, raw.below) {
            (None, None, None) => Transform::Identity,
            (Some("log1p"), None, None) => Transform::Log1p,
            (Some("log10"), Some(threshold), Some(below)) => Transform::Log10 {
                threshold: narrow(threshold),
                below: narrow(below),
            },
            (Some("log10"), ..) => {
                return self.needs(
                    "threshold and below",
                    "a logarithm ends at 0: threshold = 1e-10 and below = -10.0 make it \
                     log10(x) above the threshold and -10 up to it",
                );
            }
            (_, Some(_), _) | (_, _, Some(_)) => {
                return self.wrong(
                    "`threshold` and `below` belong to a logarithm",
                    "write transform = \"log10\", or remove them",
                );
            }
            (Some(other), ..) => {
                return self.wrong(
                    &format!("transform = \"{other}\""),
                    "write \"log1p\", or \"log10\" with threshold and below",
                );
            }
        };
        if given == Given::I32 && (clip.is_some() || transform != Transform::Identity) {
            return self.wrong(
                "a whole number is standardized and nothing else",
                "write given = \"f32\" for a field with a logarithm or bounds",
            );
        }
        let range = raw.range.map(|[low, high]| (low, high));
        let makes = Makes::Number(Number {
            missing,
            clip,
            transform,
        });
        let scaling = Scaling {
            mean: raw.mean,
            std: raw.std,
            range,
        };
        plan.push(at, makes, scaling);
        Ok(())
    }

    /// The coder of a field that is no number.
    fn coder(&self, given: Given) -> Result<Coded, ModelError> {
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
    fn dense(&self) -> Result<Coded, ModelError> {
        let other = match self.special("other", self.raw.other.as_ref())? {
            None => NONE,
            Some(index) => index,
        };
        let missing = self.missing()?;
        let by = By::Direct { entries: 0, other };
        Ok(Coded {
            coder: Coder { by, missing },
            rows: Rows::All,
        })
    }

    fn hash(&self, given: Given, hash: &raw::Hash) -> Result<Coded, ModelError> {
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
        self.in_order(by, n as usize)
    }

    fn buckets(&self, given: Given, bounds: &[f64]) -> Result<Coded, ModelError> {
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
        self.in_order(by, bounds.len() + 1)
    }

    /// A coder that makes `n` codes, which stand for the rows in order, those for missing values
    /// passed over.
    fn in_order(&self, by: By, n: usize) -> Result<Coded, ModelError> {
        let special = self.special("missing", self.raw.missing.as_ref())?;
        let mut rows: Vec<usize> = (0..)
            .filter(|i| special != u32::try_from(*i).ok())
            .take(n)
            .collect();
        let missing = self.raw.missing.as_ref().map(|_| match special {
            None => NONE,
            Some(index) => {
                rows.push(index as usize);
                u32::try_from(rows.len() - 1).unwrap_or(NONE)
            }
        });
        Ok(Coded {
            coder: Coder { by, missing },
            rows: Rows::Every(rows),
        })
    }

    fn vocabulary(&self, given: Given, named: &Spanned<raw::Tokens>) -> Result<Coded, ModelError> {
        let place = self
            .spec
            .place(&format!("field `{}`", self.raw.name), named.span());
        let vocabulary = vocabulary::read(named.as_ref(), self.dir, &place)?;
        let Some(other) = &self.raw.other else {
            return self.needs(
                "other",
                "the row of a value that is not in the vocabulary: other = 1, or other = \"zero\" \
                 for a row of zeros",
            );
        };
        let missing = self.special("missing", self.raw.missing.as_ref())?;
        let other = self.special("other", Some(other))?;
        let used: Vec<usize> = [missing, other]
            .into_iter()
            .flatten()
            .map(|i| i as usize)
            .collect();
        let listed = matches!(vocabulary, Vocabulary::Listed(_));
        let (tokens, trained): (Vec<String>, Vec<usize>) = match vocabulary {
            Vocabulary::Listed(tokens) => {
                let free = (0..).filter(|i| !used.contains(i)).take(tokens.len());
                let free = free.collect();
                (tokens, free)
            }
            Vocabulary::Indexed(tokens) => tokens.into_iter().unzip(),
        };
        if tokens.is_empty() {
            return self.wrong("its vocabulary is empty", "correct `vocabulary`");
        }
        let n = u32::try_from(tokens.len()).unwrap_or(NONE);
        // Special codes come behind those of the vocabulary; two that share a row share a code.
        let mut specials: Vec<usize> = Vec::new();
        let mut code = |index: Option<u32>| match index {
            None => NONE,
            Some(index) => {
                let index = index as usize;
                let at = specials
                    .iter()
                    .position(|s| *s == index)
                    .unwrap_or_else(|| {
                        specials.push(index);
                        specials.len() - 1
                    });
                n.saturating_add(u32::try_from(at).unwrap_or(0))
            }
        };
        let missing = self.raw.missing.as_ref().map(|_| code(missing));
        let other = code(other);
        let (mut coder, order) = if given == Given::Text {
            let exact = match self.raw.match_by.as_deref() {
                Some("exact") => true,
                Some("hash") => false,
                Some("enum") => {
                    variants(&tokens).or_else(|what| {
                        self.wrong(
                            &what,
                            "an enum has up to 64 values whose names are identifiers; write match \
                             = \"exact\" for others",
                        )
                    })?;
                    let by = By::Named { tokens, other };
                    let mut rows = trained;
                    rows.extend(specials);
                    let rows = if listed {
                        Rows::Every(rows)
                    } else {
                        Rows::These(rows)
                    };
                    let coder = Coder { by, missing };
                    return Ok(Coded { coder, rows });
                }
                None => {
                    let bytes: usize = tokens.iter().map(String::len).sum();
                    bytes < LONG_TOKEN * tokens.len()
                }
                Some(wrong) => {
                    return self.wrong(
                        &format!("match = \"{wrong}\""),
                        "write \"enum\", which makes a Rust enum of it, \"exact\", which stores the tokens, or \"hash\", which stores 4 \
                         bytes for each and takes an unknown one for a known one once in 2^32 \
                         divided by the number of tokens",
                    );
                }
            };
            self.front(Coder::tokens(tokens, other, exact))?
        } else {
            let ids: Vec<u32> = tokens
                .iter()
                .map(|t| {
                    t.parse().or_else(|_| {
                        self.wrong(
                            &format!("`{t:.40}` in its vocabulary is no id"),
                            "ids are whole numbers from 0 to 4294967295; write given = \"text\" \
                             for others",
                        )
                    })
                })
                .collect::<Result<_, _>>()?;
            self.front(Coder::ids(&ids, other))?
        };
        coder.missing = missing;
        let mut rows: Vec<usize> = order.iter().map(|i| trained[*i]).collect();
        rows.extend(specials);
        let rows = if listed {
            Rows::Every(rows)
        } else {
            Rows::These(rows)
        };
        Ok(Coded { coder, rows })
    }

    /// The row of a table that `key` names; `None` for a row of zeros.
    fn special(&self, key: &str, value: Option<&Special>) -> Result<Option<u32>, ModelError> {
        match value {
            None => Ok(None),
            Some(Special::Index(i)) if u32::try_from(*i).is_ok_and(|i| i < NONE) => {
                Ok(u32::try_from(*i).ok())
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

    /// The code of a missing value, where ids are their own codes.
    fn missing(&self) -> Result<Option<u32>, ModelError> {
        let index = self.special("missing", self.raw.missing.as_ref())?;
        Ok(self.raw.missing.as_ref().map(|_| index.unwrap_or(NONE)))
    }

    /// A feature that reads rows of a table.
    fn rows(
        &self,
        plan: &mut FieldsPlan,
        at: usize,
        list: Option<List>,
        embedding: &Spanned<String>,
        coded: Coded,
    ) -> Result<(), ModelError> {
        let name = embedding.as_ref().clone();
        let pool = self.pool(list)?;
        let source = Source {
            tensor: TensorRef::One(Part {
                line: Some(self.spec.lines.of(embedding.span().start)),
                ..Part::new(name.clone())
            }),
            window: self.raw.rows.as_ref().map(|rows| (rows.start, rows.count)),
            rows: coded.rows,
            field: self.raw.name.clone(),
        };
        let same = |(table, other): (&Table, &Source)| {
            table.coder == coded.coder
                && table.name == name
                && other.rows == source.rows
                && other.window == source.window
        };
        let tables = plan.front.tables.iter().zip(&plan.sources);
        let known = tables
            .enumerate()
            .find(|(_, both)| same(*both))
            .map(|(i, _)| i);
        let table = known.unwrap_or_else(|| {
            plan.front.tables.push(Table {
                name: name.clone(),
                coder: coded.coder.clone(),
                rows: Vec::new(),
                width: 0,
            });
            plan.sources.push(source.clone());
            plan.sources.len() - 1
        });
        plan.push(at, Makes::Rows { table, pool }, Scaling::default());
        Ok(())
    }

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

/// Whether tokens are the names of an enumeration's variants.
fn variants(tokens: &[String]) -> Result<(), String> {
    if tokens.len() > MOST_VARIANTS {
        return Err(format!("an enum of {} values", tokens.len()));
    }
    let is_name = |t: &&String| {
        t.starts_with(|c: char| c.is_ascii_alphabetic())
            && t.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut seen = std::collections::HashSet::new();
    for token in tokens {
        if !is_name(&token) {
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

fn invalid(place: String, what: &str, remedy: &str) -> ModelError {
    ModelError::Invalid {
        place,
        what: what.into(),
        remedy: remedy.into(),
    }
}
