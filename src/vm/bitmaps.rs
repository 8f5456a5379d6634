//! Dirty bitmaps of a running VM.

use serde_json::{Map, Value};

use super::Vm;
use crate::error::{Error, Result};
use crate::value::py_eq;

impl Vm {
    /// The dirty bitmaps of every node that has any, by node name
    /// (`iotests.py: VM.query_bitmaps`).
    ///
    /// # Errors
    /// Those of [`Vm::cmd`].
    pub fn query_bitmaps(&mut self) -> Result<Map<String, Value>> {
        let nodes = self.cmd("query-named-block-nodes", ())?;
        let nodes = nodes.as_array().into_iter().flatten();
        Ok(nodes
            .filter_map(|node| {
                Some((node["node-name"].as_str()?.to_owned(), node.get("dirty-bitmaps")?.clone()))
            })
            .collect())
    }

    /// A bitmap of a node, by name; `recording` narrows the search to bitmaps that do or do not
    /// record (`iotests.py: VM.get_bitmap`).
    ///
    /// # Errors
    /// [`Error::Assertion`] when the node has no bitmaps at all.
    pub fn get_bitmap(&mut self, node: &str, bitmap: &str, recording: Option<bool>) -> Result<Option<Value>> {
        let bitmaps = self.query_bitmaps()?;
        find_bitmap(&bitmaps, node, bitmap, recording)
    }

    /// Whether a bitmap has all of these fields (`iotests.py: VM.check_bitmap_status`).
    ///
    /// # Errors
    /// [`Error::Assertion`] when there is no such bitmap; [`Error::Misuse`] when `fields` is no object.
    pub fn check_bitmap_status(&mut self, node: &str, bitmap: &str, fields: &Value) -> Result<bool> {
        let Some(found) = self.get_bitmap(node, bitmap, None)? else {
            return Err(Error::assertion(format!("node {node} has no dirty bitmap {bitmap}")));
        };
        let Some(fields) = fields.as_object() else {
            return Err(Error::misuse(format!("fields of a bitmap are an object, this is {fields}")));
        };
        Ok(fields.iter().all(|(key, value)| found.get(key).is_some_and(|got| py_eq(got, value))))
    }
}

/// A bitmap in what [`Vm::query_bitmaps`] returned.
///
/// # Errors
/// [`Error::Assertion`] when the node has no bitmaps at all.
pub fn find_bitmap(
    bitmaps: &Map<String, Value>,
    node: &str,
    bitmap: &str,
    recording: Option<bool>,
) -> Result<Option<Value>> {
    let Some(list) = bitmaps.get(node) else {
        let known: Vec<_> = bitmaps.keys().map(String::as_str).collect();
        return Err(Error::assertion(format!(
            "node {node} has no dirty bitmaps; nodes that have: {}",
            known.join(", ")
        )));
    };
    let mut list = list.as_array().into_iter().flatten();
    Ok(list
        .find(|entry| {
            entry["name"].as_str().unwrap_or_default() == bitmap
                && recording.is_none_or(|wanted| entry["recording"] == wanted)
        })
        .cloned())
}
