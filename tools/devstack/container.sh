#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# container.sh: a Debian in a folder, with its own systemd and the host's
# network. Sourced by ``run``.
#
# Uses: TOOL_DIR, WORK, SUITE, DEBIAN_MIRROR, VIRT_DRIVER

CONTAINER=devstack # its host name
BASE=$WORK/base-$SUITE
ROOT=$WORK/root
LEADER_FILE=$WORK/leader

# What devstack expects of a machine, and Open vSwitch, so that br-ex can be
# made before devstack asks for it.
BASE_PACKAGES=systemd-sysv,dbus,libpam-systemd,sudo,git,ca-certificates
BASE_PACKAGES+=,python3-venv,python3-pip,iproute2,iputils-ping,procps,kmod
BASE_PACKAGES+=,curl,lsb-release,locales,netbase,openvswitch-switch

# Units that are about hardware or the network, which are the host's.
MASKED_UNITS="systemd-udevd.service systemd-udevd-kernel.socket
systemd-udevd-control.socket systemd-udev-trigger.service
systemd-networkd.service systemd-resolved.service systemd-timesyncd.service
systemd-modules-load.service systemd-sysctl.service console-getty.service
getty@.service ssh.service apt-daily.timer apt-daily-upgrade.timer
e2scrub_all.timer fstrim.timer"

# Make the base, once; it is the same for every run.
function make_base {
    local new=$BASE.new
    if [[ -d $BASE ]]; then
        return
    fi
    rm -rf "$new"
    debootstrap --variant=minbase --include="$BASE_PACKAGES" \
        "$SUITE" "$new" "$DEBIAN_MIRROR"
    mv "$new" "$BASE"
}

# Make a fresh root folder out of the base.
function make_root {
    make_base
    rm -rf "$ROOT"
    cp -a --reflink=auto "$BASE" "$ROOT"
    cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
    printf '127.0.0.1 localhost %s\n' "$CONTAINER" >"$ROOT/etc/hosts"
    echo "$CONTAINER" >"$ROOT/etc/hostname"
    _trust_what_the_host_trusts
    _configure_packages
    _configure_units
    chroot "$ROOT" useradd --system --create-home --shell /bin/bash \
        --home-dir /opt/stack stack
    chmod 755 "$ROOT/opt/stack"
    echo 'stack ALL=(ALL) NOPASSWD: ALL' >"$ROOT/etc/sudoers.d/stack"
    chroot "$ROOT" git config --system safe.directory '*'
}

function _trust_what_the_host_trusts {
    local certificates=/usr/local/share/ca-certificates
    if [[ -d $certificates ]]; then
        cp -aL "$certificates/." "$ROOT$certificates"
        chroot "$ROOT" update-ca-certificates
    fi
    # pip brings certificates of its own otherwise
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' \
        >"$ROOT/etc/pip.conf"
}

function _configure_packages {
    local sources=$ROOT/etc/apt/sources.list
    cat >"$ROOT/etc/apt/apt.conf.d/90-container" <<'EOF'
APT::Install-Recommends "false";
Dpkg::Use-Pty "false";
EOF
    # its files need not outlive a power cut: no fsync for each of them
    echo force-unsafe-io >"$ROOT/etc/dpkg/dpkg.cfg.d/container"
    printf 'deb %s %s main\n' "$DEBIAN_MIRROR" "$SUITE" \
        "$DEBIAN_MIRROR" "$SUITE-updates" >"$sources"
    echo 'LANG=C.UTF-8' >"$ROOT/etc/default/locale"
}

function _configure_units {
    local unit
    for unit in $MASKED_UNITS; do
        ln -sf /dev/null "$ROOT/etc/systemd/system/$unit"
    done
    cp -a "$TOOL_DIR/inside/." "$ROOT/"
    chown -R 0:0 "$ROOT"/etc/systemd/system{,.conf.d} "$ROOT/usr/local"
    # the fake driver adds a number to the name of its host
    echo "CHASSIS=$CONTAINER$([[ $VIRT_DRIVER != fake ]] || echo 1)" \
        >"$ROOT/etc/default/container-ovn"
}

