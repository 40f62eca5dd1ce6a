#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# phases.sh: what ``run`` runs, a function a phase. Sourced by it. A line that
# begins with "= " ends up on the phase's progress line.

function phase_table {
    cat <<EOF
root       make the container's root folder, put devstack into it
boot       boot it: systemd as its process 1
before     note files, processes, units and accounts
stack      stack.sh
check      boot an instance: its host entry comes; delete it: it goes
scenarios  tempest with this project's scenarios, if there are any
unstack    unstack.sh
restack    stack.sh once more
recheck    check once more
clean      clean.sh (which runs unstack.sh)
compare    compare with before: nothing of ours may be left
halt       stop the container
EOF
}

CHECKOUT=$(cd "$TOOL_DIR/../.." && pwd)
PLUGIN=$WORK/plugin/nova_dirsvc_plugin.git
PLUGIN_BRANCH=under-test
DEVSTACK=/opt/stack/devstack
# Without .img or .tar.gz, it is the image's name in glance
IMAGE=/opt/stack/guest

function phase_root {
    halt_container
    find "$LOGS" -type f ! -name root.log -delete
    publish_plugin
    make_root
    git clone --branch "$DEVSTACK_BRANCH" "$DEVSTACK_REPO" "$ROOT$DEVSTACK"
    echo "= devstack $(git -C "$ROOT$DEVSTACK" rev-parse --short HEAD)," \
        "plugin $(git -C "$PLUGIN" log -1 --format='%h %s' "$PLUGIN_BRANCH")"
    make_image
    write_local_conf
    install "$TOOL_DIR/check" "$ROOT/opt/stack/check"
    chroot "$ROOT" chown -R stack: /opt/stack
}

# Put the checkout as it is, with what is not committed, into a bare
# repository of the container's.
function publish_plugin {
    local head tree commit
    rm -rf "$PLUGIN"
    git clone --quiet --bare "$CHECKOUT" "$PLUGIN"
    head=$(git -C "$CHECKOUT" rev-parse HEAD)
    git -C "$PLUGIN" --work-tree="$CHECKOUT" read-tree "$head"
    git -C "$PLUGIN" --work-tree="$CHECKOUT" add --all "$CHECKOUT"
    tree=$(git -C "$PLUGIN" write-tree)
    commit=$head
    if [[ $tree != $(git -C "$CHECKOUT" rev-parse 'HEAD^{tree}') ]]; then
        commit=$(git -C "$PLUGIN" -c user.name=run -c user.email=run \
            commit-tree -p "$head" -m "${head:0:9} and what is not committed" \
            "$tree")
    fi
    git -C "$PLUGIN" branch --force "$PLUGIN_BRANCH" "$commit"
}

# The fake driver boots no image; glance wants one all the same.
function make_image {
    local guest=$WORK/guest-$SUITE.tar.gz
    if [[ $VIRT_DRIVER == fake ]]; then
        truncate --size=1M "$ROOT$IMAGE.img"
        return
    fi
    if [[ ! -e $guest ]]; then
        install "$TOOL_DIR/make-guest" "$ROOT/root/make-guest"
        chroot "$ROOT" /root/make-guest "/root/guest.tar.gz"
        mv "$ROOT/root/guest.tar.gz" "$guest"
    fi
    cp "$guest" "$ROOT$IMAGE.tar.gz"
}

function write_local_conf {
    local image
    image=$(cd "$ROOT" && ls ".$IMAGE".*)
    sed -e "s|@GIT_BASE@|$GIT_BASE|" -e "s|@PLUGIN@|file://$PLUGIN|" \
        -e "s|@PLUGIN_BRANCH@|$PLUGIN_BRANCH|" \
        -e "s|@VIRT_DRIVER@|$VIRT_DRIVER|" -e "s|@DIRECTORIES@|$DIRECTORIES|" \
        -e "s|@IMAGE_URL@|file://${image#.}|" -e "s|@LDAP_PORT@|$LDAP_PORT|" \
        -e "s|@LDAPS_PORT@|$LDAPS_PORT|" -e "s|@SOURCE@|$SOURCE|" \
        -e "s|@REMOTE_ADDRESS@|$REMOTE_ADDRESS|" \
        "$TOOL_DIR/local.conf.in" >"$ROOT$DEVSTACK/local.conf"
    if has_scenarios; then
        cat "$TOOL_DIR/local.conf.tempest" >>"$ROOT$DEVSTACK/local.conf"
    fi
    # the last one, as it has a section of its own at its end
    if [[ $VIRT_DRIVER == libvirt ]]; then
        cat "$TOOL_DIR/local.conf.libvirt" >>"$ROOT$DEVSTACK/local.conf"
    fi
}

