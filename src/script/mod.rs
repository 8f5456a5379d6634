//! Script cases: the line-oriented language of `*.case` files. They are found and parsed at run
//! time, so that writing one takes neither a compiler nor any Rust.
//!
//! The parser ([`parse`]) makes lines of text, with every name in them known; the interpreter runs
//! them. What the language has is in one table each: [`KEYS`] of the header, [`COMMANDS`],
//! [`REQUIREMENTS`], [`FILTERS`], [`VARIABLES`]. The manual's tables are made of these.
//!
//! Its rooms, each of which uses only those before it: `text`, `header`, `args`, `state`, `commands`,
//! `syntax`, `parse`, `run`.

mod args;
mod commands;
mod discover;
mod header;
mod manual;
mod parse;
mod run;
mod skeleton;
mod state;
mod syntax;
mod text;

pub use args::signature::Args;
pub use commands::command::{Command, Role};
pub use commands::table::COMMANDS;
pub use discover::{EXTENSION, Found, discover, suite_from_file};
pub use header::condition::{Condition, Guard, REQUIREMENTS, RequirementWord};
pub use header::filter::{FILTERS, FilterWord};
pub use header::keys::{Entry, Header, IgnoredLine, KEYS, Key};
pub use header::param::Param;
pub use manual::tables;
pub use parse::parser::parse;
pub use skeleton::create;
pub use state::thing::Thing;
pub use state::variables::{VARIABLES, Variable};
pub use syntax::script::{Capture, Line, Script, Step};
pub use text::problem::{Pos, Problem};
pub use text::word::{Piece, Word};
