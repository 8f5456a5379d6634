//! QMP values: equality as Python has it, paths into them, matching, order and flattening.

mod equal;
mod event;
mod flatten;
mod order;
mod path;

pub use equal::{py_cmp, py_eq};
pub use event::event_match;
pub use flatten::{NotText, flatten_qmp_object, json_filename, qmp_to_opts};
pub use order::ordered_qmp;
pub use path::{MismatchError, PathError, PathProblem, PresentError, absent_qmp, dictpath, matches_qmp};
