//! JSON within a budget of memory.

use super::Reason;
use super::collect::Budget;

/// What a value takes: `serde_json::Value` itself, in a list that has grown to twice its length.
const PER_VALUE: u64 = 64;

/// What a list takes beside that: room is made for four values at least.
const PER_LIST: u64 = 128;

/// What an object takes beside that: a node of a B-tree with room for eleven keys and values, and
/// the same for each further five or six entries, which `PER_ENTRY` covers.
const PER_OBJECT: u64 = 640;
const PER_ENTRY: u64 = 128;

/// Parses a JSON text whose value has been booked in `budget` before it is built: two bytes of a
/// text can take some hundred of memory.
pub(super) fn parse(
    text: &[u8],
    what: &str,
    budget: &mut Budget,
) -> Result<serde_json::Value, Reason> {
    budget.take(size(text), what)?;
    serde_json::from_slice(text).map_err(|e| Reason::damaged("Keras", format_args!("{what}: {e}")))
}

/// What the value of a text takes at most.
fn size(text: &[u8]) -> u64 {
    let mut size = PER_VALUE;
    let mut in_string = false;
    let mut escaped = false;
    for &byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                // A string takes what it is long.
                _ => size += 1,
            }
            continue;
        }
        size += match byte {
            b'"' => {
                in_string = true;
                0
            }
            b'[' => PER_LIST,
            b'{' => PER_OBJECT,
            b',' => PER_VALUE,
            b':' => PER_ENTRY,
            _ => 0,
        };
    }
    size
}
