//! Protocol buffers' text format, without a schema: names with values, which may be messages.

/// Messages stand in messages no deeper than this.
const DEEPEST: usize = 64;

/// A message: its fields in order, a repeated one once for each value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Message(pub(super) Vec<(String, Value)>);

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Message(Message),
    /// A string.
    Text(String),
    /// A number, an enumeration's name, `true` or `false`, as it stands there.
    Word(String),
}

impl Message {
    /// All values of a field.
    pub(super) fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Value> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v)
    }

    /// The last value of a field, which is the one that counts.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    pub(super) fn messages<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Self> {
        self.all(name).filter_map(|v| match v {
            Value::Message(message) => Some(message),
            _ => None,
        })
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn word(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.word(name)?.parse().ok()
    }
}

/// Reads a text; the error names the line.
pub(super) fn parse(text: &str) -> Result<Message, String> {
    let mut parser = Parser {
        text: text.as_bytes(),
        at: 0,
    };
    let message = parser.message(None, 0)?;
    Ok(message)
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
}

impl Parser<'_> {
    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        let before = self.text.iter().take(self.at);
        let line = 1 + before.filter(|b| **b == b'\n').count();
        Err(format!("line {line}: {what}"))
    }

    /// The next byte that is no space and in no comment.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at)? {
                b if b.is_ascii_whitespace() => self.at += 1,
                b'#' => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let line = rest.iter().position(|b| *b == b'\n');
                    self.at += line.unwrap_or(rest.len());
                }
                b => return Some(*b),
            }
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> String {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let part = |b: &u8| b.is_ascii_alphanumeric() || b"_.+-".contains(b);
        let length = rest.iter().take_while(|b| part(b)).count();
        self.at += length;
        String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned()
    }

    /// Fields up to `end`, or to the end of the text.
    fn message(&mut self, end: Option<u8>, depth: usize) -> Result<Message, String> {
        if depth == DEEPEST {
            return self.wrong("messages stand in messages without end");
        }
        let mut message = Message::default();
        loop {
            match (self.peek(), end) {
                (None, None) => return Ok(message),
                (None, Some(end)) => {
                    return self
                        .wrong(&format!("a message is not closed by `{}`", char::from(end)));
                }
                (Some(byte), Some(end)) if byte == end => {
                    self.at += 1;
                    return Ok(message);
                }
                (Some(_), _) => {}
            }
            let name = self.word();
            if name.is_empty() {
                return self.wrong("a name was expected");
            }
            let colon = self.take(b':');
            if self.take(b'[') {
                while !self.take(b']') {
                    let value = self.value(depth)?;
                    message.0.push((name.clone(), value));
                    if !self.take(b',') && self.peek() != Some(b']') {
                        return self.wrong("a list is not closed by `]`");
                    }
                }
            } else {
                if !colon && !matches!(self.peek(), Some(b'{' | b'<')) {
                    return self.wrong(&format!("`{name}` has no value"));
                }
                let value = self.value(depth)?;
                message.0.push((name, value));
            }
            let _ = self.take(b',') || self.take(b';');
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        match self.peek() {
            Some(open @ (b'{' | b'<')) => {
                self.at += 1;
                let close = if open == b'{' { b'}' } else { b'>' };
                self.message(Some(close), depth + 1).map(Value::Message)
            }
            Some(b'"' | b'\'') => {
                let mut bytes = Vec::new();
                // Strings side by side are one.
                while let Some(quote @ (b'"' | b'\'')) = self.peek() {
                    self.at += 1;
                    self.string(quote, &mut bytes)?;
                }
                match String::from_utf8(bytes) {
                    Ok(text) => Ok(Value::Text(text)),
                    Err(_) => self.wrong("a string is no UTF-8"),
                }
            }
            _ => {
                let word = self.word();
                if word.is_empty() {
                    return self.wrong("a value was expected");
                }
                Ok(Value::Word(word))
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// Up to so many digits.
    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let digit = |b: &u8| char::from(*b).to_digit(radix);
        let digits: Vec<u32> = rest.iter().take(most).map_while(digit).collect();
        self.at += digits.len();
        let number = digits.iter().fold(0, |n, d| n * radix + d);
        (!digits.is_empty()).then_some(number)
    }

    fn string(&mut self, quote: u8, bytes: &mut Vec<u8>) -> Result<(), String> {
        loop {
            let byte = match self.next() {
                None | Some(b'\n') => return self.wrong("a string is not closed"),
                Some(byte) if byte == quote => return Ok(()),
                Some(b'\\') => match self.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'a') => 7,
                    Some(b'b') => 8,
                    Some(b'f') => 12,
                    Some(b'v') => 11,
                    Some(b'x' | b'X') => match self.digits(16, 2).map(u8::try_from) {
                        Some(Ok(byte)) => byte,
                        _ => return self.wrong("`\\x` without digits"),
                    },
                    Some(b'0'..=b'7') => {
                        self.at -= 1;
                        match self.digits(8, 3).map(u8::try_from) {
                            Some(Ok(byte)) => byte,
                            _ => return self.wrong("an octal number that is no byte"),
                        }
                    }
                    Some(which @ (b'u' | b'U')) => {
                        let most = if which == b'u' { 4 } else { 8 };
                        let Some(c) = self.digits(16, most).and_then(char::from_u32) else {
                            return self.wrong("`\\u` of no character");
                        };
                        bytes.extend(c.to_string().bytes());
                        continue;
                    }
                    Some(byte @ (b'\\' | b'\'' | b'"' | b'?')) => byte,
                    _ => return self.wrong("an escape that is none"),
                },
                Some(byte) => byte,
            };
            bytes.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Value, parse};

    #[test]
    fn every_form_of_the_format() {
        let text = r#"
            # a comment
            name: "a\x41\102\n" 'and' "more"  count: -3;
            list: [1, 2.5e1], list: 3
            inner { word: TRUE } inner: < deep { x: 1 } >
            map: [{key: "k" value: 2}, {key: "l", value: 3}]
            none: [] utf: "\346\235\255" hash: "no # comment"
        "#;
        let message = parse(text).unwrap();
        assert_eq!(message.text("name"), Some("aAB\nandmore"));
        assert_eq!(message.number::<i32>("count"), Some(-3));
        let words: Vec<&Value> = message.all("list").collect();
        let word = |w: &str| Value::Word(w.into());
        assert_eq!(words, [&word("1"), &word("2.5e1"), &word("3")]);
        let inner: Vec<&Message> = message.messages("inner").collect();
        assert_eq!(inner[0].word("word"), Some("TRUE"));
        let deep = inner[1].messages("deep").next().unwrap();
        assert_eq!(deep.number::<u8>("x"), Some(1));
        let keys = message.messages("map").map(|m| m.text("key").unwrap());
        assert_eq!(keys.collect::<Vec<_>>(), ["k", "l"]);
        assert_eq!(message.all("none").count(), 0);
        assert_eq!(message.text("utf"), Some("杭"));
        assert_eq!(message.text("hash"), Some("no # comment"));
    }

    #[test]
    fn what_is_none_is_named_by_its_line() {
        for (text, says) in [
            ("a {\n b: 1\n", "line 3: a message is not closed by `}`"),
            ("a: \"x", "line 1: a string is not closed"),
            ("a: 1\n]", "line 2: a name was expected"),
            ("a 1", "line 1: `a` has no value"),
            ("a: [1 2]", "line 1: a list is not closed by `]`"),
            ("a: \"\\q\"", "line 1: an escape that is none"),
            ("a: \"\\xff\"", "line 1: a string is no UTF-8"),
            ("a: \"\\777\"", "line 1: an octal number that is no byte"),
            ("a:", "line 1: a value was expected"),
        ] {
            assert_eq!(parse(text).unwrap_err(), says, "{text}");
        }
        let deep = "a {".repeat(1000);
        assert!(parse(&deep).unwrap_err().contains("without end"));
    }
}
