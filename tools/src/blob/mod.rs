//! Blobs on the host: making them, and reading them back as a graph without the engine's help.

pub mod encode;
pub mod features;
pub mod file;
pub mod message;
pub mod read;
pub mod vocabulary;

use crate::engine::BlobBytes;
use message::Header;
use mmoe::blob::SectionTag;

/// A blob in its two parts: what describes the model, and the weights in the order of that
/// description. [`Conversion`](crate::convert::Conversion) makes it; [`bytes`](Self::bytes) is the
/// file.
#[derive(Debug, Clone, PartialEq)]
pub struct Blob {
    /// The records, names and sections.
    pub header: Header,
    /// The weights as the engine reads them.
    pub weights: Vec<u8>,
}

impl Blob {
    /// Adds a section behind those that are there.
    pub fn push_section(&mut self, section: SectionTag, content: Vec<u8>) {
        self.header.sections.push((section.code(), content));
    }

    /// The file's bytes, at an address from which the engine can run them.
    ///
    /// # Panics
    ///
    /// If the file would be larger than 4 GB, which the format cannot say. A
    /// [`Conversion`](crate::convert::Conversion) refuses such models with an error.
    #[must_use]
    pub fn bytes(&self) -> BlobBytes {
        BlobBytes::new(&file::write(&self.header, &self.weights))
    }
}
