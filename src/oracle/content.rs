//! What a disk may hold, byte by byte: sparse, and exact even where several values are right.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// A set of byte values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    pub(super) fn one(byte: u8) -> Self {
        let mut words = [0; 4];
        words[usize::from(byte >> 6)] = 1 << (byte & 63);
        Self(words)
    }

    pub(super) fn any() -> Self {
        Self([u64::MAX; 4])
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    pub(super) fn has(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| self.has(*byte))
    }

    /// The value, if there is one only.
    pub(super) fn only(self) -> Option<u8> {
        let mut values = self.iter();
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::any() {
            return f.write_str("anything");
        }
        let values: Vec<_> = self.iter().map(|byte| format!("{byte:#04x}")).collect();
        f.write_str(&values.join(" or "))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What one byte may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// What a read may return now.
    pub(super) now: Bytes,
    /// What a read may return after a crash: what was flushed, and all that came since.
    pub(super) durable: Bytes,
}

impl Cell {
    fn of(bytes: Bytes) -> Self {
        Self { now: bytes, durable: bytes }
    }
}

/// The content of a disk.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// What was never touched.
    blank: Bytes,
    /// By their start: the end, and what each byte of it may be. They do not overlap.
    touched: BTreeMap<u64, (u64, Cell)>,
}

impl Content {
    /// A disk that was never touched, and holds one of these all over.
    pub(super) fn new(blank: Bytes) -> Self {
        Self { blank, touched: BTreeMap::new() }
    }

    /// Every byte of `range` now holds one of these, and may still be what it was after a crash.
    pub(super) fn set(&mut self, range: Range<u64>, now: Bytes) {
        self.change(range, |cell| Cell { now, durable: cell.durable.or(now) });
    }

    /// Every byte of `range` is what it was, or zero.
    pub(super) fn maybe_zero(&mut self, range: Range<u64>) {
        self.change(range, |cell| {
            let now = cell.now.or(Bytes::one(0));
            Cell { now, durable: cell.durable.or(now) }
        });
    }

    /// Every byte of `range` is as if it had never been touched.
    pub(super) fn blank(&mut self, range: Range<u64>) {
        self.set(range, self.blank);
    }

    /// A read has returned this: it is the value from now on.
    pub(super) fn settle(&mut self, range: Range<u64>, byte: u8) {
        self.change(range, |cell| Cell { now: Bytes::one(byte), durable: cell.durable });
    }

    /// What is there now survives a crash.
    pub(super) fn flush(&mut self) {
        self.touched.values_mut().for_each(|(_, cell)| cell.durable = cell.now);
        self.join();
    }

    /// Only what survives a crash is there now.
    pub(super) fn crash(&mut self) {
        self.touched.values_mut().for_each(|(_, cell)| cell.now = cell.durable);
        self.join();
    }

    /// Drops all from `size` on.
    pub(super) fn cut(&mut self, size: u64) {
        self.split(size);
        self.touched.split_off(&size);
    }

    /// Puts the first `size` bytes of `other` in the place of our own.
    pub(super) fn overwrite(&mut self, other: &Self, size: u64) {
        self.split(size);
        let beyond = self.touched.split_off(&size);
        self.touched = other.touched.clone();
        self.cut(size);
        self.touched.extend(beyond);
    }

    /// What was touched, in order; neighbours apart.
    pub(super) fn touched(&self) -> impl Iterator<Item = Range<u64>> {
        self.touched.iter().map(|(start, (end, _))| *start..*end)
    }

    /// Whether any byte of `range` was ever touched.
    pub(super) fn is_touched(&self, range: &Range<u64>) -> bool {
        let before = self.touched.range(..range.end).next_back();
        before.is_some_and(|(_, (end, _))| *end > range.start)
    }

    /// What `range` holds, in pieces of equal bytes, touched or not.
    pub(super) fn pieces(&self, range: Range<u64>) -> Vec<(Range<u64>, Cell)> {
        let first = self.touched.range(..=range.start).next_back().map_or(range.start, |(start, _)| *start);
        let mut pieces = Vec::new();
        let mut at = range.start;
        for (start, (end, cell)) in self.touched.range(first..range.end) {
            if *end <= at {
                continue;
            }
            if *start > at {
                pieces.push((at..*start, Cell::of(self.blank)));
            }
            let to = (*end).min(range.end);
            pieces.push((at.max(*start)..to, *cell));
            at = to;
        }
        if at < range.end {
            pieces.push((at..range.end, Cell::of(self.blank)));
        }
        pieces
    }

