//! Filters on QMP messages: they change leaves, never keys.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::image::filter_imgfmt;
use super::paths::Paths;
use super::text::{filter_generated_node_ids, filter_virtio_scsi};

/// Where a leaf hangs in its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// Under this name of an object.
    Name(&'a str),
    /// At this place of a list.
    Index(usize),
    /// Nowhere: the message is itself a leaf.
    Whole,
}

/// Puts `filter(key, leaf)` in the place of every leaf of a message, however deep (`iotests.py:
/// filter_qmp`).
///
/// A message that is itself a leaf is filtered too, as in later upstream versions; `iotests.py` raises.
pub fn filter_qmp(value: &mut Value, mut filter: impl FnMut(Key<'_>, Value) -> Value) {
    filter_at(Key::Whole, value, &mut filter);
}

fn filter_at<F: FnMut(Key<'_>, Value) -> Value>(key: Key<'_>, value: &mut Value, filter: &mut F) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                filter_at(Key::Name(name), value, filter);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                filter_at(Key::Index(index), value, filter);
            }
        }
        leaf => *leaf = filter(key, leaf.take()),
    }
}

/// Applies a text filter to every string of a message.
pub fn filter_qmp_strings(value: &mut Value, filter: impl for<'b> Fn(&'b str) -> Cow<'b, str>) {
    filter_qmp(value, |_, leaf| match leaf {
        Value::String(text) => Value::String(match filter(&text) {
            Cow::Borrowed(same) if same.len() == text.len() => text,
            changed => changed.into_owned(),
        }),
        other => other,
    });
}

/// Hides the paths of scratch files (`iotests.py: filter_qmp_testfiles`).
pub fn filter_qmp_testfiles(value: &mut Value, paths: &Paths) {
    let prefixes = paths.prefixes();
    filter_qmp_strings(value, |text| prefixes.hide(text));
}

/// Hides the image format (`iotests.py: filter_qmp_imgfmt`).
pub fn filter_qmp_imgfmt(value: &mut Value, imgfmt: &str) {
    filter_qmp_strings(value, |text| filter_imgfmt(text, imgfmt));
}

/// Makes the PCI and the CCW device one name (`iotests.py: filter_qmp_virtio_scsi`).
pub fn filter_qmp_virtio_scsi(value: &mut Value) {
    filter_qmp_strings(value, filter_virtio_scsi);
}

/// Hides node names that QEMU made up (`filter_qmp_generated_node_ids` of later upstream versions).
pub fn filter_qmp_generated_node_ids(value: &mut Value) {
    filter_qmp_strings(value, filter_generated_node_ids);
}

/// A copy of an event whose time is `SECS` and `USECS` (`iotests.py: filter_qmp_event`).
///
/// An event without a timestamp stays as it is, as does, for which `iotests.py` raises, one whose timestamp is
/// no object, and whatever is no object itself. Unlike that of `iotests.py`, this never touches the caller's event.
pub fn filter_qmp_event(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(Value::Object(timestamp)) = event.get_mut("timestamp") {
        timestamp.insert("seconds".to_owned(), json!("SECS"));
        timestamp.insert("microseconds".to_owned(), json!("USECS"));
    }
    event
}
