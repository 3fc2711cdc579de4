//! Texts in a program: each is a number, so that what compares and looks up numbers does so with
//! texts as well.
//!
//! The decimals of a whole number are that number beyond [`DECIMALS`], which makes "to text" an
//! addition. Other texts are numbered in the order in which the file has them, and numbers that none
//! of them has stand for texts that the file does not know.

use super::Program;

/// The number of the text "0".
pub(crate) const DECIMALS: f64 = (1u64 << 52) as f64;
/// Whole numbers up to here have decimals of their own.
const LARGEST: i64 = 1 << 50;

/// All texts that a file has, by number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts(indexmap::IndexSet<String>);

impl Texts {
    /// The number of a text, which is added where it is new.
    pub(crate) fn number(&mut self, text: &str) -> f64 {
        if let Some(whole) = decimal(text) {
            return DECIMALS + whole as f64;
        }
        let (at, _) = self.0.insert_full(text.to_owned());
        at as f64
    }

    /// The text of a number.
    pub(crate) fn text(&self, number: f64) -> String {
        if number > DECIMALS / 2.0 {
            return format!("{}", (number - DECIMALS) as i64);
        }
        let at = number as usize;
        match self.0.get_index(at) {
            Some(text) => text.clone(),
            // It begins with a character that no key of a table does.
            None => format!("\u{fffd}{at}"),
        }
    }

    /// A number that stands for a text which the file does not have.
    pub(crate) fn unknown(&self, which: usize) -> f64 {
        (self.0.len() + which) as f64
    }
}

/// The whole number that a text is the decimals of.
fn decimal(text: &str) -> Option<i64> {
    let whole: i64 = text.parse().ok()?;
    (whole.abs() < LARGEST && whole.to_string() == text).then_some(whole)
}

impl Program {
    /// The number of a text, as a row of features has it.
    pub fn number_of(&mut self, text: &str) -> f64 {
        self.texts.number(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{DECIMALS, Texts};

    #[test]
    fn a_text_is_found_by_its_number_and_decimals_are_sums() {
        let mut texts = Texts::default();
        for text in ["a", "", "007", "-0", "a"] {
            let number = texts.number(text);
            assert_eq!(texts.text(number), text);
            assert!(number < 4.0, "{text} {number}");
        }
        for whole in [0i64, 12, -3, 4_000_000_000] {
            assert_eq!(texts.number(&whole.to_string()), DECIMALS + whole as f64);
            assert_eq!(texts.text(DECIMALS + whole as f64), whole.to_string());
        }
        let unknown = texts.text(texts.unknown(0));
        assert_ne!(texts.number(&unknown), 0.0);
    }
}
