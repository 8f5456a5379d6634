//! From the text of a script to its lines.

mod find;
mod guards;
mod lives;
pub(super) mod parser;
mod scope;
