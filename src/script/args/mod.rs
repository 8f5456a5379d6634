//! The arguments of a command, sorted out once, when its line is parsed.

pub(super) mod qmp;
pub(super) mod signature;
