//! From bytes to frames to a whole blob in a buffer.
//!
//! A frame is `COBS(kind, body)` and a zero byte:
//!
//! | kind | body |
//! |---|---|
//! | 1 begin | length of the blob, u32 |
//! | 2 data | offset, u32, and up to 240 bytes |
//! | 3 end | |
//! | 4 query | |
//! | 5 quit | |
//!
//! (little endian). Data must come in order and without gaps; whatever does not follow this drops
//! the transfer. That all bytes are right is the blob's own checksum's to find.

use heapless::Vec;

/// What a byte completed.
pub enum Event {
    /// Nothing yet, or something that was dropped.
    None,
    /// A frame of a transfer.
    Frame,
    /// A transfer: the blob is in the buffer, unchecked.
    Complete,
    /// The sender asks.
    Query,
    /// The sender is done.
    Quit,
}

/// Where a transfer stands.
#[derive(Clone, Copy)]
struct Transfer {
    length: usize,
    have: usize,
}

/// The receiving side of one transfer after the other.
pub struct Receiver {
    frame: Vec<u8, 256>,
    /// The frame was longer than any may be: skip to its end.
    overlong: bool,
    transfer: Option<Transfer>,
}

impl Receiver {
    /// Waits for a frame.
    pub const fn new() -> Self {
        Self {
            frame: Vec::new(),
            overlong: false,
            transfer: None,
        }
    }

    /// One byte from the line; the blob grows in `buffer`.
    pub fn byte(&mut self, byte: u8, buffer: &mut [u8]) -> Event {
        if byte != 0 {
            self.overlong |= self.frame.push(byte).is_err();
            return Event::None;
        }
        let length = cobs::decode_in_place(&mut self.frame);
        let event = match length.ok().and_then(|n| self.frame.get(..n)) {
            Some(frame) if !self.overlong => step(&mut self.transfer, frame, buffer),
            _ => None,
        };
        // An empty frame only separates.
        if event.is_none() && !self.frame.is_empty() {
            self.transfer = None;
        }
        self.frame.clear();
        self.overlong = false;
        event.unwrap_or(Event::None)
    }
}

/// One whole frame; `None` drops the transfer.
fn step(transfer: &mut Option<Transfer>, frame: &[u8], buffer: &mut [u8]) -> Option<Event> {
    match frame {
        [1, body @ ..] => {
            let length = u32::from_le_bytes(body.try_into().ok()?) as usize;
            if length > buffer.len() {
                return None;
            }
            *transfer = Some(Transfer { length, have: 0 });
            Some(Event::Frame)
        }
        [2, body @ ..] => {
            let to = transfer.as_mut()?;
            let (offset, bytes) = body.split_first_chunk()?;
            let end = to.have + bytes.len();
            if u32::from_le_bytes(*offset) as usize != to.have || end > to.length {
                return None;
            }
            buffer.get_mut(to.have..end)?.copy_from_slice(bytes);
            to.have = end;
            Some(Event::Frame)
        }
        [3] => {
            let done = transfer.take()?;
            (done.have == done.length).then_some(Event::Complete)
        }
        [4] => Some(Event::Query),
        [5] => Some(Event::Quit),
        _ => None,
    }
}
