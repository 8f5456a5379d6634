#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the sample images of this folder anew, with the qemu-img and qemu-io on PATH. They are kept rather than
# made by the cases since they shall show that images of an older QEMU are still read: remake one only to add it.
#
# Each is 1 MiB: 64 KiB of 0x11 at 0, 64 KiB of 0x22 at 512 KiB, the rest unallocated or zero.

set -eu
cd "$(dirname "$0")"

# make NAME FORMAT [OPTIONS]
make() {
    rm -f "$1" "$1.bz2"
    qemu-img create -q -f "$2" ${3:+-o "$3"} "$1" 1M
    qemu-io -f "$2" -c 'write -q -P 0x11 0 64k' -c 'write -q -P 0x22 512k 64k' "$1"
    bzip2 -9 "$1"
}

make plain.raw raw
make v2.qcow2 qcow2 compat=0.10
make v3.qcow2 qcow2 compat=1.1,lazy_refcounts=on
make plain.qcow qcow
make plain.qed qed
make plain.vdi vdi
make plain.vmdk vmdk
make plain.vhdx vhdx subformat=dynamic
make plain.vpc vpc subformat=dynamic,force_size=on
make plain.parallels parallels

# QEMU reads these two, and makes none. Their sizes and data are in foreign/bochs.case and foreign/cloop.case.
python3 - <<'END'
import bz2, struct, zlib

# A growing redolog of 8 MiB: extents of 64 KiB, each after a bitmap of its sectors. The second one is all there, of the
# fourth the sectors 0 and 2.
head = b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0") + b"Growing".ljust(16, b"\0")
head += struct.pack("<6IQ", 0x20000, 512, 128, 512, 65536, 0, 8 << 20)
catalog = [0xFFFFFFFF] * 128
catalog[1], catalog[3] = 0, 1
full = b"\xff" * 16 + bytes(496) + b"\x33" * 65536
parts = b"\x05" + bytes(511) + b"\x44" * 512 + bytes(512) + b"\x44" * 512 + bytes(64000)
bochs = head.ljust(512, b"\0") + struct.pack("<128I", *catalog) + full + parts

# Three blocks of 4 KiB, the offset of each and of the end before them.
script = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"
blocks = [zlib.compress(bytes([byte]) * 4096, 9) for byte in (0x11, 0x22, 0)]
at = 128 + 8 + 8 * (len(blocks) + 1)
offsets = [at + sum(map(len, blocks[:count])) for count in range(len(blocks) + 1)]
cloop = script.ljust(128, b"\0") + struct.pack(f">2I{len(offsets)}Q", 4096, len(blocks), *offsets) + b"".join(blocks)

for name, data in [("some.bochs", bochs), ("two.cloop", cloop)]:
    with open(f"{name}.bz2", "wb") as file:
        file.write(bz2.compress(data, 9))
END
