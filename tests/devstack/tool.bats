#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# tools/devstack/run, as far as it goes without a container: what it refuses,
# and what it makes and removes outside of one.

bats_require_minimum_version 1.5.0

setup() {
    export FOLDER=$BATS_TEST_TMPDIR
    TOOL=$(cd "$BATS_TEST_DIRNAME/../../tools/devstack" && pwd)
    export TOOL
    export DEVSTACK_WORK=$FOLDER/work GIT_BASE=file://$FOLDER/git
    export LOGS=$DEVSTACK_WORK/logs
    mkdir -p "$FOLDER/bin" "$LOGS"
    # Nothing here comes as far as this.
    printf '#!/bin/sh\ntouch "$FOLDER/debootstrap.called"\nexit 1\n' \
        >"$FOLDER/bin/debootstrap"
    chmod +x "$FOLDER/bin/debootstrap"
    PATH=$FOLDER/bin:$PATH
}

# alone COMMAND ...: as root, in a network of its own
alone() {
    unshare --map-root-user --net -- "$@"
}

needs_a_network_of_its_own() {
    alone true || skip "this machine lets nobody make a network namespace"
    findmnt --types cgroup2 || skip "there is no control group of version 2"
}

# refused TEXT COMMAND ...: ends with that said, and no phase has begun
refused() {
    local text=$1
    shift
    run "$@"
    echo "$output"
    ((status)) && [[ $output == *"$text"* && $output != *FAILED* ]] &&
        [[ ! -e $FOLDER/debootstrap.called ]]
}

make_sources() {
    local project
    git init --quiet --bare --initial-branch master "$FOLDER/git/empty"
    git -C "$FOLDER/git/empty" -c user.name=a -c user.email=b \
        update-ref refs/heads/master "$(
            git -C "$FOLDER/git/empty" -c user.name=a -c user.email=b \
                commit-tree -m empty "$(git -C "$FOLDER/git/empty" mktree \
                </dev/null)"
        )"
    mkdir "$FOLDER/git/openstack"
    for project in devstack requirements keystone glance placement neutron \
        nova tempest; do
        cp -r "$FOLDER/git/empty" "$FOLDER/git/openstack/$project.git"
    done
    export DEVSTACK_BRANCH=master
}

# in_tool COMMAND ...: a function of the tool's
in_tool() {
    # shellcheck disable=SC2016  # the inner shell knows them
    bash -o errexit -o nounset -o pipefail -c '
        TOOL_DIR=$TOOL WORK=$DEVSTACK_WORK SUITE=bookworm VIRT_DRIVER=fake
        source "$TOOL/container.sh"
        source "$TOOL/phases.sh"
        source "$TOOL/compare.sh"
        CHECKOUT=$FOLDER/checkout
        "$@"
    ' bash "$@"
}

# make_checkout LINE: a checkout whose README has the line
make_checkout() {
    local checkout=$FOLDER/checkout
    mkdir -p "$checkout/devstack"
    printf 'Add to local.conf::\n\n    [[local|localrc]]\n%s\n' "$1" \
        >"$checkout/devstack/README.rst"
    git -C "$checkout" init --quiet --initial-branch other
    git -C "$checkout" add --all
    git -C "$checkout" -c user.name=a -c user.email=b commit --quiet -m one
}

@test "a value that a switch does not have is refused with those it has" {
    refused "DEVSTACK_SUITE is one of: bookworm trixie; not sid" \
        env DEVSTACK_SUITE=sid "$TOOL/run" root
    refused "DEVSTACK_VIRT_DRIVER is one of: fake libvirt; not kvm" \
        env DEVSTACK_VIRT_DRIVER=kvm "$TOOL/run" root
    refused "DEVSTACK_SOURCE is one of: hook listener; not bus" \
        env DEVSTACK_SOURCE=bus "$TOOL/run" root
    refused "DEVSTACK_REMOTE_ADDRESS is one of: True False; not yes" \
        env DEVSTACK_REMOTE_ADDRESS=yes "$TOOL/run" root
    refused "DEVSTACK_DIRECTORIES is one of: 389ds rest log; not ldap" \
        env DEVSTACK_DIRECTORIES=log,ldap "$TOOL/run" root
    refused "DEVSTACK_DIRECTORIES is a list like 389ds,log; not '389ds,'" \
        env DEVSTACK_DIRECTORIES=389ds, "$TOOL/run" root
    refused "are ports; not 65536" \
        env DEVSTACK_LDAP_PORT=65536 "$TOOL/run" root
    refused "are both 3890" env DEVSTACK_LDAPS_PORT=3890 "$TOOL/run" root
    refused "GIT_BASE is an address, https://HOST or file:///FOLDER; not /git" \
        env GIT_BASE=/git "$TOOL/run" root
}

