#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# compare.sh: what of ours is in the container. Sourced by ``run``.
#
# Uses: LOGS, ROOT, container.sh, phases.sh

function phase_before {
    take_snapshot before
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
    enter getent group | sort >"$LOGS/$1.groups"
    enter ss --all --listening --numeric --no-header --tcp --processes |
        sed -E 's/ +/ /g; s/,(pid|fd)=[0-9]+//g' | cut -d' ' -f4,6 |
        sort -u >"$LOGS/$1.ports"
}

# What carries one of our names: the project's or the directory server's
OURS='dirsvc|dirsrv|slapd|389-?ds'

# Compare with the snapshot "before". clean.sh leaves packages and the clones
# of repositories alone, so what belongs to a package, to a package's own
# scripts, to the plugin's clone or to what it was cloned from is no remains of
# ours.
function phase_compare {
    local kind
    take_snapshot after
    for kind in files processes units accounts groups ports; do
        comm -13 "$LOGS/before.$kind" "$LOGS/after.$kind" >"$LOGS/new.$kind"
        echo "$kind: $(wc -l <"$LOGS/new.$kind") new," \
            "whosever (all in $LOGS/new.$kind)"
    done
    enter sh -c 'cat /var/lib/dpkg/info/*.list' |
        sed 's|^/lib/|/usr/lib/|' | sort -u >"$LOGS/packaged"
    comm -13 "$LOGS/packaged" "$LOGS/new.files" |
        sed -E -e '\#^/opt/stack/(nova_dirsvc_plugin|devstack)(/|$)#d' \
            -e '\#^/var/(lib/(dpkg|apt|systemd)|cache)/#d' \
            -e '\#^/usr/lib/python3/.*/__pycache__#d' \
            -e "\\#^$PLUGIN/#d" >"$LOGS/ours"
    for kind in processes units accounts groups ports; do
        cat "$LOGS/new.$kind"
    done | sed -E '/^dirsrv:x:[0-9]+:([0-9]+:.*)?$/d' >>"$LOGS/ours"
    lines_of_ours /etc /usr/local /opt/stack/tempest/etc >>"$LOGS/ours"
    packages_for_tempest >>"$LOGS/ours"
    expect_none <"$LOGS/ours"
    echo "= nothing of ours is left"
}

# expect_none: no line on standard input is ours
function expect_none {
    if grep -E "$OURS"; then
        echo "these are ours and should be gone"
        return 1
    fi
}

# lines_of_ours FOLDER ...: the files of others that have one; a folder may
# not be there
function lines_of_ours {
    { enter grep -rlIs dirsvc "$@" || (($? <= 2)); } |
        sed 's/$/ has a line with dirsvc/'
}

# What Tempest's Python has that no package there asks for
function packages_for_tempest {
    local python=/opt/stack/tempest/.tox/tempest/bin/python
    if [[ -e $ROOT$python ]]; then
        enter "$python" -m pip list --not-required --format freeze |
            sed -E '/^(tempest|pip|setuptools|wheel)=/d; s/^/for nova_dirsvc: /'
    fi
}

# Nothing of ours runs, nor will it after a boot.
function expect_nothing_runs {
    {
        enter ps -eo args --no-headers
        enter systemctl list-unit-files --state enabled --no-legend \
            --no-pager --plain
    } | expect_none
}

function expect_nova_knows_nothing {
    lines_of_ours /etc/nova | expect_none
}
