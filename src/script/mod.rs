//! Script cases: the line-oriented language of `*.case` files. They are found and parsed at run
//! time, so that writing one takes neither a compiler nor any Rust.
//!
//! The parser ([`parse`]) makes lines of text, with every name in them known; the interpreter runs
//! them. What the language has is in one table each: [`KEYS`] of the header, [`COMMANDS`],
//! [`REQUIREMENTS`], [`FILTERS`], [`VARIABLES`]. The manual's tables are made of these.

mod arguments;
mod commands;
mod conditions;
mod discover;
mod filters;
mod header;
mod lexer;
mod manual;
mod parse;
mod paths;
mod print;
mod problem;
mod run;
mod scope;
mod signature;
mod skeleton;
mod source;
mod syntax;
mod vars;
mod words;

pub use commands::{COMMANDS, Command, Role, Thing};
pub use conditions::{Condition, REQUIREMENTS, RequirementWord};
pub use discover::{EXTENSION, Found, discover, suite_from_file};
pub use filters::{FILTERS, FilterWord};
pub use header::{Header, KEYS, Key, Param};
pub use manual::tables;
pub use parse::parse;
pub use problem::{Pos, Problem};
pub use skeleton::create;
pub use syntax::{Capture, Entry, Guard, Line, Script, Step};
pub use vars::{VARIABLES, Variable};
pub use words::{Piece, Word};