function phase_boot {
    local -a shared=("$WORK/plugin")
    if [[ $GIT_BASE == file://* ]]; then
        shared+=("${GIT_BASE#file://}")
    fi
    boot_container "${shared[@]}"
    echo "= $(enter systemctl is-system-running || [[ $? == 1 ]])"
}

function phase_before {
    take_snapshot before
}

function phase_stack {
    # devstack makes br-ex without saying that it is one in user space
    enter systemctl start openvswitch-switch # unstack.sh stops it
    enter ovs-vsctl --may-exist add-br br-ex -- \
        set bridge br-ex datapath_type=netdev
    as_stack "$DEVSTACK/stack.sh"
}

function phase_check {
    as_stack /opt/stack/check "$VIRT_DRIVER" "${IMAGE##*/}"
}

# Whether the plugin that is tested brings a plugin for tempest, too.
function has_scenarios {
    git -C "$PLUGIN" rev-parse --verify --quiet \
        "$PLUGIN_BRANCH:nova_dirsvc_tempest_plugin" >/dev/null
}

function phase_scenarios {
    if ! has_scenarios; then
        echo "= there are none"
        return
    fi
    as_stack bash -c "cd /opt/stack/tempest &&
        .tox/tempest/bin/tempest run --concurrency 1 --regex '$TEMPEST_REGEX'"
    echo "= $(sed -nE 's/^ - ((Passed|Skipped|Failed): .*)/\1/p' \
        "$LOGS/scenarios.log" | paste --serial --delimiters=,)"
}

# Nova's services take minutes for a graceful end: they wait for each other.
function kill_nova {
    enter systemctl kill --signal KILL 'devstack@n-*'
}

function phase_unstack {
    kill_nova
    as_stack "$DEVSTACK/unstack.sh"
}

function phase_restack {
    phase_stack
}

function phase_recheck {
    phase_check
}

function phase_clean {
    kill_nova
    as_stack "$DEVSTACK/clean.sh"
}

function phase_halt {
    halt_container
}

# Copy devstack's logs and the journal out of the container: clean.sh and the
# next run remove them.
function keep_logs {
    mkdir -p "$LOGS/inside"
    if [[ -d $ROOT/opt/stack/logs ]]; then
        find "$ROOT/opt/stack/logs" -type f \
            -exec cp --update --target-directory "$LOGS/inside" {} +
    fi
    enter journalctl --no-pager --identifier nova-dirsvc-sync \
        --identifier ns-slapd --identifier nova-compute \
        --identifier systemd >"$LOGS/inside/journal.log"
    enter journalctl --no-pager --unit devstack@nova-dirsvc-rest \
        >"$LOGS/inside/rest.log"
}

# take_snapshot NAME: lists of what there is inside, in $LOGS/NAME.*
function take_snapshot {
    enter find / /run /tmp /dev/shm -xdev -printf '%p\n' |
        sort >"$LOGS/$1.files"
    enter ps -eo user:20,args --no-headers | sort -u >"$LOGS/$1.processes"
    enter systemctl list-units --all --plain --no-legend --no-pager \
        --type=service,socket,target,timer,mount |
        awk '{ print $1, $4 }' | sort >"$LOGS/$1.units"
    enter getent passwd | sort >"$LOGS/$1.accounts"
    enter ss --all --listening --numeric --no-header --tcp --processes |
        sed -E 's/ +/ /g; s/,(pid|fd)=[0-9]+//g' | cut -d' ' -f4,6 |
        sort -u >"$LOGS/$1.ports"
}

# What carries one of our names: the project's or the directory server's
OURS='dirsvc|dirsrv|slapd|389-?ds'

# Compare with the snapshot "before". clean.sh leaves packages and the clones
# of repositories alone, so what belongs to a package, to a package's own
# scripts or to the plugin's clone is no remains of ours.
function phase_compare {
    local kind
    take_snapshot after
    for kind in files processes units accounts ports; do
        comm -13 "$LOGS/before.$kind" "$LOGS/after.$kind" >"$LOGS/new.$kind"
        echo "$kind: $(wc -l <"$LOGS/new.$kind") new," \
            "whosever (all in $LOGS/new.$kind)"
    done
    enter sh -c 'cat /var/lib/dpkg/info/*.list' |
        sed 's|^/lib/|/usr/lib/|' | sort -u >"$LOGS/packaged"
    comm -13 "$LOGS/packaged" "$LOGS/new.files" |
        grep -vE '^/opt/stack/(nova_dirsvc_plugin|devstack)(/|$)' |
        grep -vE '^/var/(lib/(dpkg|apt|systemd)|cache)/' |
        grep -vE '^/usr/lib/python3/.*/__pycache__' >"$LOGS/ours"
    for kind in processes units ports; do
        cat "$LOGS/new.$kind" >>"$LOGS/ours"
    done
    # files of others with a line of ours
    enter grep -rlI dirsvc /etc /usr/local >>"$LOGS/ours" || [[ $? == 1 ]]
    if grep -E "$OURS" "$LOGS/ours"; then
        echo "these are ours and should be gone"
        return 1
    fi
    echo "= nothing of ours is left"
}