# boot_container FOLDER ...: boot the root folder and wait until systemd has
# started everything. Each FOLDER is seen inside at its own path, read-only.
function boot_container {
    local cgroup
    if is_booted; then
        return
    fi
    cgroup=$(_cgroup)
    mkdir -p "$cgroup"
    (
        echo "$BASHPID" >"$cgroup/cgroup.procs"
        exec setsid unshare --mount --pid --uts --ipc --cgroup --fork \
            "$TOOL_DIR/boot" "$ROOT" "$CONTAINER" "$@"
    ) >"$WORK/boot.log" 2>&1 &
    _wait_for 30 "the container's first process (see $WORK/boot.log)" \
        _find_leader "$!"
    _wait_for 60 "the container's system bus" \
        enter test -S /run/dbus/system_bus_socket
    _wait_for 60 "the container's units" _has_started_its_units
}

# "degraded" is as good as "running": a unit of hardware may have failed.
function _has_started_its_units {
    [[ $(enter systemctl is-system-running) =~ ^(running|degraded)$ ]]
}

function _find_leader {
    local leader
    leader=$(pgrep --parent "$1" --exact systemd) || return
    echo "$leader $(_started "$leader")" >"$LEADER_FILE"
}

# When a process started: with it, a number is not taken for another process.
function _started {
    awk '{ print $22 }' "/proc/$1/stat"
}

function is_booted {
    local leader started
    [[ -r $LEADER_FILE ]] && read -r leader started <"$LEADER_FILE" &&
        [[ -d /proc/$leader && $(_started "$leader") == "$started" ]]
}

# Run a command inside, as root.
function enter {
    local leader
    read -r leader _ <"$LEADER_FILE"
    nsenter --target "$leader" --mount --uts --ipc --pid --cgroup -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb "$@"
}

# Run a command inside as the user stack, as a unit of systemd: what it
# starts belongs to the container.
function as_stack {
    enter systemd-run --quiet --pipe --wait --collect --uid=stack \
        --working-directory=/opt/stack --setenv=HOME=/opt/stack \
        --setenv=USER=stack --setenv=LANG=C.UTF-8 --setenv=TERM=dumb "$@"
}

# Stop the container and take its links from the host's network. Where none
# has been booted, what is there is of another folder's.
function halt_container {
    local leader
    if [[ ! -e $LEADER_FILE ]]; then
        return
    fi
    if is_booted; then
        read -r leader _ <"$LEADER_FILE"
        enter systemctl stop --no-block 'devstack@*'
        kill -s RTMIN+4 "$leader" # poweroff.target: systemd(1)
        if ! _wait_for 60 "the end of the container" _is_gone; then
            kill -s KILL "$leader"
            _wait_for 10 "the end of the container" _is_gone
        fi
    fi
    _delete_links
    if [[ -d $(_cgroup) ]]; then
        find "$(_cgroup)" -depth -type d -exec rmdir {} \;
    fi
    rm "$LEADER_FILE"
}

# Open vSwitch's bridges, and what Nova and Neutron have for a port of theirs:
# "tap" and eleven letters of its id. Deleting one of two ends deletes both.
function _delete_links {
    local link links
    links=$(ip -oneline link | sed -nE 's/^[0-9]+: ([^:@]+).*/\1/p' |
        grep -xE 'br-(int|ex)|ovs-netdev|tap[0-9a-f]{8}-[0-9a-f]{2}' ||
        [[ $? == 1 ]])
    for link in $links; do
        if ip link show dev "$link" >/dev/null 2>&1; then
            ip link delete dev "$link"
        fi
    done
}

function _is_gone {
    ! is_booted
}

# The control group of this folder's container: below the one of version 2,
# wherever that is
function _cgroup {
    echo "$(findmnt --noheadings --first-only --output TARGET \
        --types cgroup2)/$CONTAINER-$(stat --format %i "$WORK")"
}

# _wait_for SECONDS WHAT COMMAND ...: until the command succeeds
function _wait_for {
    local what=$2
    local deadline
    deadline=$((SECONDS + $1))
    shift 2
    while ! "$@" 2>/dev/null; do
        if ((SECONDS >= deadline)); then
            echo "waited in vain for $what" >&2
            return 1
        fi
        sleep 0.2
    done
}
