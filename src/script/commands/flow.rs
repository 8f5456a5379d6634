//! What a script says itself, and where it ends.

use super::command::{Command, Done};
use crate::error::Error;

pub(super) const LOG: Command = Command {
    name: "log",
    usage: "WORD...",
    about: "logs the words with single blanks between them",
    run: |state, call| {
        state.log(call.texts.join(" "), &[]);
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const NOT_RUN: Command = Command {
    name: "not-run",
    usage: "REASON...",
    about: "notes that a part of the case is not run, and goes on: reported, not compared, so that its line is not logged either. \
            Meant to be guarded",
    unlogged: true,
    run: |state, call| {
        state.test.case_not_run(call.texts.join(" "));
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const SKIP: Command = Command {
    name: "skip",
    usage: "REASON...",
    about: "ends the trial as not run. Meant to be guarded, by what only shows at run time; what `requires:` can say \
            is known when trials are listed",
    run: |_, call| Err(Error::Skip(call.texts.join(" "))),
    ..Command::BASE
};
