#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what the suite needs and is not there yet: QEMU's system emulator and its tools, of one version,
# and a C linker for cargo. Run it as often as you like: it does nothing once all is there, and it never
# removes an installed package. Without root it goes through sudo.
#
# QEMU_PROG, QEMU_IMG_PROG, QEMU_IO_PROG, QEMU_NBD_PROG and QSD_PROG name binaries to be taken as they are.

set -eu

say() { printf 'setup: %s\n' "$*"; }
complain() { printf 'setup: %s\n' "$*" >&2; }
die() {
    complain "$@"
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp "${TMPDIR:-/tmp}/iotests-setup-log.XXXXXX")
scratch= # apt's private folder, made only when a source has to be added for one transaction
sudo=    # "sudo" once something has to be run as root and we are not root
trap 'rm -f "$log"; [ -z "$scratch" ] || ${sudo:+sudo} rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- what is there ----------------------------------------------------------------------------------------

# The emulator for this machine's own instruction set, and what packages call that family of machines.
arch=$(uname -m)
case $arch in
amd64) arch=x86_64 ;;
i?86) arch=i386 ;;
arm64) arch=aarch64 ;;
arm*) arch=arm ;;
ppc64*) arch=ppc64 ;;
esac
case $arch in
x86_64 | i386) family=x86 ;;
ppc64) family=ppc ;;
riscv64) family=riscv ;;
*) family=$arch ;;
esac

first_of() {
    for program; do
        if command -v "$program"; then return; fi
    done
    return 1
}

# Prints the path of a binary: what its variable names, else what PATH has.
locate() {
    case $1 in
    emulator)
        if [ -n "${QEMU_PROG:-}" ]; then
            first_of "$QEMU_PROG"
        else
            first_of "qemu-system-$arch" qemu-kvm /usr/libexec/qemu-kvm
        fi
        ;;
    qemu-img) first_of "${QEMU_IMG_PROG:-qemu-img}" ;;
    qemu-io) first_of "${QEMU_IO_PROG:-qemu-io}" ;;
    qemu-nbd) first_of "${QEMU_NBD_PROG:-qemu-nbd}" ;;
    qemu-storage-daemon) first_of "${QSD_PROG:-qemu-storage-daemon}" ;;
    esac
}

# "QEMU emulator version 10.0.2 (...)" and "/usr/bin/qemu-nbd 10.0.2 (...)" give 10.0.2.
version_in() { sed -n '1s/^[^(:]* \([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p'; }

# Sets `missing` (the binaries not there), `versions` (each one seen, once) and `found` (a table to print).
look() {
    missing='' versions='' found=''
    for name in emulator qemu-img qemu-io qemu-nbd qemu-storage-daemon; do
        if ! path=$(locate "$name"); then
            missing="${missing:+$missing }$name"
            continue
        fi
        answer=$("$path" --version 2>&1 </dev/null) || true
        version=$(printf '%s\n' "$answer" | version_in)
        [ -n "$version" ] || die "'$path --version' names no version; it says:
$answer
Repair or remove that binary, then run this again."
        found="$found$(printf '  %-20s %-8s %s' "$name" "$version" "$path")
"
        case " $versions " in
        *" $version "*) ;;
        *) versions="${versions:+$versions }$version" ;;
        esac
    done
}

matching_qemu() {
    case $missing$versions in
    *' '*) return 1 ;;
    *) [ -z "$missing" ] ;;
    esac
}

# A variable that names nothing is not helped by installing packages.
check_variables() {
    for setting in "QEMU_PROG=${QEMU_PROG:-}" "QEMU_IMG_PROG=${QEMU_IMG_PROG:-}" "QEMU_IO_PROG=${QEMU_IO_PROG:-}" \
        "QEMU_NBD_PROG=${QEMU_NBD_PROG:-}" "QSD_PROG=${QSD_PROG:-}"; do
        program=${setting#*=}
        [ -z "$program" ] || have "$program" ||
            die "$setting is no program that can be run: correct or unset ${setting%%=*}, then run this again."
    done
}

variables_set() { [ -n "${QEMU_PROG:-}${QEMU_IMG_PROG:-}${QEMU_IO_PROG:-}${QEMU_NBD_PROG:-}${QSD_PROG:-}" ]; }

# ---- what to install, and with what -----------------------------------------------------------------------

# Sets `manager`; `qemu`, the packages with the emulator and the tools; `qtest`, the one with the accelerator that
# some distributions split off; and `linker`.
choose_manager() {
    for manager in apt-get dnf zypper pacman apk brew none; do
        if have "$manager"; then break; fi
    done
    qemu='' qtest='' linker=gcc
    case $manager in
    apt-get) linker='gcc libc6-dev' ;; # which package has the emulator is asked of the lists, once they are fresh
    dnf) qemu="qemu-system-$family-core qemu-img" qtest=qemu-tests ;;
    zypper) qemu="qemu-$(arm_for_both) qemu-tools" qtest=qemu-accel-qtest ;;
    pacman) qemu="qemu-system-$family qemu-img" qtest=qemu-tests ;;
    apk) qemu="qemu-system-$arch qemu-img" linker='gcc musl-dev' ;;
    brew) qemu=qemu ;;
    none) die "missing here: $wanted. None of apt-get, dnf, zypper, pacman, apk and brew is on PATH, so install by
