//! What the commands of a running script act on: its variables, its log, and all that it has started.

pub(super) mod reply;
pub(super) mod running;
pub(super) mod thing;
pub(super) mod things;
pub(super) mod variables;
