//! The block graph of a running VM.

use serde_json::Value;

use super::Vm;
use crate::error::{Error, Result, TestResult};
use crate::test::{failed, located};

impl Vm {
    /// The entry of a node in `query-named-block-nodes` (`iotests.py: VM.node_info`).
    ///
    /// # Errors
    /// Those of [`Vm::cmd`].
    pub fn node_info(&mut self, node: &str) -> Result<Option<Value>> {
        let nodes = self.cmd("query-named-block-nodes", ())?;
        Ok(nodes.as_array().into_iter().flatten().find(|entry| entry["node-name"] == node).cloned())
    }

    /// Demands a node by its name, its file, or both
    /// (`iotests.py: QMPTestCase.assert_has_block_node`).
    ///
    /// # Errors
    /// A failed assertion that shows all nodes.
    #[track_caller]
    pub fn assert_has_block_node(&mut self, node: Option<&str>, file: Option<&str>) -> TestResult {
        if node.is_none_or(str::is_empty) && file.is_none_or(str::is_empty) {
            return Err(failed("assert_has_block_node needs a node name or a file name".to_owned()));
        }
        let nodes = self.cmd("query-named-block-nodes", ())?;
        // A key that an entry lacks fits anything.
        let fits = |entry: &Value, key: &str, wanted: Option<&str>| {
            entry[key].as_str().is_none_or(|got| wanted.is_none_or(|wanted| got == wanted))
        };
        let mut entries = nodes.as_array().into_iter().flatten();
        if entries.any(|entry| fits(entry, "node-name", node) && fits(entry, "file", file)) {
            return Ok(());
        }
        Err(failed(format!(
            "no node is called {} with file {} in\n{nodes:#}",
            node.unwrap_or("anything"),
            file.unwrap_or("of any name")
        )))
    }

    /// Demands that `path` leads from `root` to a node of this name, or with `None` that its last
    /// step leads nowhere (`iotests.py: VM.assert_block_path`).
    ///
    /// A path is the names of children, such as `/backing/file`; it starts with a slash.
    ///
    /// # Errors
    /// A failed assertion that says how far the path went, with all edges of the graph.
    #[track_caller]
    pub fn assert_block_path(&mut self, root: &str, path: &str, expected: Option<&str>) -> TestResult {
        let graph = self.cmd("x-debug-query-block-graph", ())?;
        self.test().assert_path_in(&graph, root, path, expected)
    }

    /// What is wrong with the claim of [`Vm::assert_block_path`], or `None` if it holds.
    ///
    /// # Errors
    /// [`Error::Assertion`] when there is no such root, or the path ends before
    /// its last step; those of [`Vm::cmd`].
    pub(crate) fn block_path_differs(
        &mut self,
        root: &str,
        path: &str,
        expected: Option<&str>,
    ) -> Result<Option<String>> {
        let graph = self.cmd("x-debug-query-block-graph", ())?;
        differs(&graph, root, path, expected).map_err(Error::assertion)
    }
}

impl crate::test::Test {
    /// As [`Vm::assert_block_path`] on what `x-debug-query-block-graph` returned before.
    ///
    /// # Errors
    /// A failed assertion that says how far the path went, with all edges of the graph.
    #[track_caller]
    pub fn assert_path_in(
        &self,
        graph: &Value,
        root: &str,
        path: &str,
        expected: Option<&str>,
    ) -> TestResult {
        match located(differs(graph, root, path, expected))? {
            None => Ok(()),
            Some(why) => Err(failed(why)),
        }
    }
}

/// What is wrong with the claim that a path leads to this node, or to none; `None` if it holds. The error
/// is a path that cannot be followed up to its last step.
fn differs(graph: &Value, root: &str, path: &str, expected: Option<&str>) -> Result<Option<String>, String> {
    let found = match (follow(graph, root, path)?, expected) {
        (Some(node), Some(expected)) if node == expected => return Ok(None),
        (None, None) => return Ok(None),
        (Some(node), _) => format!("node {node:?}"),
        (None, _) => "no node".to_owned(),
    };
    let expected = expected.map_or_else(|| "none".to_owned(), |name| format!("{name:?}"));
    Ok(Some(format!("at {path:?} of {root:?} is {found}, expected {expected}; {}", description(graph))))
}

/// The name of the node a path leads to; `None` when only its last step leads nowhere.
fn follow<'a>(graph: &'a Value, root: &str, path: &str) -> Result<Option<&'a str>, String> {
    let Some(steps) = path.strip_prefix('/') else {
        return Err(format!("block path {path:?} must start with a slash"));
    };
    let Some(mut node) = nodes(graph).find(|node| node["name"] == root) else {
        return Err(format!("there is no node {root:?} to start from; {}", description(graph)));
    };
    let mut steps = steps.split('/').peekable();
    while let Some(step) = steps.next() {
        let edge = edges(graph).find(|edge| edge["parent"] == node["id"] && edge["name"] == step);
        let child = edge.and_then(|edge| nodes(graph).find(|node| node["id"] == edge["child"]));
        node = match child {
            Some(child) => child,
            None if steps.peek().is_none() => return Ok(None),
            None => {
                return Err(format!(
                    "block path {path:?} of {root:?} ends before {step:?}; {}",
                    description(graph)
                ));
            }
        };
    }
    Ok(node["name"].as_str())
}

fn nodes(graph: &Value) -> impl Iterator<Item = &Value> {
    graph["nodes"].as_array().into_iter().flatten()
}

fn edges(graph: &Value) -> impl Iterator<Item = &Value> {
    graph["edges"].as_array().into_iter().flatten()
}

/// The graph as people read it: an edge a line, permissions left out.
fn description(graph: &Value) -> String {
    let name = |id: &Value| {
        let node = nodes(graph).find(|node| node["id"] == *id);
        node.and_then(|node| node["name"].as_str()).unwrap_or("?")
    };
    let mut text = "the whole graph is".to_owned();
    for edge in edges(graph) {
        let child = edge["name"].as_str().unwrap_or("?");
        text += &format!("\n    {} /{child} {}", name(&edge["parent"]), name(&edge["child"]));
    }
    text
}
