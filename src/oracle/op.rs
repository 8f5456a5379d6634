//! The operations that are drawn, and what a library must be able to do for each.

use std::fmt;
use std::ops::{BitAnd, BitOr, Range};

use serde::{Deserialize, Serialize};

/// What an image library can do besides reading, writing, flushing, and opening an image again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities(u16);

impl Abilities {
    /// Nothing more.
    pub const NONE: Self = Self(0);
    /// [`Disk::write_zeroes`](super::Disk::write_zeroes).
    pub const ZEROES: Self = Self(1);
    /// [`Disk::discard`](super::Disk::discard), and zeroes that may free what is there.
    pub const DISCARD: Self = Self(1 << 1);
    /// [`Disk::write_compressed`](super::Disk::write_compressed).
    pub const COMPRESS: Self = Self(1 << 2);
    /// [`Disk::resize`](super::Disk::resize) to a larger size.
    pub const GROW: Self = Self(1 << 3);
    /// [`Disk::resize`](super::Disk::resize) to a smaller size.
    pub const SHRINK: Self = Self(1 << 4);
    /// Opens images that have internal snapshots, and keeps them intact.
    pub const SNAPSHOTS: Self = Self(1 << 5);
    /// Opens images that have a backing file.
    pub const BACKING: Self = Self(1 << 6);
    /// [`Disk::kill`](super::Disk::kill): what was flushed survives.
    pub const KILL: Self = Self(1 << 7);
    /// All of it.
    pub const ALL: Self = Self((1 << 8) - 1);

    /// Whether all of `other` is among them.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Abilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitAnd for Abilities {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// One operation. Offsets and lengths are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Writes. The data begins with `byte`, which grows by one after every `stripe` bytes; with a
    /// stripe of 0 it is the same all over.
    Write {
        /// Where.
        at: u64,
        /// How much.
        len: u64,
        /// The first byte.
        byte: u8,
        /// After how many bytes it changes.
        stripe: u64,
    },
    /// Writes a cluster compressed. A format may refuse it where something was written before.
    Compressed {
        /// Where.
        at: u64,
        /// How much.
        len: u64,
        /// Every byte of it.
        byte: u8,
    },
    /// Writes zeroes; with `unmap` it may free what is there.
    Zero {
        /// Where.
        at: u64,
        /// How much.
        len: u64,
        /// Whether what is there may be freed.
        unmap: bool,
    },
    /// Discards: what is there may stay, or become zero.
    Discard {
        /// Where.
        at: u64,
        /// How much.
        len: u64,
    },
    /// Reads and compares.
    Read {
        /// Where.
        at: u64,
        /// How much.
        len: u64,
    },
    /// Flushes.
    Flush,
    /// Changes the size, and flushes.
    Resize {
        /// The new size.
        to: u64,
    },
    /// Closes the image, checks it, and opens it again.
    Reopen,
    /// Kills what has the image open, repairs what a crash may leave behind, and opens it again.
    Kill,
    /// Makes an internal snapshot.
    Snapshot {
        /// Its number.
        id: u8,
    },
    /// Goes back to an internal snapshot.
    Revert {
        /// Its number.
        id: u8,
    },
    /// Deletes an internal snapshot.
    Forget {
        /// Its number.
        id: u8,
    },
    /// Goes on in a new image on top of this one.
    Overlay,
    /// Commits the image into the one below it.
    Commit,
    /// Drops the image on top, and goes on in the one below it.
    Drop,
    /// Puts the image on top of another of the chain (0 is the lowest), or on none.
    Rebase {
        /// Which one.
        onto: Option<usize>,
    },
}

impl Op {
    /// What a library must be able to do for it.
    pub fn needs(&self) -> Abilities {
        match self {
            Self::Write { .. } | Self::Read { .. } | Self::Flush | Self::Reopen => Abilities::NONE,
            Self::Compressed { .. } => Abilities::COMPRESS,
            Self::Zero { unmap: false, .. } => Abilities::ZEROES,
            Self::Zero { unmap: true, .. } => Abilities::ZEROES | Abilities::DISCARD,
            Self::Discard { .. } => Abilities::DISCARD,
            Self::Resize { .. } => Abilities::NONE,
            Self::Kill => Abilities::KILL,
            Self::Snapshot { .. } | Self::Revert { .. } | Self::Forget { .. } => Abilities::SNAPSHOTS,
            Self::Overlay | Self::Commit | Self::Drop | Self::Rebase { .. } => Abilities::BACKING,
        }
    }

    /// What it touches of the disk.
    pub fn range(&self) -> Option<Range<u64>> {
        match *self {
            Self::Write { at, len, .. }
            | Self::Compressed { at, len, .. }
            | Self::Zero { at, len, .. }
            | Self::Discard { at, len }
            | Self::Read { at, len } => Some(at..at.saturating_add(len)),
            _ => None,
        }
    }
}

/// The pieces of equal bytes of a write.
pub(super) fn stripes(at: u64, len: u64, byte: u8, stripe: u64) -> impl Iterator<Item = (Range<u64>, u8)> {
    let step = if stripe == 0 { len } else { stripe };
    let mut from = 0;
    let mut byte = byte;
    std::iter::from_fn(move || {
        let start = from;
        if start >= len {
            return None;
        }
        from = start.saturating_add(step).min(len);
        let this = byte;
        byte = byte.wrapping_add(1);
        Some((at + start..at + from, this))
    })
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { at, len, byte, stripe: 0 } => write!(f, "write {byte:#04x} at {at}, {len} bytes"),
            Self::Write { at, len, byte, stripe } => {
                write!(f, "write {byte:#04x} and up at {at}, {len} bytes, another value every {stripe}")
            }
            Self::Compressed { at, len, byte } => {
                write!(f, "write {byte:#04x} compressed at {at}, {len} bytes")
            }
            Self::Zero { at, len, unmap: false } => write!(f, "write zeroes at {at}, {len} bytes"),
            Self::Zero { at, len, unmap: true } => write!(f, "write zeroes and unmap at {at}, {len} bytes"),
            Self::Discard { at, len } => write!(f, "discard at {at}, {len} bytes"),
            Self::Read { at, len } => write!(f, "read at {at}, {len} bytes"),
            Self::Flush => f.write_str("flush"),
            Self::Resize { to } => write!(f, "resize to {to} bytes, and flush"),
            Self::Reopen => f.write_str("close, check and open again"),
            Self::Kill => f.write_str("kill and open again"),
            Self::Snapshot { id } => write!(f, "create snapshot s{id}"),
            Self::Revert { id } => write!(f, "apply snapshot s{id}"),
            Self::Forget { id } => write!(f, "delete snapshot s{id}"),
            Self::Overlay => f.write_str("put an overlay on top"),
            Self::Commit => f.write_str("commit the overlay"),
            Self::Drop => f.write_str("drop the overlay"),
            Self::Rebase { onto: Some(layer) } => write!(f, "rebase onto image {layer}"),
            Self::Rebase { onto: None } => f.write_str("rebase onto nothing"),
        }
    }
}