your system's own means a C compiler (cc) and, all of one version, 7.2 or later: qemu-system-$arch, qemu-img,
qemu-io, qemu-nbd and qemu-storage-daemon. Or name QEMU's binaries in QEMU_PROG, QEMU_IMG_PROG, QEMU_IO_PROG,
QEMU_NBD_PROG and QSD_PROG." ;;
    esac
}

arm_for_both() { if [ "$arch" = aarch64 ]; then echo arm; else echo "$family"; fi; }

become_root() {
    if [ "$manager" = brew ] || [ "$(id -u)" = 0 ]; then return; fi # brew refuses to run as root
    have sudo || die "missing here: $wanted. Installing needs root, and there is no sudo. As root, run:
  sh $here/setup.sh
or install with $manager: $(packages)"
    sudo=sudo
}

# Prints the packages with what is missing, in one line.
packages() {
    if [ "$manager" = apt-get ]; then
        choose_emulator_package
        qemu="$emulator qemu-utils"
    fi
    set --
    have cc || set -- "$linker"
    matching_qemu || set -- "$@" "$qemu" ${qtest:+"$qtest"}
    echo "$*"
}

# Runs a command out of sight; when it fails, shows the end of what it said.
quietly() {
    if "$@" >"$log" 2>&1 </dev/null; then return; fi
    complain "failed: $*"
    tail -n 20 "$log" >&2
    return 1
}

install() {
    [ "$manager" = apt-get ] || say "installing $* with $manager"
    case $manager in
    apt-get) try "$@" ;;
    dnf) quietly ${sudo:+sudo} dnf -y --setopt=install_weak_deps=False install "$@" ;;
    zypper) quietly ${sudo:+sudo} zypper --non-interactive install --no-recommends "$@" ;;
    pacman) quietly ${sudo:+sudo} pacman -S --needed --noconfirm "$@" ;;
    apk) quietly ${sudo:+sudo} apk add -U "$@" ;;
    brew) quietly brew install "$@" ;;
    esac
}

# shellcheck disable=SC2086 # `linker` is a list
install_linker() {
    [ "$manager" != brew ] || die "there is no C compiler (cc): run 'xcode-select --install', then this again."
    install $linker || die "cargo needs a C compiler (cc), and none could be installed. Install $linker, then run this again.
${refused:-}"
}

# shellcheck disable=SC2086 # `qemu` is a list
install_qemu() {
    if [ "$manager" = apt-get ]; then
        install_qemu_with_apt
        return
    fi
    if ! install $qemu; then
        complain "install these packages, then run this again: $qemu"
        [ "$manager" != pacman ] || complain "(a package that is not found means old lists; 'pacman -Syu' renews them, and the system)"
        exit 1
    fi
    [ -z "$qtest" ] || install "$qtest" || say "going on without $qtest: cases that need the qtest accelerator will be skipped"
}

# ---- apt --------------------------------------------------------------------------------------------------
#
# A plain install is not safe here: on Debian 12 with tools from backports it removes them, as their files clash
# with those of the stable emulator. So each plan is simulated first, and the first harmless one is carried out.

apt_options='' # set while a source is added for one transaction
refused=''     # the plans turned down so far, with the reasons
remedy=''      # what to do by hand if none is harmless
lock_limit=300 # seconds to wait for another apt to finish

# shellcheck disable=SC2086 # `apt_options` is a list
root_apt() {
    ${sudo:+sudo} env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y -o DPkg::Lock::Timeout=$lock_limit \
        -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold $apt_options "$@"
}

