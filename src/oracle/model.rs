//! The shadow model: what a disk must hold after each operation, with its snapshots and the chain of
//! images below it. It knows neither QEMU nor files.

use std::collections::BTreeMap;
use std::ops::Range;

use super::content::{Bytes, Content};
use super::op::{Op, stripes};

/// How many images a chain may have.
const MOST_LAYERS: usize = 4;
/// How many snapshots an image may have.
const MOST_SNAPSHOTS: usize = 4;

#[derive(Clone, Debug)]
struct State {
    size: u64,
    content: Content,
}

#[derive(Clone, Debug)]
struct Layer {
    state: State,
    snapshots: BTreeMap<u8, State>,
}

/// A disk as it must be.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// The images of the chain, the lowest first, each with what is seen through it.
    layers: Vec<Layer>,
    tail: Tail,
}

/// What becomes of the rest of the last cluster when a disk shrinks into its middle. It stays allocated, so that it counts
/// as touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// How large a cluster is.
    pub(super) cluster: u64,
    /// Whether what was there may come back when the disk grows again.
    pub(super) may_return: bool,
}

impl Model {
    /// A new disk of this size.
    pub(super) fn new(size: u64, blank: Bytes, tail: Tail) -> Self {
        let state = State { size, content: Content::new(blank) };
        Self { layers: vec![Layer { state, snapshots: BTreeMap::new() }], tail }
    }

    pub(super) fn size(&self) -> u64 {
        self.state().size
    }

    pub(super) fn content(&self) -> &Content {
        &self.state().content
    }

    /// How many images the chain has.
    pub(super) fn depth(&self) -> usize {
        self.layers.len()
    }

    /// The snapshots of the image on top.
    pub(super) fn snapshots(&self) -> Vec<u8> {
        self.top().snapshots.keys().copied().collect()
    }

    /// Whether the operation means anything here. What does not is left out: when a sequence is
    /// shrunk, what an operation needs may have gone.
    pub(super) fn allows(&self, op: &Op) -> bool {
        if let Some(range) = op.range() {
            return !range.is_empty() && range.end <= self.size();
        }
        let snapshots = &self.top().snapshots;
        match *op {
            // Formats differ in whether an image with snapshots can be resized.
            Op::Resize { to } => to > 0 && to != self.size() && snapshots.is_empty(),
            Op::Snapshot { id } => !snapshots.contains_key(&id) && snapshots.len() < MOST_SNAPSHOTS,
            Op::Revert { id } | Op::Forget { id } => snapshots.contains_key(&id),
            Op::Overlay => self.depth() < MOST_LAYERS,
            // What the snapshots of an overlay hold would change with what is below it.
            Op::Commit => self.depth() > 1 && snapshots.is_empty(),
            Op::Drop => self.depth() > 1,
            Op::Rebase { onto } => {
                self.depth() > 1 && snapshots.is_empty() && onto.is_none_or(|layer| layer + 2 < self.depth())
            }
            _ => true,
        }
    }

    /// Does what the operation does to a disk that gets it right.
    pub(super) fn apply(&mut self, op: &Op) {
        match *op {
            Op::Write { at, len, byte, stripe } => {
                for (piece, byte) in stripes(at, len, byte, stripe) {
                    self.content_mut().set(piece, Bytes::one(byte));
                }
            }
            Op::Compressed { at, len, byte } => self.content_mut().set(at..at + len, Bytes::one(byte)),
            Op::Zero { at, len, .. } => self.content_mut().set(at..at + len, Bytes::one(0)),
            Op::Discard { at, len } => self.content_mut().maybe_zero(at..at + len),
            Op::Read { .. } => {}
            Op::Kill => self.content_mut().crash(),
            _ => {
                self.apply_offline(op);
                // All of these close the image or flush it.
                self.content_mut().flush();
            }
        }
    }

    fn apply_offline(&mut self, op: &Op) {
        let depth = self.depth();
        match *op {
            Op::Resize { to } => {
                if to < self.size() {
                    self.shrink(to);
                } else {
                    self.grow();
                }
                self.state_mut().size = to;
            }
            Op::Snapshot { id } => {
                self.content_mut().flush();
                let state = self.state().clone();
                self.top_mut().snapshots.insert(id, state);
            }
            Op::Revert { id } => {
                if let Some(state) = self.top().snapshots.get(&id).cloned() {
                    *self.state_mut() = state;
                }
            }
            Op::Forget { id } => {
                self.top_mut().snapshots.remove(&id);
            }
            Op::Overlay => {
                self.content_mut().flush();
                let state = self.state().clone();
                self.layers.push(Layer { state, snapshots: BTreeMap::new() });
            }
            Op::Commit if depth > 1 => {
                self.content_mut().flush();
                let top = self.state().clone();
                let below = &mut self.layers[depth - 2].state;
                below.content.overwrite(&top.content, top.size);
                below.size = below.size.max(top.size);
            }
            Op::Drop if depth > 1 => {
                self.layers.pop();
            }
            Op::Rebase { onto } if depth > 1 => {
                self.layers.drain(onto.map_or(0, |layer| layer + 1)..depth - 1);
            }
            _ => {}
        }
    }

    fn shrink(&mut self, to: u64) {
        let kept = to..to.next_multiple_of(self.tail.cluster);
        self.content_mut().cut(kept.end);
        if !self.content().is_touched(&kept) {
            return;
        }
        if self.tail.may_return {
            self.content_mut().maybe_zero(kept);
        } else {
            self.content_mut().blank(kept);
        }
    }

    /// The rest of what was the last cluster may be written, with what new space holds.
    fn grow(&mut self) {
        let rest = self.size()..self.size().next_multiple_of(self.tail.cluster);
        if !self.content().is_touched(&rest) {
            self.content_mut().blank(rest);
        }
    }

    /// Notes that a read has returned this.
    pub(super) fn settle(&mut self, range: Range<u64>, byte: u8) {
        self.content_mut().settle(range, byte);
    }

    fn top(&self) -> &Layer {
        // There is always one: a chain begins with one, and only what is above the first is dropped.
        &self.layers[self.layers.len() - 1]
    }

    fn top_mut(&mut self) -> &mut Layer {
        let last = self.layers.len() - 1;
        &mut self.layers[last]
    }

    fn state(&self) -> &State {
        &self.top().state
    }

    fn state_mut(&mut self) -> &mut State {
        &mut self.top_mut().state
    }

    fn content_mut(&mut self) -> &mut Content {
        &mut self.state_mut().content
    }
}

/// Those of the operations that mean something, one after the other, on a disk of this size.
pub(super) fn meaningful(size: u64, ops: &[Op]) -> Vec<Op> {
    let mut model = Model::new(size, Bytes::one(0), Tail { cluster: 1, may_return: false });
    let mut kept = Vec::with_capacity(ops.len());
    for op in ops {
        if model.allows(op) {
            model.apply(op);
            kept.push(op.clone());
        }
    }
    kept
}