@test "a phase without a container says at once to boot one" {
    local phase
    needs_a_network_of_its_own
    for phase in before stack check scenarios unstack restack recheck \
        disable clean compare; do
        refused "$phase: the container is not running: run the phase boot" \
            alone "$TOOL/run" "$phase"
    done
}

@test "boot without a root folder says at once to make one" {
    needs_a_network_of_its_own
    refused "boot: there is no root folder $DEVSTACK_WORK/root: run the phase" \
        alone "$TOOL/run" boot
}

@test "halt without a container has nothing to do" {
    needs_a_network_of_its_own
    alone "$TOOL/run" halt
}

@test "a used port is named with who uses it, before anything is made" {
    needs_a_network_of_its_own
    make_sources
    cat >"$FOLDER/with-listener" <<'EOF'
import socket
import subprocess
import sys

with socket.create_server(("0.0.0.0", 3306)):
    sys.exit(subprocess.run(sys.argv[1:], check=False).returncode)
EOF
    refused "    3306 (MySQL): python3, process " \
        alone python3 "$FOLDER/with-listener" "$TOOL/run" root
    [[ $output != *"    5672"* ]]
}

@test "an address without repositories is refused before debootstrap" {
    needs_a_network_of_its_own
    refused "no repository $GIT_BASE/openstack/devstack: set" \
        alone "$TOOL/run" root
    make_sources
    rm -r "$FOLDER/git/openstack/nova.git"
    refused "no repository $GIT_BASE/openstack/nova.git: set GIT_BASE" \
        alone "$TOOL/run" root
}

@test "a branch that devstack does not have is refused before debootstrap" {
    needs_a_network_of_its_own
    make_sources
    DEVSTACK_BRANCH=stable/none refused "devstack has no branch stable/none" \
        alone "$TOOL/run" root
}

@test "whatever is documented comes as far as debootstrap" {
    local switches
    needs_a_network_of_its_own
    make_sources
    for switches in DEVSTACK_SUITE=bookworm \
        "DEVSTACK_SUITE=trixie DEVSTACK_VIRT_DRIVER=libvirt" \
        "DEVSTACK_SOURCE=listener DEVSTACK_REMOTE_ADDRESS=True" \
        DEVSTACK_DIRECTORIES={rest,log,389ds\,rest\,log}; do
        rm -f "$FOLDER/debootstrap.called"
        # shellcheck disable=SC2086  # a word is a variable
        run alone env $switches "$TOOL/run" root
        [[ -e $FOLDER/debootstrap.called ]]
    done
}

@test "a container has ended when its number is another process's" {
    sleep 600 3>&- &
    echo "$! $(in_tool _started "$!")" >"$DEVSTACK_WORK/leader"
    in_tool is_booted
    run in_tool _is_gone
    ((status))
    echo "$! 1" >"$DEVSTACK_WORK/leader"
    run in_tool is_booted
    ((status))
    in_tool _is_gone
    kill "$!"
}

@test "halt takes what devstack leaves in the network, and nothing else" {
    needs_a_network_of_its_own
    alone test -w /dev/net/tun || skip "there is no /dev/net/tun"
    # shellcheck disable=SC2016  # the inner shell knows them
    run alone bash -c '
        for link in br-int br-ex ovs-netdev tap0a1b2c3d-4e tap0 tapestry \
            br-internal; do
            ip tuntap add "$link" mode tap
        done
        "$TOOL/run" halt >/dev/null
        ip -oneline link | wc -l
        echo "1 never" >"$DEVSTACK_WORK/leader"
        "$TOOL/run" halt >/dev/null
        ip -oneline link | cut -d: -f2
    '
    echo "$output"
    # all is there while there was no container of this folder
    [[ ${lines[0]} == 8 ]]
    [[ $(sed 1d <<<"$output" | sort) == \
        $' br-internal\n lo\n tap0\n tapestry' ]]
}

@test "the line of the README is what is stacked, but for the address" {
    local plugin=file://$DEVSTACK_WORK/plugin/nova_dirsvc_plugin.git
    local line expected
    for line in "<address of this repository> main" "https://a.b/c main" \
        "<address>"; do
        rm -rf "$FOLDER/checkout"
        make_checkout "    enable_plugin nova_dirsvc_plugin $line"
        in_tool publish_plugin
        run in_tool plugin_line
        expected="enable_plugin nova_dirsvc_plugin $plugin"
        if [[ $line == *" main" ]]; then
            expected+=" main"
        fi
        [[ $output == "$expected" ]]
    done
}

