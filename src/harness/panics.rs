//! Panics in a case: caught with their place, and kept out of libtest's lines.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// A panic that was caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Panic {
    /// Its message.
    pub(super) message: String,
    /// File and line, where known.
    pub(super) location: Option<(String, u32)>,
    /// The stack, if `RUST_BACKTRACE` asks for it.
    pub(super) backtrace: Option<String>,
}

thread_local! {
    /// Set while this thread runs a case: where the hook leaves what it saw.
    static CAUGHT: RefCell<Option<Option<Panic>>> = const { RefCell::new(None) };
}

/// Runs `body` and catches its panic. Nothing is printed.
pub(super) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !note(info) {
                usual(info);
            }
        }));
    });
    CAUGHT.set(Some(None));
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    let caught = CAUGHT.take().flatten();
    result.map_err(|_| caught.unwrap_or_default())
}

/// Keeps the first panic of a thread that runs a case; says whether this is such a thread.
fn note(info: &PanicHookInfo<'_>) -> bool {
    CAUGHT.with_borrow_mut(|slot| match slot {
        None => false,
        Some(first) => {
            first.get_or_insert_with(|| Panic {
                message: message(info),
                location: info.location().map(|place| (place.file().to_owned(), place.line())),
                backtrace: backtrace(),
            });
            true
        }
    })
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a value that is not text").to_owned()
}

fn backtrace() -> Option<String> {
    let trace = Backtrace::capture();
    (trace.status() == BacktraceStatus::Captured).then(|| case_frames(&trace.to_string()))
}

/// The frames between the panic's own and those of the harness; all of them if these do not show.
fn case_frames(trace: &str) -> String {
    let lines: Vec<_> = trace.lines().collect();
    let frame = |part: &str| lines.iter().position(|line| line.contains(part));
    let start = lines.iter().rposition(|line| line.contains(": core::panicking::"));
    let start = start.map_or(0, |at| at + 1 + usize::from(is_place(lines.get(at + 1))));
    let end = frame(": iotests::harness::trial::").unwrap_or(lines.len());
    lines.get(start..end).unwrap_or(&lines).join("\n")
}

/// Whether this line has the place of the frame before it.
fn is_place(line: Option<&&str>) -> bool {
    line.is_some_and(|line| line.trim_start().starts_with("at "))
}