    fn change(&mut self, range: Range<u64>, change: impl Fn(Cell) -> Cell) {
        if range.is_empty() {
            return;
        }
        self.split(range.start);
        self.split(range.end);
        let pieces = self.pieces(range.clone());
        let mut beyond = self.touched.split_off(&range.start);
        let mut beyond = beyond.split_off(&range.end);
        self.touched.extend(pieces.into_iter().map(|(piece, cell)| (piece.start, (piece.end, change(cell)))));
        self.touched.append(&mut beyond);
        self.join_near(&range);
    }

    /// Has a piece begin at `at`, if there is one around it.
    fn split(&mut self, at: u64) {
        let around = self.touched.range_mut(..at).next_back().filter(|(_, (end, _))| *end > at);
        if let Some((_, (end, cell))) = around {
            let rest = (*end, *cell);
            *end = at;
            self.touched.insert(at, rest);
        }
    }

    fn join(&mut self) {
        self.join_near(&(0..u64::MAX));
    }

    /// Makes one piece of equal neighbours in and around `range`, so that many small writes do not
    /// make every later step slow.
    fn join_near(&mut self, range: &Range<u64>) {
        let first = self.touched.range(..range.start).next_back().map_or(range.start, |(start, _)| *start);
        let starts: Vec<u64> = self.touched.range(first..=range.end).map(|(start, _)| *start).collect();
        let mut last: Option<(u64, u64, Cell)> = None;
        for start in starts {
            let Some(&(end, cell)) = self.touched.get(&start) else { continue };
            match &mut last {
                Some((into, until, same)) if *until == start && *same == cell => {
                    self.touched.remove(&start);
                    self.touched.insert(*into, (end, cell));
                    *until = end;
                }
                _ => last = Some((start, end, cell)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::*;

    /// The same disk as a plain vector.
    struct Plain(Vec<Cell>);

    #[test]
    fn it_is_what_a_vector_of_bytes_would_be() {
        const SIZE: u64 = 97;
        let mut rng = Rng::new(1);
        for _ in 0..200 {
            let (mut content, mut plain) =
                (Content::new(Bytes::one(0)), Plain(vec![Cell::of(Bytes::one(0)); SIZE as usize]));
            for _ in 0..40 {
                let start = rng.below(SIZE);
                let range = start..start + 1 + rng.below(SIZE - start);
                let byte = rng.below(4) as u8;
                let cells = &mut plain.0[range.start as usize..range.end as usize];
                match rng.below(7) {
                    0 | 1 => {
                        let now = Bytes::one(byte);
                        content.set(range, now);
                        cells.iter_mut().for_each(|cell| {
                            *cell = Cell { now, durable: cell.durable.or(now) };
                        });
                    }
                    2 => {
                        content.maybe_zero(range);
                        cells.iter_mut().for_each(|cell| {
                            let now = cell.now.or(Bytes::one(0));
                            *cell = Cell { now, durable: cell.durable.or(now) };
                        });
                    }
                    3 => {
                        content.settle(range, byte);
                        cells.iter_mut().for_each(|cell| cell.now = Bytes::one(byte));
                    }
                    4 => {
                        content.flush();
                        plain.0.iter_mut().for_each(|cell| cell.durable = cell.now);
                    }
                    5 => {
                        content.crash();
                        plain.0.iter_mut().for_each(|cell| cell.now = cell.durable);
                    }
                    _ => {
                        content.cut(range.start);
                        plain.0[range.start as usize..].fill(Cell::of(Bytes::one(0)));
                    }
                }
            }
            let pieces = content.pieces(0..SIZE);
            let flat: Vec<Cell> = pieces
                .iter()
                .flat_map(|(range, cell)| std::iter::repeat_n(*cell, (range.end - range.start) as usize))
                .collect();
            assert_eq!(flat, plain.0);
            let touched: Vec<_> = content.touched().collect();
            assert!(touched.windows(2).all(|pair| pair[0].end <= pair[1].start), "{touched:?}");
        }
    }

    #[test]
    fn equal_neighbours_become_one() {
        let mut content = Content::new(Bytes::one(0));
        for at in [0, 2, 1, 3] {
            content.set(at..at + 1, Bytes::one(7));
        }
        content.flush();
        assert_eq!(content.touched().collect::<Vec<_>>(), vec![0..4]);
        assert!(content.is_touched(&(3..9)) && !content.is_touched(&(4..9)));
    }
}
