//! mmoe
