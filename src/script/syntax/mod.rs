//! What a script is made of, once parsed, and how it is written.

mod print;
pub(super) mod script;
