//! What races on a host share: the models, plain loops to compare with, and the way of taking turns.
//! `benches/host.rs` races the engine; `peers/` races it beside what others run.

pub mod machine;
pub mod models;
pub mod page;
pub mod plain;
pub mod race;
