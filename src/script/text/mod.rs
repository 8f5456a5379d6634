//! The text of a script: places and mistakes in it, its words. Nothing here knows any command.

pub(super) mod lexer;
pub(super) mod name;
pub(super) mod path;
pub(super) mod problem;
mod quote;
pub(super) mod word;
