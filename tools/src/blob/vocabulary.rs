//! Section `Vocabulary`: what people call the values of a record's fields, and how files of data write
//! them. A device reads none of it.

use serde::{Deserialize, Serialize};

use crate::front::{By, Front, Given, Makes, Written};

/// What the section says of one field; the section is a sequence of these, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FieldText {
    /// The tokens, in the order of their codes; empty where the values are no texts.
    pub tokens: Vec<String>,
    /// Between the items of a list in a cell.
    pub separator: String,
    /// An item that is none.
    pub padding: Option<String>,
    /// Cells that mean that the value is missing.
    pub missing: Vec<String>,
}

/// What a front end's section holds.
#[must_use]
pub fn of(front: &Front) -> Vec<FieldText> {
    let field = |(at, field): (usize, &crate::front::Field)| {
        let mut reads = front.features.iter().filter(|f| f.field == at);
        let coder = reads.find_map(|f| f.coder(front));
        let tokens = match coder.map(|c| &c.by) {
            Some(By::Tokens {
                tokens,
                exact: false,
                ..
            }) => tokens.clone(),
            Some(By::Named { tokens, .. }) => tokens.clone(),
            _ => Vec::new(),
        };
        FieldText {
            tokens,
            separator: field.text.separator.clone(),
            padding: field.text.padding.clone(),
            missing: field.text.missing.clone(),
        }
    };
    front.fields.iter().enumerate().map(field).collect()
}

/// Puts what a section says into a front end that was read without it. Tokens that are not those of
/// the coder's hashes are left out.
pub fn apply(texts: &[FieldText], front: &mut Front) {
    for (field, text) in front.fields.iter_mut().zip(texts) {
        field.text = Written {
            separator: text.separator.clone(),
            padding: text.padding.clone(),
            missing: text.missing.clone(),
        };
    }
    let mut named = Vec::new();
    for feature in &mut front.features {
        let coder = match &mut feature.makes {
            Makes::Number(_) => continue,
            Makes::Slot { coder, .. } => coder,
            Makes::Rows { table, .. } => match front.tables.get_mut(*table) {
                Some(table) => &mut table.coder,
                None => continue,
            },
        };
        let Some(text) = texts.get(feature.field) else {
            continue;
        };
        if let By::Direct { entries, other } = coder.by
            && !text.tokens.is_empty()
            && text.tokens.len() == entries as usize
        {
            coder.by = By::Named {
                tokens: text.tokens.clone(),
                other,
            };
            named.push(feature.field);
        }
        if let By::Tokens {
            seed,
            hashes,
            tokens,
            ..
        } = &mut coder.by
        {
            let hashed = text
                .tokens
                .iter()
                .map(|t| crate::front::token_hash(*seed, t));
            if hashed.eq(hashes.iter().copied()) {
                tokens.clone_from(&text.tokens);
            }
        }
    }
    for field in named {
        if let Some(field) = front.fields.get_mut(field) {
            field.given = Given::Text;
        }
    }
}
