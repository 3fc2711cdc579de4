//! What a `Lambda` layer's code names. The code is Python's own, marshalled; nothing runs it.

use serde_json::Value;

use super::config::Layer;

/// Whether a `Lambda` layer's code names one of these functions. The code is not run: names stand
/// in it as text.
pub(super) fn lambda_says(layer: &Layer<'_>, what: &[&str]) -> bool {
    if layer.class != "Lambda" {
        return false;
    }
    let Some(code) = lambda_code(layer.config) else {
        return false;
    };
    what.iter().any(|w| {
        // A name is led by its length.
        let length = u8::try_from(w.len()).unwrap_or(0);
        let mut marked = vec![length];
        marked.extend(w.as_bytes());
        code.windows(marked.len()).any(|at| at == marked)
    })
}

/// The marshalled code of a `Lambda`.
fn lambda_code(config: &Value) -> Option<Vec<u8>> {
    let function = config.get("function")?;
    let text = match function {
        Value::Array(list) => list.first()?.as_str()?,
        Value::Object(map) => map.get("config")?.get("code")?.as_str()?,
        _ => return None,
    };
    Some(base64(text))
}

/// Decodes base64; what is no letter of it is passed over.
fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        held = (held << 6 | u32::from(value)) & 0xFF_FFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xFF) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_decoded() {
        assert_eq!(super::base64("cmVkdWNl\nX3N1bQ=="), b"reduce_sum");
    }
}