# apt itself waits for dpkg's lock, but not for that of the package lists.
apt_update() {
    waited=0
    until root_apt update >"$log" 2>&1 </dev/null; do
        if [ "$waited" -ge $lock_limit ] || ! grep -q 'Could not get lock' "$log"; then
            complain "apt-get update failed, going on with the lists that are there:"
            grep '^[EW]:' "$log" >&2 || true
            return
        fi
        sleep 5
        waited=$((waited + 5))
    done
}

# shellcheck disable=SC2016 # dpkg-query's own variables
installed_version() {
    dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p' | head -n 1
}

# Prints "VERSION URI SUITE" for each configured source that has the package, newest version first.
offers() {
    apt-cache madison "$1" 2>/dev/null | while read -r _ _ offered _ from in _; do
        printf '%s %s %s\n' "$offered" "$from" "${in%/*}"
    done
}

planned_version() {
    new=$(sed -n "s/^Inst $1 \(\[[^]]*\] \)\{0,1\}(\([^ )]*\).*/\2/p" "$log")
    printf '%s' "${new:-$(installed_version "$1")}"
}

# Prints what is wrong with the simulation in the log; nothing if it may be carried out.
objections() {
    sed -n 's/^Remv \([^ ]*\).*/it removes \1/p' "$log"
    sed -n 's/^Inst \([^ ]*\) \[\([^]]*\)\] (\([^ )]*\).*/\1 \2 \3/p' "$log" | while read -r package old new; do
        dpkg --compare-versions "$new" ge "$old" && continue
        case $1,$package in
        --allow-downgrades,qemu-*) ;;
        *) echo "it downgrades $package from $old to $new" ;;
        esac
    done
    case $* in *qemu-utils*) ;; *) return ;; esac
    one=$(planned_version "$emulator") other=$(planned_version qemu-utils)
    [ "$one" = "$other" ] || echo "it leaves $emulator at ${one:-none} and qemu-utils at ${other:-none}"
}

# Carries out `apt-get install ARGUMENTS` unless its simulation shows harm.
# shellcheck disable=SC2086 # `apt_options` is a list
try() {
    if LC_ALL=C apt-get -s $apt_options install --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
        why=$(objections "$@")
    else
        why=$(grep '^E:' "$log" || echo "the simulation failed")
    fi
    if [ -n "$why" ]; then
        refused="$refused  apt-get install $*
$(printf '%s\n' "$why" | sed 's/^/      /')
"
        return 1
    fi
    say "apt-get install $*"
    quietly root_apt install --no-install-recommends --no-remove "$@" ||
        die "apt-get failed although its simulation did not: see to what it says, then run this again."
}

choose_emulator_package() {
    case $family in
    aarch64) emulator="qemu-system-arm" ;;
    *) emulator="qemu-system-$family" ;;
    esac
    # Some releases keep the rarer machines in one package. Lists that have neither are empty, or those of others.
    if [ -z "$(offers "$emulator")$(installed_version "$emulator")" ] && [ -n "$(offers qemu-system-misc)" ]; then
        emulator="qemu-system-misc"
    fi
}

install_qemu_with_apt() {
    remedy="Bring both to one of the versions on offer (apt-cache madison $emulator qemu-utils); as root:
  apt-get install $emulator=VERSION qemu-utils=VERSION"
    [ -n "$(offers "$emulator")" ] || remedy="apt's lists have no $emulator: correct the sources in /etc/apt, as root run 'apt-get update',"
    at_hand="$(installed_version qemu-utils) $(installed_version "$emulator")"
    # What is installed sets the version, if a source still has it. A suite that is not the default one has to be
    # named, or the packages these two depend on come from another.
    for version in $at_hand; do
        try "$emulator=$version" "qemu-utils=$version" && return
        for suite in $(offers qemu-utils | sed -n "s/^$version [^ ]* //p"); do
            try -t "$suite" "$emulator=$version" "qemu-utils=$version" && return
        done
    done
    try "$emulator" qemu-utils && return
    case $at_hand in *'~bpo'*) install_from_backports && return ;; esac
    # Back to what the release itself has: nothing is lost but the newer version.
    for suite in $(offers qemu-utils | sed 's/.* //'); do
        # shellcheck disable=SC2046 # a list of packages
        try --allow-downgrades $(qemu_packages | sed "s|\$|/$suite|") && return
    done
    die "found no way to have $emulator and qemu-utils in one version without harm to what is installed. Tried:
