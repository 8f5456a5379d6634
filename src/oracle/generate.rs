//! Draws a sequence of operations from a seed, biased to where block drivers go wrong: next to the
//! borders of their metadata, at the end of the disk, and where something was done before.

use super::content::Bytes;
use super::model::{Model, Tail};
use super::op::{Abilities, Op};
use super::rng::Rng;

/// The most that one operation touches, unless a cluster is larger.
const MOST: u64 = 1 << 20;

/// What the sequences are drawn for.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// How large the disk is at first.
    pub(super) size: u64,
    /// What all sides can do.
    pub(super) can: Abilities,
    /// What offsets and lengths must be multiples of.
    pub(super) alignment: u64,
    /// The largest cluster of all sides.
    pub(super) cluster: u64,
    /// The borders of all sides, see [`Image::units`](super::Image::units).
    pub(super) units: Vec<u64>,
}

/// The kinds of operation, before they have a place.
#[derive(Clone, Copy)]
enum Draw {
    Write,
    Compressed,
    Zero,
    Discard,
    Read,
    Flush,
    Resize,
    Reopen,
    Kill,
    Snapshot,
    Revert,
    Forget,
    Overlay,
    Commit,
    Drop,
    Rebase,
}

/// How often each kind is drawn. Those that start processes are rare, for the sake of speed.
const WEIGHTS: [(u64, Draw, Abilities); 16] = [
    (400, Draw::Write, Abilities::NONE),
    (60, Draw::Compressed, Abilities::COMPRESS),
    (120, Draw::Zero, Abilities::ZEROES),
    (100, Draw::Discard, Abilities::DISCARD),
    (60, Draw::Read, Abilities::NONE),
    (60, Draw::Flush, Abilities::NONE),
    (20, Draw::Resize, Abilities::NONE),
    (15, Draw::Reopen, Abilities::NONE),
    (15, Draw::Kill, Abilities::KILL),
    (12, Draw::Snapshot, Abilities::SNAPSHOTS),
    (8, Draw::Revert, Abilities::SNAPSHOTS),
    (8, Draw::Forget, Abilities::SNAPSHOTS),
    (10, Draw::Overlay, Abilities::BACKING),
    (6, Draw::Commit, Abilities::BACKING),
    (4, Draw::Drop, Abilities::BACKING),
    (6, Draw::Rebase, Abilities::BACKING),
];

/// The sequence of this seed: always the same one on the same ground.
pub(super) fn generate(seed: u64, ground: &Ground, count: usize) -> Vec<Op> {
    let mut rng = Rng::new(seed);
    // Some kinds are left out of each sequence: many faults need the absence of what hides them.
    let weights = WEIGHTS.map(|(weight, draw, needs)| {
        let left_out = !matches!(draw, Draw::Write) && rng.percent(25);
        (if left_out || !ground.can.has(needs) { 0 } else { weight }, draw)
    });
    let mut generator = Generator {
        rng,
        ground,
        model: Model::new(ground.size, Bytes::one(0), Tail { cluster: 1, may_return: false }),
        hot: Vec::new(),
    };
    generator.hot = (0..3).map(|_| generator.border()).collect();
    let mut ops = Vec::with_capacity(count);
    // What is drawn and means nothing, such as a revert without a snapshot, is drawn again.
    for _ in 0..count * 50 {
        if ops.len() == count {
            break;
        }
        let op = generator.rng.weighted(&weights).and_then(|draw| generator.op(draw));
        if let Some(op) = op.filter(|op| generator.model.allows(op)) {
            generator.model.apply(&op);
            generator.remember(&op);
            ops.push(op);
        }
    }
    ops
}

struct Generator<'g> {
    rng: Rng,
    ground: &'g Ground,
    model: Model,
    /// Places to which operations come back.
    hot: Vec<u64>,
}

