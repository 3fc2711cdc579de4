//! Nothing: see `benches/host.rs`.
