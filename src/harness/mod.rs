//! Finds a project's cases, runs them as libtest-compatible trials and reports how they went. The
//! only room that knows libtest-mimic.

mod args;
mod artefacts;
mod bless;
mod clashes;
mod diff;
mod discovery;
mod ending;
mod failure;
mod groups;
mod history;
mod main;
mod matrix;
mod name;
mod nextest;
mod outcome;
mod panics;
mod place;
mod preflight;
mod printing;
mod project;
mod reference;
mod report;
mod run;
mod serial;
mod shared;
mod signals;
mod stale;
mod trial;
mod variables;

pub(crate) use args::Args;
pub(crate) use main::{conclude, environment, none_of, refuse};
pub(crate) use matrix::Plan;
pub(crate) use name::{TestName, TrialName, WrittenName};
pub(crate) use preflight::{check as preflight, fail as preflight_failed};
pub(crate) use printing::{print, say};
pub(crate) use signals::outlive_file_size_limit;

pub use main::main;
pub use place::Build;
pub use project::{Case, Project};
