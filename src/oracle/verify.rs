//! Compares a disk with its model, where they can differ.

use std::ops::Range;

use super::content::{Bytes, Cell};
use super::disk::Disk;
use super::finding::Stop;
use super::model::Model;

/// How far around an operation is compared at most; a whole cluster, if it is smaller.
const AROUND: u64 = 2 << 20;
/// How much is read at a time where more than one value is right.
const PIECE: u64 = 256 << 10;

/// Compares `range` and the rest of the clusters in which it begins and ends, and one more on both sides: what is
/// copied when a cluster is written is wrong there first.
pub(super) fn near(
    disk: &mut dyn Disk,
    model: &mut Model,
    range: &Range<u64>,
    cluster: u64,
) -> Result<(), Stop> {
    let around = rounded(range, cluster.min(AROUND));
    let cluster = cluster.min(AROUND);
    compare(disk, model, around.start.saturating_sub(cluster)..around.end.saturating_add(cluster))
}

/// Compares every cluster that was ever touched. Nothing else can be other than zero, short of a fault that `qemu-img
/// map` shows.
pub(super) fn all(disk: &mut dyn Disk, model: &mut Model, cluster: u64) -> Result<(), Stop> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for touched in model.content().touched() {
        let next = rounded(&touched, cluster.min(AROUND));
        match ranges.last_mut() {
            Some(last) if last.end >= next.start => last.end = last.end.max(next.end),
            _ => ranges.push(next),
        }
    }
    ranges.into_iter().try_for_each(|range| compare(disk, model, range))
}

fn rounded(range: &Range<u64>, to: u64) -> Range<u64> {
    range.start / to * to..range.end.checked_next_multiple_of(to).unwrap_or(range.end)
}

fn compare(disk: &mut dyn Disk, model: &mut Model, range: Range<u64>) -> Result<(), Stop> {
    let end = range.end.min(model.size());
    if range.start >= end {
        return Ok(());
    }
    for (piece, cell) in model.content().pieces(range.start..end) {
        match cell.now.only() {
            Some(byte) => {
                if !disk.holds(piece.start, piece.end - piece.start, byte)? {
                    return Err(difference(disk, &piece, cell));
                }
            }
            None => settle(disk, model, &piece, cell)?,
        }
    }
    Ok(())
}

/// Reads what may be one of several values, and takes the model at its word from now on.
fn settle(disk: &mut dyn Disk, model: &mut Model, piece: &Range<u64>, cell: Cell) -> Result<(), Stop> {
    let len = piece.end - piece.start;
    if cell.now == Bytes::any() {
        return Ok(());
    }
    for byte in cell.now.iter() {
        if disk.holds(piece.start, len, byte)? {
            model.settle(piece.clone(), byte);
            return Ok(());
        }
    }
    // Old in some places and new in others, as after a crash.
    let mut at = piece.start;
    while at < piece.end {
        let mut bytes = vec![0; PIECE.min(piece.end - at) as usize];
        disk.read(at, &mut bytes)?;
        for run in bytes.chunk_by(|one, next| one == next) {
            if !cell.now.has(run[0]) {
                return Err(wrong(at, run[0], cell));
            }
            model.settle(at..at + run.len() as u64, run[0]);
            at += run.len() as u64;
        }
    }
    Ok(())
}

/// Where in `piece` the disk differs, and what is there.
fn difference(disk: &mut dyn Disk, piece: &Range<u64>, cell: Cell) -> Stop {
    let mut at = piece.start;
    while at < piece.end {
        let mut bytes = vec![0; PIECE.min(piece.end - at) as usize];
        if let Err(error) = disk.read(at, &mut bytes) {
            return Stop::from(error);
        }
        if let Some(first) = bytes.iter().position(|byte| !cell.now.has(*byte)) {
            let len = bytes[first..].iter().take_while(|byte| **byte == bytes[first]).count();
            let Stop::Found(kind, text) = wrong(at + first as u64, bytes[first], cell) else { break };
            return Stop::Found(kind, format!("{text} ({len} bytes of it)"));
        }
        at += bytes.len() as u64;
    }
    Stop::content(format!(
        "bytes {} to {} are not all {}, but reading them again they are",
        piece.start,
        piece.end - 1,
        cell.now
    ))
}

fn wrong(at: u64, byte: u8, cell: Cell) -> Stop {
    Stop::content(format!("the byte at {at} is {byte:#04x}, but must be {}", cell.now))
}
