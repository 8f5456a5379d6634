//! What a test needs besides a format and a protocol.

use crate::env::{ToolKind, Version};

/// Something that must be there for a test to run; where it is missing the test is skipped with
/// the reason that `iotests.py` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// A format QEMU can write (`iotests.py: _verify_formats`, `skip_if_unsupported`).
    Format(String),
    /// A format QEMU can at least read (`iotests.py: skip_if_unsupported(read_only=True)`).
    ReadOnlyFormat(String),
    /// A virtio-blk device (`iotests.py: _verify_virtio_blk`, there of every test).
    VirtioBlk,
    /// virtio-scsi on PCI or CCW (`iotests.py: _verify_virtio_scsi_pci_or_ccw`).
    VirtioScsi,
    /// The quorum driver (`iotests.py: verify_quorum`).
    Quorum,
    /// A LUKS driver that can create images (`iotests.py: verify_working_luks`).
    WorkingLuks,
    /// zstd compression in qcow2 (upstream's later `verify_qcow2_zstd_compression`).
    Qcow2Zstd,
    /// The qtest accelerator, for the virtual clock.
    Qtest,
    /// To be run as root.
    Root,
    /// Not to be run as root (`iotests.py: skip_if_user_is_root`).
    NotRoot,
    /// A QEMU of this version or later.
    MinVersion(Version),
    /// A QEMU older than this version.
    BelowVersion(Version),
    /// A program on `PATH`.
    Program(String),
    /// One of QEMU's binaries that may be missing, such as qemu-nbd: named by its variable or on
    /// `PATH`. Scripts need not declare it: their commands show it.
    Tool(ToolKind),
    /// A device model of QEMU.
    Device(String),
    /// A QMP command.
    QmpCommand(String),
    /// Something in QEMU's QAPI schema, at a path as libvirt writes them
    /// ([`Schema::has`](crate::env::Schema::has)): `blockdev-add/arg-type/+qcow2/data-file`,
    /// `blockdev-add/arg-type/discard/^unmap`, or the feature `device_add/$json-cli`.
    Qapi(String),
}
