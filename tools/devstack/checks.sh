#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# checks.sh: what must hold before a phase; each function ends ``run`` with
# what is wrong and what to do. Sourced by it.
#
# Uses: the variables of ``run``, container.sh, phases.sh

# What devstack clones from GIT_BASE
PROJECTS="requirements keystone glance placement neutron nova tempest"

function complain {
    echo "${0##*/}: $*" >&2
    exit 1
}

# check_word VARIABLE VALUE WORD ...: the value is one of the words
function check_word {
    local variable=$1
    local value=$2
    shift 2
    if [[ " $* " != *" $value "* ]]; then
        complain "$variable is one of: $*; not $value"
    fi
}

function check_switches {
    local directory port
    check_word DEVSTACK_SUITE "$SUITE" bookworm trixie
    check_word DEVSTACK_VIRT_DRIVER "$VIRT_DRIVER" fake libvirt
    check_word DEVSTACK_SOURCE "$SOURCE" hook listener
    check_word DEVSTACK_REMOTE_ADDRESS "$REMOTE_ADDRESS" True False
    if [[ ! $DIRECTORIES =~ ^[^,\ ]+(,[^,\ ]+)*$ ]]; then
        complain "DEVSTACK_DIRECTORIES is a list like 389ds,log;" \
            "not '$DIRECTORIES'"
    fi
    for directory in ${DIRECTORIES//,/ }; do
        check_word DEVSTACK_DIRECTORIES "$directory" 389ds rest log
    done
    for port in "$LDAP_PORT" "$LDAPS_PORT"; do
        if [[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
            complain "DEVSTACK_LDAP_PORT and DEVSTACK_LDAPS_PORT are ports;" \
                "not $port"
        fi
    done
    if [[ $LDAP_PORT == "$LDAPS_PORT" ]]; then
        complain "DEVSTACK_LDAP_PORT and DEVSTACK_LDAPS_PORT are both" \
            "$LDAP_PORT: set one of them"
    fi
    if [[ ! $GIT_BASE =~ ^[a-z+]+:// ]]; then
        complain "GIT_BASE is an address, https://HOST or file:///FOLDER;" \
            "not $GIT_BASE"
    fi
}

function check_machine {
    local command
    if ((EUID)); then
        complain "this needs root: it mounts, and boots a container"
    fi
    for command in debootstrap unshare nsenter findmnt pgrep git ip ss; do
        if ! type -P "$command" >/dev/null; then
            complain "$command is missing: install it"
        fi
    done
    if ! findmnt --types cgroup2 >/dev/null; then
        complain "no control group of version 2 is mounted: mount one"
    fi
}

# check_phase PHASE: what the phase needs is there
function check_phase {
    case $1 in
        root)
            check_ports
            check_sources
            ;;
        boot)
            check_root
            check_ports
            ;;
        halt)
            :
            ;;
        check | recheck | scenarios)
            check_booted "$1"
            if ! enter systemctl is-active --quiet devstack@n-api; then
                complain "$1: nova-api is not running in the container:" \
                    "run the phase stack first"
            fi
            ;;
        compare)
            check_booted "$1"
            if [[ ! -e $LOGS/before.ports ]]; then
                complain "compare: there is nothing to compare with:" \
                    "run the phases root, boot and before first"
            fi
            ;;
        *)
            check_booted "$1"
            ;;
    esac
}

function check_root {
    if [[ ! -e $(local_conf) ]]; then
        complain "boot: there is no root folder $ROOT:" \
            "run the phase root first"
    fi
}

function check_booted {
    if ! is_booted; then
        complain "$1: the container is not running: run the phase boot first"
    fi
}

# The container is in the host's network, and devstack's ports are fixed.
function check_ports {
    local port what who taken=""
    if is_booted; then
        return # it is the container that listens
    fi
    while read -r port what; do
        who=$(ss --no-header --listening --numeric --tcp --processes \
            "sport = :$port")
        if [[ -n $who ]]; then
            who=$(sed -nE 's/.*\(\("([^"]+)",pid=([0-9]+).*/\1, process \2/p' \
                <<<"$who" | head -n 1)
            taken+=$'\n'"    $port ($what): ${who:-a process that ss cannot name}"
        fi
    done < <(service_ports)
    if [[ -n $taken ]]; then
        complain "the container uses the host's network, where these ports" \
            "are taken:$taken"$'\n'"End what listens there first."
    fi
}

# Ports that are in use while it runs
function service_ports {
    cat <<EOF
80 Apache
3306 MySQL
4369 epmd
5672 RabbitMQ
6640 Open vSwitch
6641 OVN
6642 OVN
8775 the metadata service of Nova
11211 memcached
25672 RabbitMQ
60999 Glance
$LDAP_PORT the directory server
$LDAPS_PORT the directory server
EOF
    if [[ ,$DIRECTORIES, == *,rest,* ]]; then
        echo "8043 the HTTP service"
    fi
}

# The repositories answer, and devstack's has the branch.
function check_sources {
    local project heads
    heads=$(list_heads "$DEVSTACK_REPO" "$DEVSTACK_BRANCH") ||
        complain "no repository $DEVSTACK_REPO: set DEVSTACK_REPO or GIT_BASE"
    if [[ -z $heads ]]; then
        complain "$DEVSTACK_REPO has no branch $DEVSTACK_BRANCH:" \
            "set DEVSTACK_BRANCH"
    fi
    for project in $PROJECTS; do
        list_heads "$GIT_BASE/openstack/$project.git" master >/dev/null ||
            complain "no repository $GIT_BASE/openstack/$project.git:" \
                "set GIT_BASE"
    done
}

function list_heads {
    GIT_TERMINAL_PROMPT=0 git ls-remote --heads "$1" "$2"
}
