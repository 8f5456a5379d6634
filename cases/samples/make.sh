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
make old.qcow qcow
make plain.qed qed
make dynamic.vdi vdi
make sparse.vmdk vmdk
make dynamic.vhdx vhdx subformat=dynamic
make dynamic.vpc vpc subformat=dynamic,force_size=on
make plain.parallels parallels
