//! The arguments of a command, told apart once, when its line is parsed.

pub(super) mod qmp;
pub(super) mod signature;
