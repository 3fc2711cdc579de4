//! Blobs on the host: writing them, and reading them back as a graph without the engine's help.

pub mod encode;
pub mod file;
pub mod message;
pub mod read;
