#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# phases.sh: what ``run`` runs, a function a phase. Sourced by it. A line that
# begins with "= " ends up on the phase's progress line.

function phase_table {
    cat <<EOF
root       make the container's root folder, put devstack into it
boot       boot it: systemd as its process 1
before     note files, processes, units, accounts, groups and ports
stack      stack.sh
check      boot an instance: its host entry comes; delete it: it goes
scenarios  tempest with this project's scenarios, if there are any
unstack    unstack.sh
restack    stack.sh again
recheck    check again
clean      clean.sh (which runs unstack.sh)
compare    compare with before: nothing of ours may be left
halt       stop the container
EOF
}

function extra_phase_table {
    cat <<EOF
disable    have local.conf disable the plugin, from the next phase on
EOF
}

CHECKOUT=$(cd "$TOOL_DIR/../.." && pwd)
PLUGIN=$WORK/plugin/nova_dirsvc_plugin.git
PLUGIN_BRANCH=main
DEVSTACK=/opt/stack/devstack
DISABLE_LINE="disable_service nova-dirsvc"
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
    install "$TOOL_DIR/check" "$ROOT/opt/stack/check"
    chroot "$ROOT" chown -R stack: /opt/stack
    write_local_conf # the last thing: with it the root folder is whole
}

# Put the checkout as it is, with what is not committed, into a bare
# repository of the container's, which has no other branch.
function publish_plugin {
    local head tree commit
    rm -rf "$PLUGIN"
    git init --quiet --bare --initial-branch "$PLUGIN_BRANCH" "$PLUGIN"
    git -C "$PLUGIN" fetch --quiet --tags "$CHECKOUT" \
        "HEAD:refs/heads/$PLUGIN_BRANCH"
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

# The line of the README, as it was published, but for the address
function plugin_line {
    local pattern='^ +(enable_plugin [^ ]+) (<[^>]*>|[^ ]+)(.*)$'
    local readme line
    readme=$(git -C "$PLUGIN" show "$PLUGIN_BRANCH:devstack/README.rst")
    while IFS= read -r line; do
        if [[ $line =~ $pattern ]]; then
            echo "${BASH_REMATCH[1]} file://$PLUGIN${BASH_REMATCH[3]}"
            return
        fi
    done <<<"$readme"
    echo "devstack/README.rst names no line with enable_plugin" >&2
    return 1
}

function local_conf {
    echo "$ROOT$DEVSTACK/local.conf"
}

function write_local_conf {
    local image plugin_line conf
    conf=$(local_conf)
    image=$(cd "$ROOT" && ls ".$IMAGE".*)
    plugin_line=$(plugin_line)
    sed -e "s|@GIT_BASE@|$GIT_BASE|" -e "s|@ENABLE_PLUGIN@|$plugin_line|" \
        -e "s|@VIRT_DRIVER@|$VIRT_DRIVER|" -e "s|@DIRECTORIES@|$DIRECTORIES|" \
        -e "s|@IMAGE_URL@|file://${image#.}|" -e "s|@LDAP_PORT@|$LDAP_PORT|" \
        -e "s|@LDAPS_PORT@|$LDAPS_PORT|" -e "s|@SOURCE@|$SOURCE|" \
        -e "s|@REMOTE_ADDRESS@|$REMOTE_ADDRESS|" \
        "$TOOL_DIR/local.conf.in" >"$conf.new"
    if has_scenarios; then
        cat "$TOOL_DIR/local.conf.tempest" >>"$conf.new"
    fi
    # the last one, as it has a section of its own at its end
    if [[ $VIRT_DRIVER == libvirt ]]; then
        cat "$TOOL_DIR/local.conf.libvirt" >>"$conf.new"
    fi
    mv "$conf.new" "$conf"
}

function phase_boot {
    local -a shared=("$WORK/plugin")
    local git_base
    git_base=$(sed -n 's/^GIT_BASE=//p' "$(local_conf)")
    if [[ $git_base == file://* ]]; then
        shared+=("${git_base#file://}")
    fi
    boot_container "${shared[@]}"
    echo "= $(enter systemctl is-system-running || [[ $? == 1 ]])"
}

function phase_stack {
    # devstack makes br-ex without saying that it is one in user space
    enter systemctl start openvswitch-switch # unstack.sh stops it
    enter ovs-vsctl --may-exist add-br br-ex -- \
        set bridge br-ex datapath_type=netdev
    as_stack "$DEVSTACK/stack.sh"
}

function phase_check {
    as_stack /opt/stack/check "${IMAGE##*/}"
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
    as_stack env --chdir /opt/stack/tempest .tox/tempest/bin/tempest run \
        --concurrency 1 --regex "$TEMPEST_REGEX"
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
    expect_nothing_runs
}

function phase_restack {
    phase_stack
    if is_disabled; then
        expect_nothing_runs
        expect_nova_knows_nothing
        echo "= nothing of ours runs, and nova.conf has nothing of ours"
    fi
}

function phase_recheck {
    phase_check
}

# As a user does it who wants to be rid of the plugin for a while
function phase_disable {
    local conf
    conf=$(local_conf)
    if ! is_disabled; then
        sed -i "/^enable_plugin /a $DISABLE_LINE" "$conf"
    fi
    echo "= $DISABLE_LINE"
}

function is_disabled {
    grep -qxF "$DISABLE_LINE" "$(local_conf)"
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
