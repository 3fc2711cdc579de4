//! Numbers and names for people.

/// `12345` as `12,345`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// `1 row`, `2 rows`.
#[must_use]
pub fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(n as u64))
}

/// Six significant digits.
#[must_use]
pub fn short(v: f64) -> String {
    let size = v.abs();
    if v == 0.0 || (1e-3..1e6).contains(&size) {
        let digits = if size >= 1.0 {
            5 - (size.log10() as usize).min(5)
        } else {
            6
        };
        format!("{v:.digits$}")
    } else {
        format!("{v:.3e}")
    }
}

/// Three digits of a number that is estimated, which is more than the error leaves.
#[must_use]
pub fn rounded(n: f64) -> u64 {
    let unit = 10f64.powf((n.max(1.0).log10().floor() - 2.0).max(0.0));
    ((n / unit).round() * unit) as u64
}

/// Whether a terminal, a browser or an editor may act on this character instead of showing it:
/// control characters (which begin terminal escapes), line separators, and those that change the
/// direction of text.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// Text of several lines in which every character but line ends is shown rather than acted on:
/// names come out of files, and files out of strange hands.
///
/// ```
/// assert_eq!(mmoe_tools::text::shown("a\u{1b}[2J\nb\u{202e}"), "a\\u{1b}[2J\nb\\u{202e}");
/// ```
#[must_use]
pub fn shown(text: &str) -> String {
    escape(text, |c| c == '\n', |c| c.escape_unicode().to_string())
}

/// The same for one line: line ends are shown too.
#[must_use]
pub fn shown_in_line(text: &str) -> String {
    escape(text, |_| false, |c| c.escape_unicode().to_string())
}

/// The same for JSON, which has its own spelling of such characters and stays the same value.
#[must_use]
pub fn shown_in_json(text: &str) -> String {
    escape(text, |c| c == '\n', |c| format!("\\u{:04x}", u32::from(c)))
}

fn escape(text: &str, keep: fn(char) -> bool, spell: fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && !keep(c) {
            out += &spell(c);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{count, grouped, rounded, short, shown, shown_in_json, shown_in_line};

    #[test]
    fn thousands() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [count(1, "row"), count(2000, "row")],
            ["1 row", "2,000 rows"]
        );
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(short(0.123_456_78), "0.123457");
        assert_eq!(short(-12.345_678), "-12.3457");
        assert_eq!(short(1.5e-7), "1.500e-7");
        assert_eq!(short(f64::NAN), "NaN");
    }

    #[test]
    fn rounding() {
        assert_eq!(
            [0.4, 7.0, 123.4, 98_765.0, 1_234_567.0].map(rounded),
            [0, 7, 123, 98_800, 1_230_000]
        );
    }

    #[test]
    fn characters_that_act_are_shown() {
        let hostile = "\u{1b}]0;x\u{7}\r\u{9b}\u{202e}\u{2066}\u{200f}";
        for text in [shown(hostile), shown_in_line(hostile)] {
            assert_eq!(
                text,
                "\\u{1b}]0;x\\u{7}\\u{d}\\u{9b}\\u{202e}\\u{2066}\\u{200f}"
            );
        }
        assert_eq!(shown("a\nb"), "a\nb");
        assert_eq!(shown_in_line("a\nb"), "a\\u{a}b");
        assert_eq!(shown("Größe, 年齢, 👩‍🔬"), "Größe, 年齢, 👩‍🔬");
        let json = serde_json::to_string(&["\u{9b}\u{202e}\n"]).unwrap();
        let back: Vec<String> = serde_json::from_str(&shown_in_json(&json)).unwrap();
        assert!(shown_in_json(&json).is_ascii());
        assert_eq!(back, ["\u{9b}\u{202e}\n"]);
    }
}
