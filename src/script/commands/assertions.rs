//! Claims about what a command returned, and about a running VM. They log nothing.

use std::cmp::Ordering;

use super::super::paths;
use super::super::run::{Run, no_path};
use super::super::words::Word;
use super::{Call, Command, Done, Problem, Role, Thing};
use crate::error::{Error, Result};
use crate::value::{dictpath, matches_qmp, py_cmp};

const USES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Uses));

/// What a comparison accepts.
type Accepts = fn(Ordering) -> bool;

const ORDER: [(&str, Accepts); 4] =
    [("<", Ordering::is_lt), ("<=", Ordering::is_le), (">", Ordering::is_gt), (">=", Ordering::is_ge)];
const EXPECTED: &str = "expected one of == != < <= > >=, and one value after it";

pub(super) const ASSERT: Command = Command {
    name: "assert",
    usage: "PATH [OP VALUE]",
    about: "demands that there is something at a path of the last reply, or that it is VALUE; OP is one of == != < \
            <= > >=. `==` takes a list as values of which any will do. A reply that is a list is entered as \
            `return[0]`",
    fails: Some("that there is nothing at the path, or that the comparison does not hold"),
    needs_reply: true,
    look,
    run: assert,
    ..Command::BASE
};

pub(super) const BLOCK_PATH: Command = Command {
    name: "block-path",
    usage: "ROOT PATH [NODE]",
    about: "demands that a path of children, such as `/backing/file`, leads from node ROOT to NODE, or nowhere",
    fails: Some("that it does not"),
    on: USES,
    run: |run, call| {
        let expected = call.texts.get(2).map(String::as_str);
        let result = run.vm(call.instance).assert_block_path(call.text(0), call.text(1), expected);
        Done::claim(result.map_err(|failure| failure.error))
    },
    ..Command::BASE
};

pub(super) const BITMAP: Command = Command {
    name: "bitmap",
    usage: "NODE NAME [ARGUMENTS]",
    about: "demands that a node has a dirty bitmap with these fields, as in `count=65536 recording=true`",
    fails: Some("that there is none, or that a field is another"),
    on: USES,
    run: bitmap,
    ..Command::BASE
};

fn look(args: &[Word]) -> std::result::Result<(), Problem> {
    let at =
        |word: &Word, message: String| Err(Problem::new(word.at, word.to_string().chars().count(), message));
    args.first().map_or(Ok(()), paths::check)?;
    match args {
        [_] => Ok(()),
        [_, op, _] => match op.plain() {
            Some("==" | "!=") => Ok(()),
            Some(text) if ORDER.iter().any(|(name, _)| *name == text) => Ok(()),
            _ => at(op, EXPECTED.to_owned()),
        },
        [_, op, ..] => at(op, EXPECTED.to_owned()),
        [] => Ok(()),
    }
}

fn assert(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let Some(reply) = &run.reply else {
        return Err(Error::misuse(
            "there is no reply to look at: the last command that could have one gave none, or was not run",
        ));
    };
    let path = call.text(0);
    let found = dictpath(reply, path).map_err(|error| no_path(&error, reply));
    let [_, op, value] = call.split.positional.as_slice() else {
        return Done::claim(found.map(drop));
    };
    // Also of a comparison that must not hold, for a misspelt path would make it true.
    let found = found?;
    let expected = run.vars.value(value)?;
    let op = op.plain().unwrap_or_default();
    let holds = match op {
        "==" => matches_qmp(reply, path, &expected).is_ok(),
        "!=" => matches_qmp(reply, path, &expected).is_err(),
        _ => {
            let order = py_cmp(found, &expected).ok_or_else(|| {
                Error::assertion(format!("{path} is {found}, which cannot be ordered beside {expected}"))
            })?;
            ORDER.iter().any(|(name, accepts)| *name == op && accepts(order))
        }
    };
    let message =
        || Error::assertion(format!("not true: {path} {op} {expected}\n{path} is {found} in\n{reply:#}"));
    Done::claim(if holds { Ok(()) } else { Err(message()) })
}

fn bitmap(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let (node, name) = (call.text(0), call.text(1));
    let fields = call.arguments(run)?;
    let vm = run.vm(call.instance);
    let Some(found) = vm.get_bitmap(node, name, None)? else {
        return Done::claim(Err(Error::assertion(format!("node {node} has no dirty bitmap {name}"))));
    };
    let fits = vm.check_bitmap_status(node, name, &fields)?;
    let message = || Error::assertion(format!("bitmap {name} of {node} is not {fields}, but\n{found:#}"));
    Done::claim(if fits { Ok(()) } else { Err(message()) })
}