impl Generator<'_> {
    fn op(&mut self, draw: Draw) -> Option<Op> {
        let id = self.rng.below(6) as u8;
        Some(match draw {
            Draw::Write => {
                let (at, len) = self.range();
                let stripe = if self.rng.percent(50) { self.stripe(len) } else { 0 };
                Op::Write { at, len, byte: self.byte(), stripe }
            }
            Draw::Compressed => {
                let cluster = self.ground.cluster;
                let at = self.place() / cluster * cluster;
                Op::Compressed { at, len: cluster.min(self.model.size().checked_sub(at)?), byte: self.byte() }
            }
            Draw::Zero => {
                let (at, len) = self.range();
                let unmap = self.ground.can.has(Abilities::DISCARD) && self.rng.percent(50);
                Op::Zero { at, len, unmap }
            }
            Draw::Discard => {
                let (at, len) = self.range();
                Op::Discard { at, len }
            }
            Draw::Read => {
                let (at, len) = self.range();
                Op::Read { at, len }
            }
            Draw::Flush => Op::Flush,
            Draw::Resize => self.resize()?,
            Draw::Reopen => Op::Reopen,
            Draw::Kill => Op::Kill,
            Draw::Snapshot => Op::Snapshot { id },
            Draw::Revert | Draw::Forget => {
                let there = self.model.snapshots();
                let id = *there.get(usize::from(id) % there.len().max(1))?;
                if matches!(draw, Draw::Revert) { Op::Revert { id } } else { Op::Forget { id } }
            }
            Draw::Overlay => Op::Overlay,
            Draw::Commit => Op::Commit,
            Draw::Drop => Op::Drop,
            Draw::Rebase => {
                let below = self.model.depth().saturating_sub(2) as u64;
                let onto = self.rng.below(below + 1);
                Op::Rebase { onto: (onto < below).then_some(onto as usize) }
            }
        })
    }

    /// Where the next one is likely to come.
    fn remember(&mut self, op: &Op) {
        if let Some(range) = op.range()
            && self.rng.percent(15)
        {
            let at = self.rng.below(self.hot.len() as u64) as usize;
            self.hot[at] = if self.rng.percent(50) { range.start } else { range.end };
        }
    }

    fn byte(&mut self) -> u8 {
        1 + self.rng.below(255) as u8
    }

    fn stripe(&mut self, len: u64) -> u64 {
        let units: Vec<_> = self.ground.units.iter().copied().filter(|unit| *unit < len).collect();
        // A finer one makes the comparison slow, and shows no more.
        units.last().map_or(0, |unit| (*unit).max(len / 64).next_multiple_of(self.ground.alignment))
    }

    /// A multiple of one of the units, up to the size.
    fn border(&mut self) -> u64 {
        let unit = self.rng.pick(&self.ground.units);
        let most = self.model.size() / unit;
        // The first and the last few are more likely than those between.
        let number = match self.rng.below(3) {
            0 => self.rng.below(4).min(most),
            1 => most.saturating_sub(self.rng.below(4)),
            _ => self.rng.below(most + 1),
        };
        number * unit
    }

    fn place(&mut self) -> u64 {
        let size = self.model.size();
        match self.rng.below(10) {
            0..=5 => {
                let hot = self.rng.pick(&self.hot);
                let near = self.rng.below(5) * self.ground.cluster;
                if self.rng.percent(50) { hot.saturating_add(near) } else { hot.saturating_sub(near) }
            }
            6..=7 => self.border(),
            8 => size.saturating_sub(self.rng.below(4 * self.ground.cluster)),
            _ => self.rng.below(size),
        }
        .min(size)
    }

    fn len(&mut self) -> u64 {
        let cluster = self.ground.cluster;
        let most = MOST.max(cluster);
        let unit = self.rng.pick(&self.ground.units).min(most);
        let len = match self.rng.below(10) {
            0 => 1 + self.rng.below(600),
            1 | 2 => 512 * (1 + self.rng.below(16)),
            3 | 4 => unit,
            5 => unit.saturating_sub(512),
            6 => unit + 512,
            7 => cluster * (1 + self.rng.below(4)),
            8 => unit / 2 + self.rng.below(unit),
            _ => self.rng.below(4 * cluster),
        };
        len.clamp(1, most)
    }

    fn range(&mut self) -> (u64, u64) {
        let align = self.ground.alignment;
        let len = self.len();
        let at = match self.rng.below(8) {
            // Ends at a border, or crosses it.
            0 => self.place().saturating_sub(len),
            1 => self.place().saturating_sub(len / 2),
            2 => self.place() + 512,
            3 => self.place().saturating_sub(512),
            4 => self.place() + self.rng.below(512),
            _ => self.place(),
        };
        let at = if self.rng.percent(70) { at / 512 * 512 } else { at };
        let at = at / align * align;
        let rest = self.model.size().saturating_sub(at);
        (at, len.next_multiple_of(align).min(rest / align * align))
    }

    fn resize(&mut self) -> Option<Op> {
        let size = self.model.size();
        let by = match self.rng.below(4) {
            0 => 512 * (1 + self.rng.below(8)),
            1 => self.ground.cluster * (1 + self.rng.below(3)),
            _ => self.len(),
        };
        let grows = self.ground.can.has(Abilities::GROW);
        let shrinks = self.ground.can.has(Abilities::SHRINK);
        let grow = if grows && shrinks { self.rng.percent(50) } else { grows };
        let to = if grow { size + by } else { size.saturating_sub(by) };
        let unit = self.ground.alignment.max(512);
        let fits = (grow && grows) || (!grow && shrinks);
        fits.then_some(Op::Resize { to: to / unit * unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Image;

    fn ground(can: Abilities, alignment: u64) -> Ground {
        let image = Image::new("qcow2").options("cluster_size=4k");
        Ground { size: image.usual_size(), can, alignment, cluster: image.cluster(), units: image.units() }
    }

    #[test]
    fn a_seed_always_means_the_same_sequence() {
        let ground = ground(Abilities::ALL, 1);
        let [first, again, other] = [7, 7, 8].map(|seed| generate(seed, &ground, 300));
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(first.len(), 300);
        // A kept seed would lose its meaning without anybody noticing.
        let text: Vec<_> = first.iter().take(3).map(ToString::to_string).collect();
        assert_eq!(text, EXPECTED);
    }

    const EXPECTED: [&str; 3] =
        ["create snapshot s3", "write 0xa0 at 15752192, 1048064 bytes", "discard at 16794624, 3584 bytes"];

    #[test]
    fn only_what_all_sides_can_do_is_drawn() {
        let sets = [Abilities::NONE, Abilities::ZEROES, Abilities::KILL, Abilities::GROW, Abilities::BACKING];
        for can in sets {
            let ground = ground(can, 512);
            for seed in 0..20 {
                let mut size = ground.size;
                for op in generate(seed, &ground, 200) {
                    assert!(can.has(op.needs()), "{op} for {can:?}");
                    if let Some(range) = op.range() {
                        assert!(
                            range.start.is_multiple_of(512)
                                && range.end.is_multiple_of(512)
                                && range.end <= size,
                            "{op}"
                        );
                    }
                    if let Op::Resize { to } = op {
                        assert!(to > size && can.has(Abilities::GROW), "{op} for {can:?}");
                        size = to;
                    }
                }
            }
        }
    }

    #[test]
    fn every_kind_of_operation_is_drawn() {
        let ground = ground(Abilities::ALL, 1);
        let all: Vec<_> = (0..20).flat_map(|seed| generate(seed, &ground, 200)).collect();
        let kinds: std::collections::HashSet<_> = all.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 16);
    }
}