$refused$remedy
and then run this again."
}

# Both packages, and all else installed that is built with them and so must keep their version.
# shellcheck disable=SC2016 # dpkg-query's own variables
qemu_packages() {
    {
        printf '%s\nqemu-utils\n' "$emulator"
        dpkg-query -W -f '${db:Status-Status} ${source:Package} ${Package}\n' 'qemu-block-*' 'qemu-system-*' 2>/dev/null |
            sed -n 's/^installed qemu //p'
    } | sort -u
}

# Debian's backports are on the mirror that has the release itself. Where they are not among the sources, they are
# added for this one transaction, in a private folder: the machine's own configuration stays as it is.
install_from_backports() {
    release=$(offers "$emulator" | grep -v '^[^ ]* [^ ]* .*-' | head -n 1)
    [ -n "$release" ] || return 1
    suite=${release##* }
    uri=${release#* } uri=${uri% *}
    remedy="What is installed comes from backports. Add them for good, and install both from there; as root:
  echo 'deb $uri $suite-backports main' >/etc/apt/sources.list.d/backports.list
  apt-get update
  apt-get install -t $suite-backports $emulator qemu-utils"
    if ! offers "$emulator" | grep -q " $suite-backports\$"; then
        add_source "$uri" "$suite-backports"
    fi
    try -t "$suite-backports" "$emulator" qemu-utils && return
    apt_options=''
    return 1
}

add_source() {
    scratch=$(mktemp -d /tmp/iotests-setup.XXXXXX)
    chmod 755 "$scratch" # apt fetches as a user of its own
    mkdir "$scratch/sources"
    for file in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || cp "$file" "$scratch/sources/"
    done
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ ! -f $keyring ] || signed="[signed-by=$keyring] "
    echo "deb ${signed:-}$1 $2 main" >"$scratch/sources/iotests-setup.list"
    # Lists that are there already need not be fetched again.
    ${sudo:+sudo} cp -R /var/lib/apt/lists "$scratch/lists"
    apt_options="-o Dir::Etc::sourceparts=$scratch/sources -o Dir::State::lists=$scratch/lists"
    apt_options="$apt_options -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
    say "looking into $1 $2, for this once"
    apt_update
}

# ---- verdict ----------------------------------------------------------------------------------------------

verdict() {
    printf '%s' "$found"
    [ -z "$missing" ] || die "still missing: $missing. If their packages are installed, their files were deleted or are not
on PATH ($PATH): reinstall the packages or correct PATH, then run this again."
    matching_qemu || die "emulator and tools must be of one version, and these are not. Put one QEMU first on PATH, or name
five binaries of one version in QEMU_PROG, QEMU_IMG_PROG, QEMU_IO_PROG, QEMU_NBD_PROG and QSD_PROG."
    case $versions in
    [0-6].* | 7.[01] | 7.[01].*) complain "warning: QEMU $versions is older than 7.2, the oldest version the suite is meant for" ;;
    esac
    have cc || die "still missing: a C compiler named cc. cargo links with it."
    check_cargo
    say "all is there: QEMU $versions"
}

check_cargo() {
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/Cargo.toml")
    install_rust="Install Rust $needed or later with rustup: from https://rustup.rs, or your distribution's package 'rustup'."
    if have cargo; then
        cargo=cargo
    elif [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
        cargo=${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo
        complain "warning: cargo is not on PATH; it is ${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo"
    else
        die "QEMU is there, cargo is not. $install_rust"
    fi
    version=$("$cargo" --version 2>&1 </dev/null | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p')
    [ "${version%%.*}" = 1 ] && [ "${version#*.}" -lt "${needed#*.}" ] || return 0
    die "QEMU is there, but cargo is $version. $install_rust"
}

# ---- main -------------------------------------------------------------------------------------------------

check_variables
look
wanted=$missing
have cc || wanted="${wanted:+$wanted }cc"
# Binaries that were named are never matched by installing others.
if [ -z "$wanted" ] && { matching_qemu || variables_set; }; then
    verdict
    exit
fi
choose_manager
wanted=${wanted:-one version of emulator and tools}
become_root
if [ "$manager" = apt-get ]; then
    apt_update
    choose_emulator_package
fi
have cc || install_linker
matching_qemu || install_qemu
look
verdict