@test "a README without that line is a mistake" {
    make_checkout "    enable_service nova-dirsvc"
    in_tool publish_plugin
    run ! in_tool plugin_line
}

@test "what is published is the branch main, with what is not committed" {
    make_checkout "    enable_plugin nova_dirsvc_plugin <address> main"
    echo new >"$FOLDER/checkout/new"
    in_tool publish_plugin
    git clone --quiet --branch main \
        "file://$DEVSTACK_WORK/plugin/nova_dirsvc_plugin.git" "$FOLDER/clone"
    [[ $(<"$FOLDER/clone/new") == new ]]
    [[ $(git -C "$FOLDER/clone" branch --remotes --format '%(refname:lstrip=3)' |
        grep -vx HEAD) == main ]]
}

@test "local.conf has that line; disable adds one to it, once" {
    local conf=$DEVSTACK_WORK/root/opt/stack/devstack/local.conf
    local line="enable_plugin nova_dirsvc_plugin"
    line+=" file://$DEVSTACK_WORK/plugin/nova_dirsvc_plugin.git main"
    make_checkout "    enable_plugin nova_dirsvc_plugin <address> main"
    mkdir -p "${conf%/*}"
    touch "$DEVSTACK_WORK/root/opt/stack/guest.img"
    export DIRECTORIES=rest SOURCE=hook REMOTE_ADDRESS=True LDAP_PORT=1 \
        LDAPS_PORT=2
    in_tool publish_plugin
    in_tool write_local_conf
    grep -qxF "$line" "$conf"
    grep -qxF NOVA_DIRSVC_DIRECTORIES=rest "$conf"
    run ! grep -E '^[^#]*@' "$conf"
    in_tool phase_disable
    in_tool phase_disable
    [[ $(grep -c nova-dirsvc "$conf") == 1 ]]
    grep -A 1 -xF "$line" "$conf" | grep -qx "disable_service nova-dirsvc"
}

# compare_with ANSWERS: the phase compare, with the container's answers as
# ANSWERS defines them, and what is new as $FOLDER/new.KIND has it
compare_with() {
    local kind
    for kind in files processes units accounts groups ports; do
        touch "$LOGS/before.$kind" "$FOLDER/new.$kind"
    done
    mkdir -p "$DEVSTACK_WORK/root/opt/stack/tempest/.tox/tempest/bin"
    touch "$DEVSTACK_WORK/root/opt/stack/tempest/.tox/tempest/bin/python"
    export ANSWERS=$1
    # shellcheck disable=SC2016  # the inner shell knows them
    run in_tool eval '
        take_snapshot() {
            local kind
            for kind in files processes units accounts groups ports; do
                cp "$FOLDER/new.$kind" "$LOGS/$1.$kind"
            done
        }
        enter() {
            case $* in
                grep*) return 1 ;;
                *dpkg*) echo /usr/lib/packaged-dirsrv ;;
                *pip*) printf "%s\n" tempest==46.3 pip==25 $ANSWERS ;;
            esac
        }
        phase_compare
    '
    echo "$output"
    rm "$FOLDER"/new.*
}

@test "compare finds what of ours is left, whatever it is" {
    local kind line
    while read -r kind line; do
        echo "$line" >"$FOLDER/new.$kind"
        compare_with ""
        ((status))
        [[ $output == *"$line"* ]]
    done <<'EOF'
files /etc/nova-dirsvc/service.password
processes stack /opt/stack/data/venv/bin/nova-dirsvc-sync
units dirsrv@dirsvc.service running
accounts nova-dirsvc:x:995:995::/nonexistent:/usr/sbin/nologin
groups nova-dirsvc:x:995:
groups dirsrv:x:120:stack
ports 127.0.0.1:1389 users:(("ns-slapd"))
EOF
    compare_with python-ldap==3.4.4
    ((status))
    [[ $output == *python-ldap* ]]
}

@test "compare lets stay what packages and devstack have made" {
    echo "dirsrv:x:104:114::/var/lib/dirsrv:/usr/sbin/nologin" \
        >"$FOLDER/new.accounts"
    echo "dirsrv:x:114:" >"$FOLDER/new.groups"
    printf '%s\n' /opt/stack/nova /opt/stack/nova_dirsvc_plugin/setup.py \
        "$DEVSTACK_WORK/plugin/nova_dirsvc_plugin.git/objects/pack/new" \
        /usr/lib/packaged-dirsrv >"$FOLDER/new.files"
    echo '*:3306 users:(("mariadbd"))' >"$FOLDER/new.ports"
    compare_with ""
    ((status == 0))
}
