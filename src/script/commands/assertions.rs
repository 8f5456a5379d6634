//! Claims about what a command returned, and about a running VM. They log nothing.

use std::cmp::Ordering;

use serde_json::Value;

use super::command::{Call, Command, Done, Role};
use crate::env::similar_word;
use crate::error::{Error, Result};
use crate::script::args::signature::Args;
use crate::script::state::reply::{follow, reaches};
use crate::script::state::running::Running;
use crate::script::state::thing::Thing;
use crate::script::text::path;
use crate::script::text::problem::Problem;
use crate::script::text::word::{Piece, Word};
use crate::value::{json_eq, py_cmp};

const USES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Uses));

/// Whether a comparison holds of what was found and what was written; `None` if the two have no order.
type Holds = fn(&Value, &Value) -> Option<bool>;

/// The comparisons of `assert`.
const OPERATORS: [(&str, Holds); 7] = [
    ("==", |found, expected| Some(json_eq(found, expected))),
    ("!=", |found, expected| Some(!json_eq(found, expected))),
    ("in", |found, list| Some(list.as_array()?.iter().any(|one| json_eq(found, one)))),
    ("<", |found, expected| py_cmp(found, expected).map(Ordering::is_lt)),
    ("<=", |found, expected| py_cmp(found, expected).map(Ordering::is_le)),
    (">", |found, expected| py_cmp(found, expected).map(Ordering::is_gt)),
    (">=", |found, expected| py_cmp(found, expected).map(Ordering::is_ge)),
];

const EXPECTED: &str = "expected one of == != < <= > >= in, and one value after it";

/// The fields of a bitmap, as QMP names them.
const BITMAP_FIELDS: [&str; 6] = ["count", "granularity", "recording", "busy", "persistent", "inconsistent"];

pub(super) const ASSERT: Command = Command {
    name: "assert",
    usage: "PATH [OP VALUE]",
    about: "demands that there is something at a path of the last reply, or that it compares with VALUE as OP says: \
            `==`, `!=`, `<`, `<=`, `>`, `>=`, or `in`, for which VALUE is a list of values of which one must be equal. \
            A reply that is a list is entered as `return[0]`",
    fails: Some(
        "that only the last key or index of the path is missing, or that the comparison does not hold",
    ),
    needs_reply: true,
    look,
    run: assert,
    ..Command::BASE
};

pub(super) const BLOCK_PATH: Command = Command {
    name: "block-path",
    usage: "ROOT PATH [NODE]",
    about: "demands that a path of children, such as `/backing/file`, leads from node ROOT to NODE, or nowhere",
    fails: Some("that its last step leads to another node, or nowhere"),
    on: USES,
    look: |args| match &args.positional()[1] {
        path if path.plain().is_some_and(|text| !text.starts_with('/')) => {
            Err(Problem::new(path.at, path.width(), "expected a path of children, as in /backing/file"))
        }
        _ => Ok(()),
    },
    run: |state, call| {
        let expected = call.texts.get(2).map(String::as_str);
        let vm = state.running_vm(call.instance)?;
        let differs = vm.block_path_differs(call.text(0), call.text(1), expected)?;
        Ok(Done::claim(differs))
    },
    ..Command::BASE
};

pub(super) const BITMAP: Command = Command {
    name: "bitmap",
    usage: "NODE NAME [ARGUMENTS]",
    about: "demands that a node has a dirty bitmap with these fields, as in `count=65536 recording=true`",
    fails: Some("that the node has none of this name, or that a field has another value"),
    on: USES,
    look: |args| {
        let mut fields = args.qmp().into_iter().flat_map(|arguments| arguments.names());
        if let Some((name, at)) = fields.find(|(name, _)| !BITMAP_FIELDS.contains(name)) {
            let expected = format!("known are {}", BITMAP_FIELDS.join(", "));
            return Err(Problem::unknown(at, "field of a bitmap", name, BITMAP_FIELDS, &expected));
        }
        Ok(())
    },
    run: bitmap,
    ..Command::BASE
};

fn look(args: &Args) -> std::result::Result<(), Problem> {
    let wrong = |word: &Word, message: &str| Err(Problem::new(word.at, word.width(), message));
    path::check(&args.positional()[0])?;
    match args.positional() {
        [_, op, value] => match op.plain() {
            Some("in") => match value.pieces.as_slice() {
                [Piece::Json { value: Value::Array(list), .. }] if !list.is_empty() => Ok(()),
                _ => wrong(value, "expected a list of values after `in`, as in [1, 2]"),
            },
            Some(text) if OPERATORS.iter().any(|(name, _)| *name == text) => Ok(()),
            _ => wrong(op, EXPECTED),
        },
        [_, op] => wrong(op, EXPECTED),
        _ => Ok(()),
    }
}

fn assert(state: &mut Running<'_>, call: &Call<'_>) -> Result<Done> {
    let reply = state.reply()?;
    let path = call.text(0);
    let [_, op, value] = call.args.positional() else {
        let missing = reaches(reply, path)?;
        return Ok(Done::claim(missing));
    };
    // Also of a comparison that must not hold, for a misspelt path would make it true.
    let found = follow(reply, path)?;
    let expected = state.vars.value(value)?;
    let op = op.plain().unwrap_or_default();
    let compare = OPERATORS.iter().find(|(name, _)| *name == op).map(|(_, holds)| holds);
    let holds = compare.and_then(|holds| holds(found, &expected)).ok_or_else(|| {
        Error::assertion(format!("{path} is {found}, which cannot be ordered beside {expected}"))
    })?;
    Ok(Done::claim(
        (!holds).then(|| format!("not true: {path} {op} {expected}\n{path} is {found} in\n{reply:#}")),
    ))
}

fn bitmap(state: &mut Running<'_>, call: &Call<'_>) -> Result<Done> {
    let (node, name) = (call.text(0), call.text(1));
    let fields = call.arguments(state)?;
    let vm = state.running_vm(call.instance)?;
    let Some(info) = vm.node_info(node)? else {
        let nodes = vm.cmd("query-named-block-nodes", ())?;
        let known: Vec<_> =
            nodes.as_array().into_iter().flatten().filter_map(|it| it["node-name"].as_str()).collect();
        let hint = similar_word(node, &known).unwrap_or_else(|| format!("there are {}", known.join(", ")));
        return Err(Error::assertion(format!("there is no node {node:?}: {hint}")));
    };
    let bitmaps = info["dirty-bitmaps"].as_array();
    let Some(found) = bitmaps.into_iter().flatten().find(|bitmap| bitmap["name"] == name) else {
        return Ok(Done::claim(Some(format!("node {node} has no dirty bitmap {name}"))));
    };
    let fits = fields.as_object().into_iter().flatten().all(|(field, value)| json_eq(&found[field], value));
    Ok(Done::claim((!fits).then(|| format!("bitmap {name} of {node} is not {fields}, but\n{found:#}"))))
}
