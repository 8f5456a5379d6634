//! Running a script: its file, and its lines one after the other.

pub(super) mod source;
pub(super) mod steps;
