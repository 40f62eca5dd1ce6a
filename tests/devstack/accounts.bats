#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The accounts of the devstack plugin, made for real, in an /etc of the test's
# own. With DEVSTACK_DIR set, on devstack's own functions.

bats_require_minimum_version 1.5.0

setup() {
    if ((EUID)); then
        skip "only root makes accounts"
    fi
    export FOLDER=$BATS_TEST_TMPDIR HERE=$BATS_TEST_DIRNAME
    export CONF=$FOLDER/etc/nova-dirsvc
    export OUTBOX=$FOLDER/stack/data/nova-dirsvc/outbox.db
    CHECKOUT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    # all that is asked of it below; other accounts look into these folders
    chmod 755 "$BATS_RUN_TMPDIR" "${FOLDER%/*}" "$FOLDER"
    mkdir -p "$FOLDER"/{own,bin,devstack,etc,systemd,plugin,python} \
        "$FOLDER/stack/data/venv"
    cp -r "$CHECKOUT/devstack" "$FOLDER/plugin/devstack"
    cp -r "$CHECKOUT/nova_dirsvc_plugin" "$FOLDER/python"
    chmod -R go+rX "$FOLDER"
    touch "$FOLDER/devstack/local.conf" "$FOLDER/calls"
    install -m 600 /dev/null "$FOLDER/password"
    printf '#!/bin/bash\n[[ $1 != is-enabled ]]\n' >"$FOLDER/bin/systemctl"
    chmod +x "$FOLDER/bin/systemctl"
    cat >"$FOLDER/nova.conf" <<EOC
[oslo_messaging_notifications]
driver = messagingv2
transport_url = rabbit://stackrabbit:r4bbitWord@192.0.2.1:5672/
EOC
    touch "$FOLDER/api-paste.ini"
    export REAL_ACCOUNTS=1 STACK_USER=stack ENABLED_SERVICES=n-api,rabbit
    export NOVA_DIRSVC_SOURCE=listener NOVA_DIRSVC_DIRECTORIES=ldap,log
    export NOVA_DIRSVC_LDAP_URL=ldap://ldap.example.org
    export NOVA_DIRSVC_LDAP_HOSTS_TREE_DN=ou=hosts,dc=example,dc=org
    export NOVA_DIRSVC_LDAP_USER=cn=nova,dc=example,dc=org
    export NOVA_DIRSVC_LDAP_PASSWORD_FILE=$FOLDER/password
    export STACK="stack:pre-install stack:install stack:post-config stack:extra"
    export LOG=$FOLDER/stack/data/nova-dirsvc/nova_dirsvc_plugin.log
}

# with_accounts SCRIPT: where the user stack is, whose name Nova's processes
# run under, and another group
with_accounts() {
    "$HERE/own-etc" "$FOLDER/own" bash -c '
        set -o errexit
        play() {
            bash "$HERE/stand-in" "$@" >"$FOLDER/said" 2>&1 ||
                { tail -n 20 "$FOLDER/said"; exit 1; }
        }
        as() {
            setpriv --reuid "$1" --regid "$2" --init-groups -- "${@:3}"
        }
        use_outbox() {
            (
                umask 077
                cd /
                PYTHONPATH=$FOLDER/python as "$@" /usr/bin/python3 -B -c "
import sys
from nova_dirsvc_plugin import outbox
outbox.Outbox(sys.argv[1]).check_writable()" "$OUTBOX"
            )
        }
        may_not() {
            if "$@" 2>"$FOLDER/refused"; then
                echo "possible: $*"
                exit 1
            fi
            grep -q "Permission denied" "$FOLDER/refused"
        }
        for name in stack tests-libvirt tests-nobody; do
            userdel "$name" 2>/dev/null || groupdel "$name" 2>/dev/null ||
                [[ $? == 6 ]]
        done
        useradd --system --user-group stack
        useradd --system --user-group tests-nobody
        groupadd --system tests-libvirt
        '"$1"
}

@test "the user of Nova reads no secret of the daemon" {
    with_accounts '
        play $STACK
        secrets=$(cd "$CONF" && ls account.conf bus.conf ldap.password_file)
        for secret in $secrets; do
            may_not as stack stack cat "$CONF/$secret"
            as nova-dirsvc nova-dirsvc cat "$CONF/$secret" >/dev/null
        done
        as nova-dirsvc nova-dirsvc cat "$CONF/nova-dirsvc.conf" >/dev/null
        grep -qx "User *= *nova-dirsvc" "$FOLDER"/systemd/*nova-dirsvc.service
        grep -qx "Group *= *nova-dirsvc" "$FOLDER"/systemd/*nova-dirsvc.service
    '
}

@test "all processes of Nova and the daemon write the outbox, nobody else" {
    with_accounts '
        play $STACK
        use_outbox stack stack
        use_outbox nova-dirsvc nova-dirsvc
        use_outbox stack tests-libvirt
        may_not as tests-nobody tests-nobody ls "${OUTBOX%/*}"
        play stack:post-config
        use_outbox nova-dirsvc nova-dirsvc
        use_outbox stack tests-libvirt
        use_outbox stack stack
    '
}

@test "the daemon writes the log, and who stacks reads it" {
    with_accounts '
        play $STACK
        as nova-dirsvc nova-dirsvc tee -a "$LOG" <<<line >/dev/null
        [[ $(as stack stack cat "$LOG") == line ]]
        may_not as stack stack tee -a "$LOG" <<<line
    '
}

@test "clean removes the accounts and takes nobody out of other groups" {
    with_accounts '
        usermod --append --groups tests-libvirt stack
        cp /etc/passwd /etc/group "$FOLDER"
        play $STACK
        [[ " $(id --groups --name stack) " == *" nova-dirsvc-outbox "* ]]
        play $STACK unstack clean clean
        diff /etc/passwd "$FOLDER/passwd"
        diff /etc/group "$FOLDER/group"
    '
}
