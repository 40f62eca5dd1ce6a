#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The devstack plugin, phase by phase, in a stand-in for stack.sh. With
# DEVSTACK_DIR set, on devstack's own functions.

bats_require_minimum_version 1.5.0

STACK=(stack:pre-install stack:install stack:post-config stack:extra
    stack:test-config)

setup() {
    export FOLDER=$BATS_TEST_TMPDIR
    CHECKOUT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    CONF=$FOLDER/etc/nova-dirsvc
    UNIT=$FOLDER/systemd/devstack@nova-dirsvc.service
    mkdir -p "$FOLDER"/{bin,devstack,etc,systemd,plugin/examples/389ds} \
        "$FOLDER/stack/data/venv"
    ln -s "$CHECKOUT/devstack" "$FOLDER/plugin/devstack"
    touch "$FOLDER/calls"
    cat >"$FOLDER/nova.conf" <<EOF
[oslo_messaging_notifications]
driver = messagingv2
transport_url = rabbit://stackrabbit:r4bbitWord@192.0.2.1:5672/
EOF
    # as lib/nova leaves it, which knows of override-defaults
    printf '[notifications]\nnotification_format = both\n' \
        >>"$FOLDER/nova.conf"
    touch "$FOLDER/devstack/local.conf"
    echo "[database]" >"$FOLDER/nova_cell1.conf"
    cat >"$FOLDER/api-paste.ini" <<EOF
[composite:openstack_compute_api_v21]
use = call:nova.api.auth:pipeline_factory_v21
keystone = cors authtoken keystonecontext osapi_compute_app_v21

[composite:openstack_compute_api_v21_legacy_v2_compatible]
keystone = authtoken keystonecontext legacy_v2_compatible osapi_compute_app_v21
EOF
    make_systemctl
    make_389ds
    make_tokens
    install /dev/null "$FOLDER/bin/rabbitmqctl"
}

use_tempest() {
    RECONCILE="$FOLDER/stack/data/venv/bin/nova-dirsvc-manage"
    RECONCILE+=" --config-dir $CONF reconcile --policy sync"
    DROP="$FOLDER/stack/data/venv/bin/python3"
    DROP+=" $FOLDER/plugin/devstack/drop_events.py"
    DROP+=" $FOLDER/stack/data/nova-dirsvc/outbox.db"
    export ENABLED_SERVICES=n-api,n-cpu,tempest
    use_tempest_venv
}

use_tempest_venv() {
    mkdir -p "$FOLDER/stack/tempest/.tox/tempest/bin"
    cat >"$FOLDER/stack/tempest/.tox/tempest/bin/pip" <<'EOF'
#!/bin/bash
# a line of packages has a name and what it needs
case $* in
    install*)
        echo "pip $1 $2 ${*:4}" >>"$FOLDER/calls"
        printf '%s\n' "pyasn1 " "python-ldap pyasn1" >>"$FOLDER/packages"
        sort -u -o "$FOLDER/packages" "$FOLDER/packages"
        ;;
    *--not-required)
        cut -d " " -f 1 "$FOLDER/packages" |
            grep -vxF -f <(cut -d " " -f 2- "$FOLDER/packages" | xargs -n 1) |
            sed 's/$/==1/'
        ;;
    *)
        sed 's/ .*/==1/' "$FOLDER/packages"
        ;;
esac
EOF
    # as lib/tempest makes it
    printf '%s\n' "cliff " "oslo.messaging kombu" "kombu " \
        "nova-dirsvc-plugin oslo.messaging cliff" "tempest cliff" \
        >"$FOLDER/packages"
    chmod +x "$FOLDER/stack/tempest/.tox/tempest/bin/pip"
}

# tempest_says OPTION VALUE
tempest_says() {
    grep -qxF "$1 = $2" "$FOLDER/tempest.conf"
}

# Notes its calls; a unit is enabled from enable to disable.
make_systemctl() {
    cat >"$FOLDER/bin/systemctl" <<'EOF'
#!/bin/bash
mark=$FOLDER/systemd/$2.enabled
case $1 in
    is-enabled)
        [[ -e $mark ]]
        exit
        ;;
    enable)
        touch "$mark"
        ;;
    start)
        touch "$FOLDER/systemd/$2.running"
        ;;
    stop)
        rm -f "$FOLDER/systemd/$2.running"
        ;;
    disable)
        rm "$mark"
        ;;
esac
echo "systemctl $*" >>"$FOLDER/calls"
EOF
    chmod +x "$FOLDER/bin/systemctl"
}

# Leaves what the real one leaves in its state folder, an enabled unit, and the
# content of the password files that it was given.
make_389ds() {
    cat >"$FOLDER/plugin/examples/389ds/dirsvc-389ds" <<'EOF'
#!/bin/bash
command=$1
while (($#)); do
    case $1 in
        --*-password-file) cp "$2" "$FOLDER/given.${2##*/}" ;;
        --state-dir) state=$2 ;;
        --instance) unit=$FOLDER/systemd/dirsrv@$2.service ;;
    esac
    shift
done
case $command in
    deploy)
        touch "$unit.enabled" "$unit.running"
        cat >"$state/directory.conf" <<EOC
[nova_dirsvc]
owner = devstack
[ldap]
url = ldap://192.0.2.1:1389
user = cn=nova-dirsvc,ou=services,dc=cloud,dc=example
password_file = $state/service.password
hosts_tree_dn = ou=hosts,dc=cloud,dc=example
use_tls = true
tls_cacertfile = $state/ca.crt
EOC
        touch "$state/ca.crt" "$state/"{manager,service,reader}.password
        ;;
    stop)
        rm -f "$unit.running"
        ;;
    remove)
        rm -f "$unit".{enabled,running}
        rm -f "$state"/{directory.conf,ca.crt} \
            "$state"/{manager,service,reader}.password
        ;;
esac
EOF
    chmod +x "$FOLDER/plugin/examples/389ds/dirsvc-389ds"
}

# Those that the service of examples/rest will have made
make_tokens() {
    mkdir "$FOLDER/tokens"
    for whose in service reader manager; do
        echo "${whose}T0ken" >"$FOLDER/tokens/$whose.token"
    done
}

# play PHASE ...: what the stand-in says is in $output, its trace in $stderr
play() {
    run --separate-stderr bash "$BATS_TEST_DIRNAME/stand-in" "$@"
}

plays() {
    play "$@"
    if ((status)); then
        echo "$output"
        tail -n 30 <<<"$stderr"
        return 1
    fi
}

called() {
    grep -qF -- "$1" "$FOLDER/calls"
}

never_called() {
    if called "$1"; then
        return 1
    fi
}

# All files, but those that this test itself keeps
ends_as() {
    diff -r -x calls -x 'names.*' -x 'separate-stderr*' "$FOLDER" "$1"
}

# units STATE: how many are enabled or running
units() {
    find "$FOLDER/systemd" -name "*.$1" | wc -l
}

drivers() {
    sed -n 's/^driver = //p' "$FOLDER/nova.conf" | tr '\n' ' '
}

use_given_directory() {
    touch "$FOLDER/password" "$FOLDER/ca.pem"
    export NOVA_DIRSVC_DIRECTORIES=ldap
    export NOVA_DIRSVC_LDAP_URL=ldap://ldap.example.org
    export NOVA_DIRSVC_LDAP_HOSTS_TREE_DN=ou=hosts,dc=example,dc=org
    export NOVA_DIRSVC_LDAP_USER=cn=nova,dc=example,dc=org
    export NOVA_DIRSVC_LDAP_PASSWORD_FILE=$FOLDER/password
    export NOVA_DIRSVC_LDAP_CACERT=$FOLDER/ca.pem
}

use_rest() {
    export NOVA_DIRSVC_DIRECTORIES=${1:-rest}
    REST=$FOLDER/stack/data/nova-dirsvc/rest
    REST_UNIT=devstack@nova-dirsvc-rest.service
}

use_given_service() {
    use_rest
    echo 'giv"en\S3cret' >"$FOLDER/secret"
    touch "$FOLDER/ca.pem"
    export NOVA_DIRSVC_REST_URL=https://cmdb.example.org/v1/instances
    export NOVA_DIRSVC_REST_AUTH=${1:-bearer}
    export NOVA_DIRSVC_REST_USER=nova
    export NOVA_DIRSVC_REST_SECRET_FILE=$FOLDER/secret
    export NOVA_DIRSVC_REST_CACERT=$FOLDER/ca.pem
}

# daemon_says SECTION: all of it
daemon_says() {
    sed -n "/^\[$1\]/,/^\[/{/^[a-z]/p}" "$CONF/nova-dirsvc.conf" | sort
}

use_listener() {
    export ENABLED_SERVICES=n-api,n-cpu,rabbit${1:+,$1}
    export NOVA_DIRSVC_SOURCE=listener
}

# nova_says FILE SECTION OPTION VALUE: and says it once
nova_says() {
    [[ $(sed -n "/^\[$2\]/,/^\[/{s/^$3 *= *//p}" "$FOLDER/$1") == "$4" ]]
}

use_log() {
    export NOVA_DIRSVC_DIRECTORIES=$1
    LOG=$FOLDER/stack/data/nova-dirsvc/nova_dirsvc_plugin.log
}

# let_the_daemon_log FILE: what it writes into it
let_the_daemon_log() {
    echo "Registering instance with directory service at\
 2015-03-22 06:53:00.510936: {}" >>"$1"
}

# -- phases, enabled ---------------------------------------------------------

@test "pre-install changes nothing" {
    plays stack:pre-install
    [[ ! -s $FOLDER/calls ]]
}

@test "install puts the package with its extras into devstack's Python" {
    plays stack:install
    called "setup_develop $FOLDER/plugin sync,ldap,rest"
    called "install_package gcc ldap-utils libldap2-dev libsasl2-dev"
    called "install_package 389-ds-base python3-lib389"
    never_called pip_install
}

@test "install takes the packages of the distribution" {
    export os_VENDOR=CentOSStream
    plays stack:install
    called "install_package cyrus-sasl-devel gcc openldap-clients"
    never_called libldap2-dev
}

@test "the plugin has no list of packages, which devstack would always install" {
    [[ ! -e $CHECKOUT/devstack/files ]]
}

@test "post-config adds the notifier to nova.conf and keeps messagingv2" {
    plays stack:post-config
    [[ $(drivers) == "messagingv2 nova_dirsvc " ]]
    grep -qx "outbox = $FOLDER/stack/data/nova-dirsvc/outbox.db" \
        "$FOLDER/nova.conf"
}

@test "post-config lets a cell's conductor tell what it saves for computes" {
    plays stack:post-config stack:post-config
    nova_says nova_cell1.conf oslo_messaging_notifications driver nova_dirsvc
    # and to us alone, so not in both formats
    nova_says nova_cell1.conf notifications notification_format versioned
    nova_says nova_cell1.conf notifications notify_on_state_change vm_state
    nova_says nova_cell1.conf nova_dirsvc outbox \
        "$FOLDER/stack/data/nova-dirsvc/outbox.db"
}

@test "post-config has Nova tell changes of state, unless it is told more" {
    plays stack:post-config
    nova_says nova.conf notifications notify_on_state_change vm_state
    printf '[DEFAULT]\nnotify_on_state_change = vm_and_task_state\n' \
        >"$FOLDER/nova.conf"
    plays stack:post-config
    nova_says nova.conf notifications notify_on_state_change ""
}

@test "post-config keeps a driver that somebody else has added" {
    sed -i '/^driver = /a driver = log' "$FOLDER/nova.conf"
    plays stack:post-config
    [[ $(drivers) == "messagingv2 log nova_dirsvc " ]]
}

@test "post-config makes an outbox folder that a group shares" {
    plays stack:post-config
    [[ $(stat -c '%A' "$FOLDER/stack/data/nova-dirsvc") == drwxrws--- ]]
}

@test "post-config empties the outbox of an earlier cloud" {
    mkdir "$FOLDER/stack/data/nova-dirsvc"
    touch "$FOLDER/stack/data/nova-dirsvc/outbox.db"{,-wal,-shm,.ldap.lock,.poke}
    plays stack:post-config
    [[ -z $(ls -A "$FOLDER/stack/data/nova-dirsvc") ]]
}

@test "post-config replaces the directory of an earlier cloud" {
    plays stack:post-config stack:post-config
    grep -o 'dirsvc-389ds [a-z]*' "$FOLDER/calls" >"$FOLDER/commands"
    diff "$FOLDER/commands" - <<EOF
dirsvc-389ds deploy
dirsvc-389ds remove
dirsvc-389ds deploy
EOF
}

@test "extra starts the daemon with its configuration and the directory's" {
    plays stack:post-config stack:extra
    grep -q "^ExecStart = $FOLDER/stack/data/venv/bin/nova-dirsvc-sync\
 --config-file $CONF/nova-dirsvc.conf --config-dir $CONF$" \
        "$UNIT"
    called "systemctl start devstack@nova-dirsvc.service"
}

@test "extra starts a daemon anew that an interrupted stack.sh has left" {
    plays stack:post-config stack:extra stack:extra
    grep 'systemctl st' "$FOLDER/calls" | tail -n 2 >"$FOLDER/commands"
    diff "$FOLDER/commands" - <<EOF
systemctl stop devstack@nova-dirsvc.service
systemctl start devstack@nova-dirsvc.service
EOF
}

@test "test-config prints an ldapsearch line that names no password" {
    plays "${STACK[@]}"
    called "echo_summary LDAPTLS_CACERT=$CONF/ca.crt ldapsearch -LLL -x\
 -D 'cn=hosts-reader,ou=services,dc=cloud,dc=example'\
 -y $CONF/reader.password -ZZ -H ldap://192.0.2.1:1389\
 -b 'ou=hosts,dc=cloud,dc=example' '(objectClass=novaInstance)'"
}

@test "test-config writes no tempest.conf without tempest" {
    plays "${STACK[@]}"
    [[ ! -e $FOLDER/tempest.conf ]]
}

@test "test-config tells tempest of the directory, and lends it passwords" {
    use_tempest
    plays "${STACK[@]}"
    called "pip install -c python-ldap"
    tempest_says nova_dirsvc True
    tempest_says directory ldap
    tempest_says ldap_url ldap://192.0.2.1:1389
    tempest_says ldap_hosts_tree_dn ou=hosts,dc=cloud,dc=example
    tempest_says ldap_user cn=hosts-reader,ou=services,dc=cloud,dc=example
    tempest_says ldap_use_tls true
    tempest_says ldap_tls_cacertfile "$CONF/ca.crt"
    tempest_says ldap_manager_user "cn=Directory Manager"
    lent=$FOLDER/stack/data/tempest/nova-dirsvc
    tempest_says ldap_password_file "$lent/reader.password"
    tempest_says ldap_manager_password_file "$lent/manager.password"
    [[ $(stat -c %a "$lent" "$lent"/*) == $'700\n600\n600' ]]
    for verb in stop start; do
        tempest_says "directory_${verb}_command" \
            "sudo --non-interactive systemctl $verb dirsrv@dirsvc.service"
    done
}

@test "in the gate, tempest may stop and start the directory until clean" {
    use_tempest
    plays "${STACK[@]}"
    [[ ! -e $FOLDER/sudoers ]]
    export IN_THE_GATE=1
    plays "${STACK[@]}"
    systemctl=$FOLDER/bin/systemctl unit=dirsrv@dirsvc.service
    diff "$FOLDER/sudoers/52_nova_dirsvc_directory" - <<EOF
tempest ALL=(root) NOPASSWD:$systemctl stop $unit,$systemctl start $unit
EOF
    unit=devstack@n-cpu.service
    diff "$FOLDER/sudoers/52_nova_dirsvc_compute" - <<EOF
tempest ALL=(root) NOPASSWD:$systemctl stop $unit,$systemctl start $unit
EOF
    [[ $(<"$FOLDER/sudoers/52_nova_dirsvc_reconcile") == \
        "tempest ALL=(nova-dirsvc) NOPASSWD:$RECONCILE" ]]
    [[ $(<"$FOLDER/sudoers/52_nova_dirsvc_events_drop") == \
        "tempest ALL=(nova-dirsvc) NOPASSWD:$DROP" ]]
    plays unstack clean
    [[ ! -e $FOLDER/sudoers ]]
}

@test "clean takes out of tempest's Python what was put there" {
    use_tempest
    plays "${STACK[@]}" unstack clean
    venv=$FOLDER/stack/tempest/.tox/tempest
    called "pip_uninstall nova-dirsvc-plugin from $venv"
    called "pip_uninstall python-ldap from $venv"
}

@test "test-config lets tempest stop or manage no given directory" {
    use_tempest
    use_given_directory
    plays "${STACK[@]}"
    tempest_says ldap_url ldap://ldap.example.org
    tempest_says ldap_password_file \
        "$FOLDER/stack/data/tempest/nova-dirsvc/password"
    run grep -E '^(directory_|ldap_manager)' "$FOLDER/tempest.conf"
    ((status == 1))
}

@test "unstack stops the daemon and the directory and keeps their data" {
    plays "${STACK[@]}"
    touch "$FOLDER/stack/data/nova-dirsvc/outbox.db"
    plays unstack
    called "systemctl stop devstack@nova-dirsvc.service"
    grep 'dirsvc-389ds' "$FOLDER/calls" | tail -n 1 | grep -q ' stop '
    [[ -e $FOLDER/stack/data/nova-dirsvc/outbox.db && -d $CONF ]]
}

@test "after unstack nothing of ours runs or starts with the machine" {
    use_rest 389ds,rest
    plays "${STACK[@]}"
    [[ $(units enabled) == 3 && $(units running) == 3 ]]
    plays unstack
    [[ $(units enabled) == 0 && $(units running) == 0 ]]
}

@test "clean removes everything and uninstalls the package" {
    plays "${STACK[@]}" unstack
    touch "$FOLDER/stack/data/nova-dirsvc/outbox.db"
    plays clean
    [[ ! -e $FOLDER/stack/data/nova-dirsvc && ! -e $CONF ]]
    grep 'dirsvc-389ds' "$FOLDER/calls" | tail -n 1 | grep -q ' remove '
    called "pip_uninstall nova-dirsvc-plugin from $FOLDER/stack/data/venv"
}

@test "clean leaves what somebody else has put beside our files" {
    plays "${STACK[@]}" unstack
    touch "$CONF/theirs" "$FOLDER/stack/data/nova-dirsvc/theirs"
    plays clean
    [[ -e $CONF/theirs && -e $FOLDER/stack/data/nova-dirsvc/theirs ]]
}

@test "unstack and clean succeed where nothing was ever stacked" {
    plays unstack clean
    never_called dirsvc-389ds
}

@test "clean removes a 389 DS that an earlier local.conf asked for" {
    plays "${STACK[@]}"
    use_given_directory
    plays unstack clean
    grep 'dirsvc-389ds' "$FOLDER/calls" | tail -n 1 | grep -q ' remove '
    [[ ! -e $CONF ]]
}

@test "clean leaves a 389 DS alone that somebody else has deployed" {
    use_given_directory
    plays "${STACK[@]}" unstack clean
    never_called dirsvc-389ds
}

@test "a phase of a later devstack is none of ours" {
    plays stack:something-new
    [[ ! -s $FOLDER/calls ]]
}

# -- disabled ----------------------------------------------------------------

@test "nothing is set up or changed when nova-dirsvc is disabled" {
    export DISABLED_SERVICES=nova-dirsvc
    use_tempest
    use_rest 389ds,rest,log
    sed -i '/^nova-dirsvc/d' "$FOLDER/packages"
    cp -a "$FOLDER" "$BATS_FILE_TMPDIR/off"
    plays "${STACK[@]}" unstack show:ENABLED_SERVICES
    ends_as "$BATS_FILE_TMPDIR/off"
    [[ ! -s $FOLDER/calls ]]
    [[ $(grep '^declare' <<<"$output") != *nova-dirsvc* ]]
    plays clean
    ends_as "$BATS_FILE_TMPDIR/off"
}

@test "disabled, the format of notifications is devstack's own" {
    export DISABLED_SERVICES=q-svc,nova-dirsvc
    plays show:ENABLED_SERVICES 'show:NOVA_*'
    [[ $output != *NOVA_NOTIFICATION_FORMAT* ]]
}

# stacks_with_all: all that can be switched on
stacks_with_all() {
    use_listener tempest
    use_tempest_venv
    use_rest 389ds,rest,log
    export IN_THE_GATE=1 NOVA_DIRSVC_REMOTE_ADDRESS=True
    plays "${STACK[@]}"
}

@test "disabled later, stack.sh stops all that an earlier one has started" {
    stacks_with_all
    cp "$FOLDER/nova.conf" "$FOLDER/nova.conf.before"
    export DISABLED_SERVICES=nova-dirsvc
    plays "${STACK[@]}"
    [[ $(units enabled) == 0 && $(units running) == 0 ]]
    cmp "$FOLDER/nova.conf" "$FOLDER/nova.conf.before"
}

# is_as_before FOLDER: but for what stack.sh makes anew, and removes itself
is_as_before() {
    diff -r -x calls -x 'names.*' -x 'separate-stderr*' -x '*.conf' \
        -x status -x 'devstack@*.service' "$FOLDER" "$1"
    [[ ! -e $FOLDER/tempest.conf ]] ||
        ! grep nova_dirsvc "$FOLDER/tempest.conf"
}

@test "clean removes all of ours, whatever is enabled or named by then" {
    use_tempest_venv
    mkdir "$FOLDER/accounts" "$FOLDER/stack/data/tempest"
    cp -a "$FOLDER" "$BATS_FILE_TMPDIR/before"
    # and no package that came with ours
    printf '%s\n' "cliff " "tempest cliff" >"$BATS_FILE_TMPDIR/before/packages"
    stacks_with_all
    # as local.conf may be by the time of clean.sh
    plays unstack clean
    is_as_before "$BATS_FILE_TMPDIR/before"
    export NOVA_DIRSVC_LOG_PATH=$FOLDER/elsewhere/log
    export NOVA_DIRSVC_OUTBOX=$FOLDER/elsewhere/outbox.db
    export NOVA_DIRSVC_389DS_INSTANCE=second
    stacks_with_all
    unset NOVA_DIRSVC_{LOG_PATH,OUTBOX,389DS_INSTANCE,DIRECTORIES}
    export NOVA_DIRSVC_CONF_DIR=$FOLDER/etc/other
    plays "${STACK[@]}"
    unset NOVA_DIRSVC_{CONF_DIR,SOURCE,REMOTE_ADDRESS} IN_THE_GATE
    export ENABLED_SERVICES=n-api DISABLED_SERVICES=nova-dirsvc
    plays unstack
    [[ $(units enabled) == 0 && $(units running) == 0 ]]
    plays clean
    is_as_before "$BATS_FILE_TMPDIR/before"
}

@test "packages of tempest's Python that were there before stay" {
    use_tempest
    echo "python-ldap " >>"$FOLDER/packages"
    plays "${STACK[@]}" unstack clean
    cut -d " " -f 1 "$FOLDER/packages" | sort | diff - <(
        printf '%s\n' cliff python-ldap tempest)
}

@test "an account that the machine had before stays" {
    mkdir "$FOLDER/accounts"
    echo "nova-dirsvc:x:900:900:An operator's:::" \
        >"$FOLDER/accounts/passwd.nova-dirsvc"
    touch "$FOLDER/accounts/group.nova-dirsvc"
    plays "${STACK[@]}" unstack clean
    never_called useradd
    never_called userdel
    never_called groupdel
}

@test "a disabled 389 DS is a mistake unless another directory is named" {
    export DISABLED_SERVICES=nova-dirsvc-389ds
    play stack:pre-install
    ((status == 1))
    [[ $stderr == *"NOVA_DIRSVC_DIRECTORIES=ldap"* ]]
    use_given_directory
    plays stack:pre-install
}

# -- twice is once -----------------------------------------------------------

@test "two stacks end as one does" {
    plays "${STACK[@]}"
    cp -a "$FOLDER" "$BATS_FILE_TMPDIR/once"
    plays "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/once"
}

@test "stack, unstack and stack end as one stack does" {
    plays "${STACK[@]}"
    cp -a "$FOLDER" "$BATS_FILE_TMPDIR/again"
    plays unstack "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/again"
}

@test "unstack and clean can be run twice" {
    plays "${STACK[@]}" unstack unstack clean clean
}

# -- directories -------------------------------------------------------------

@test "an unknown directory dies with its name before anything is installed" {
    export NOVA_DIRSVC_DIRECTORIES=389ds,phonebook
    play "${STACK[@]}"
    ((status))
    [[ $stderr == *"[ERROR]"*"there is no directory phonebook"* ]]
    [[ ! -s $FOLDER/calls ]]
}

@test "a given directory is configured and none is deployed" {
    use_given_directory
    plays "${STACK[@]}"
    grep -qx "url = ldap://ldap.example.org" "$CONF/directory.conf"
    grep -qx "hosts_tree_dn = ou=hosts,dc=example,dc=org" \
        "$CONF/directory.conf"
    grep -qx "user = cn=nova,dc=example,dc=org" "$CONF/directory.conf"
    grep -qx "password_file = $CONF/ldap.password_file" "$CONF/directory.conf"
    grep -qx "tls_cacertfile = $CONF/ldap.tls_cacertfile" \
        "$CONF/directory.conf"
    grep -qx "use_tls = True" "$CONF/directory.conf"
    # copies, for the daemon
    cmp "$FOLDER/password" "$CONF/ldap.password_file"
    cmp "$FOLDER/ca.pem" "$CONF/ldap.tls_cacertfile"
    [[ $(stat -c %a "$CONF"/ldap.*) == $'640\n644' ]]
    grep -qx "directories = ldap" "$CONF/nova-dirsvc.conf"
    never_called dirsvc-389ds
    never_called 389-ds-base
}

@test "the ldapsearch line of a given directory is printed" {
    use_given_directory
    plays "${STACK[@]}"
    called "echo_summary LDAPTLS_CACERT=$CONF/ldap.tls_cacertfile\
 ldapsearch -LLL -x\
 -D 'cn=nova,dc=example,dc=org' -y $FOLDER/password -ZZ\
 -H ldap://ldap.example.org -b 'ou=hosts,dc=example,dc=org'\
 '(objectClass=novaInstance)'"
}

@test "a given directory without its address or its tree dies" {
    for missing in URL HOSTS_TREE_DN PASSWORD_FILE; do
        use_given_directory
        unset "NOVA_DIRSVC_LDAP_$missing"
        play stack:pre-install
        ((status))
        [[ $stderr == *"[ERROR]"*"NOVA_DIRSVC_LDAP_$missing"* ]]
    done
}

@test "389ds and a given directory exclude each other" {
    use_given_directory
    export NOVA_DIRSVC_DIRECTORIES=389ds,ldap
    play stack:pre-install
    ((status))
    [[ $stderr == *"[ERROR]"*"exclude each other"* ]]
}

@test "a password file that is not there dies with its name" {
    use_given_directory
    rm "$FOLDER/password"
    play stack:pre-install
    ((status))
    [[ $stderr == *"[ERROR]"*"$FOLDER/password cannot be read"* ]]
}

# -- the directory log -------------------------------------------------------

@test "a log alone is configured, made, told of, and nothing is deployed" {
    use_log log
    plays "${STACK[@]}"
    grep -qx "directories = log" "$CONF/nova-dirsvc.conf"
    grep -qx "path = $LOG" "$CONF/nova-dirsvc.conf"
    [[ -e $LOG && ! -s $LOG && $(stat -c %a "$LOG") == 640 ]]
    called "systemctl start devstack@nova-dirsvc.service"
    called "echo_summary grep <uuid> $LOG"
    never_called ldapsearch
    never_called dirsvc-389ds
    never_called 389-ds-base
    [[ ! -e $CONF/directory.conf ]]
}

@test "a log is kept beside a directory, in the order of the list" {
    use_log 389ds,log
    plays "${STACK[@]}"
    grep -qx "directories = ldap,log" "$CONF/nova-dirsvc.conf"
    [[ -e $CONF/directory.conf && -e $LOG ]]
    called "ldapsearch -LLL"
    called "echo_summary grep <uuid> $LOG"
    use_given_directory
    use_log log,ldap
    plays "${STACK[@]}"
    grep -qx "directories = log,ldap" "$CONF/nova-dirsvc.conf"
    grep -qx "url = ldap://ldap.example.org" "$CONF/directory.conf"
}

@test "a log alone leaves tempest's scenarios out; beside 389ds they run" {
    use_tempest
    use_log log
    plays "${STACK[@]}"
    [[ ! -e $FOLDER/tempest.conf ]]
    never_called python-ldap
    use_log log,389ds
    plays "${STACK[@]}"
    tempest_says nova_dirsvc True
    tempest_says ldap_url ldap://192.0.2.1:1389
}

@test "post-config empties the log of an earlier cloud" {
    use_log log
    plays "${STACK[@]}"
    let_the_daemon_log "$LOG"
    plays unstack
    [[ -s $LOG ]]
    plays stack:pre-install stack:post-config
    [[ -e $LOG && ! -s $LOG ]]
}

@test "two stacks with a log, and one after unstack, end as one does" {
    use_log 389ds,log
    plays "${STACK[@]}"
    cp -a "$FOLDER" "$BATS_FILE_TMPDIR/logged"
    plays "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/logged"
    plays unstack "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/logged"
}

@test "clean removes the log, and its folder unless it was there" {
    use_log log
    export NOVA_DIRSVC_LOG_PATH=$FOLDER/log/nova_dirsvc_plugin.log
    plays "${STACK[@]}"
    let_the_daemon_log "$NOVA_DIRSVC_LOG_PATH"
    plays unstack clean clean
    [[ ! -e $FOLDER/log && ! -e $CONF && ! -e $(dirname "$LOG") ]]
    mkdir -m 700 "$FOLDER/log"
    touch "$FOLDER/log/theirs"
    plays "${STACK[@]}"
    [[ -e $NOVA_DIRSVC_LOG_PATH && $(stat -c %a "$FOLDER/log") == 700 ]]
    plays unstack clean
    [[ $(ls "$FOLDER/log") == theirs ]]
}

@test "a log that an earlier release has written is ours" {
    use_log log
    mkdir -p "$(dirname "$LOG")"
    echo "2026-11-22T10:27:55.812Z Registering instance with directory\
 service at $LOG: {}" >"$LOG"
    plays "${STACK[@]}"
    [[ ! -s $LOG ]]
}

@test "clean removes a log that an earlier local.conf asked for" {
    use_log log
    plays "${STACK[@]}"
    let_the_daemon_log "$LOG"
    use_given_directory
    plays unstack clean
    [[ ! -e $(dirname "$LOG") ]]
}

@test "a file that the daemon has not written is neither emptied nor removed" {
    use_log log
    export NOVA_DIRSVC_LOG_PATH=$FOLDER/syslog
    echo "Nov 23 18:00:00 somebody's line" >"$NOVA_DIRSVC_LOG_PATH"
    play stack:pre-install
    ((status))
    [[ $stderr == *"[ERROR]"*"$FOLDER/syslog is no log of this plugin's"* ]]
    plays unstack clean
    [[ -s $FOLDER/syslog ]]
    export NOVA_DIRSVC_LOG_PATH=$FOLDER/devstack
    play stack:pre-install
    ((status))
    plays unstack clean
    [[ -d $FOLDER/devstack ]]
}

@test "a log whose path is not absolute dies with it" {
    use_log log
    export NOVA_DIRSVC_LOG_PATH=nova_dirsvc_plugin.log
    play stack:pre-install
    ((status))
    [[ $stderr == *"[ERROR]"*"NOVA_DIRSVC_LOG_PATH"*"nova_dirsvc_plugin.log"* ]]
}

# -- the directory rest ------------------------------------------------------

@test "a service is installed, configured, started and told of" {
    use_rest
    plays "${STACK[@]}"
    called "pip_install -r $FOLDER/plugin/examples/rest/requirements.txt"
    grep -qx "directories = rest" "$CONF/nova-dirsvc.conf"
    diff <(daemon_says rest) - <<EOF
auth = bearer
token_file = $REST/service.token
url = http://127.0.0.1:8043/v1/instances
EOF
    python=$FOLDER/stack/data/venv/bin/python3
    grep -qx "ExecStart = $python $FOLDER/plugin/examples/rest/dirsvc-rest\
 serve --state-dir $REST --listen 127.0.0.1 --port 8043" \
        "$FOLDER/systemd/$REST_UNIT"
    called "wait_for_service 60 http://127.0.0.1:8043/healthz"
    grep 'systemctl start' "$FOLDER/calls" >"$FOLDER/commands"
    diff "$FOLDER/commands" - <<EOF
systemctl start $REST_UNIT
systemctl start devstack@nova-dirsvc.service
EOF
    called "echo_summary curl --config $CONF/rest.curl\
 'http://127.0.0.1:8043/v1/instances'"
    never_called ldapsearch
    never_called 389-ds-base
    never_called dirsvc-389ds
    [[ ! -e $CONF/directory.conf ]]
}

@test "curl reads with a token that only its user sees" {
    use_rest
    plays "${STACK[@]}"
    diff "$CONF/rest.curl" - <<EOF
silent
show-error
header = "Authorization: Bearer readerT0ken"
EOF
    [[ $(stat -c %a "$CONF/rest.curl") == 600 ]]
}

@test "a service has the address and the port that are set" {
    use_rest
    export NOVA_DIRSVC_REST_LISTEN=::1 NOVA_DIRSVC_REST_PORT=8055
    plays "${STACK[@]}"
    daemon_says rest | grep -qxF "url = http://[::1]:8055/v1/instances"
    grep -q " --listen ::1 --port 8055$" "$FOLDER/systemd/$REST_UNIT"
    called "wait_for_service 60 http://[::1]:8055/healthz"
}

@test "a service for other machines dies before anything is installed" {
    use_rest
    for address in 192.0.2.1 0.0.0.0 ::; do
        NOVA_DIRSVC_REST_LISTEN=$address play "${STACK[@]}"
        ((status))
        [[ $stderr == *"[ERROR]"*"NOVA_DIRSVC_REST_LISTEN"*": $address"* ]]
        [[ ! -s $FOLDER/calls ]]
    done
}

@test "a service that does not answer dies with where to look" {
    use_rest
    NOTHING_ANSWERS=1 play "${STACK[@]}"
    ((status))
    [[ $stderr == *"[ERROR]"*"journalctl -u devstack@nova-dirsvc-rest"* ]]
    never_called "systemctl start devstack@nova-dirsvc.service"
}

@test "a disabled service is a mistake unless another one is named" {
    use_rest
    export DISABLED_SERVICES=nova-dirsvc-rest
    play "${STACK[@]}"
    ((status))
    [[ $stderr == *"[ERROR]"*"NOVA_DIRSVC_REST_URL"* ]]
    [[ ! -s $FOLDER/calls ]]
    use_given_service
    plays stack:pre-install
}

@test "post-config empties the service of an earlier cloud, once it is down" {
    use_rest
    plays "${STACK[@]}"
    touch "$REST/instances.db"
    plays unstack
    [[ -e $REST/instances.db ]]
    called "systemctl stop $REST_UNIT"
    plays "${STACK[@]}"
    [[ ! -e $REST/instances.db ]]
    touch "$REST/instances.db"
    plays stack:post-config
    [[ -z $(ls -A "$REST") && $(stat -c %a "$REST") == *700 ]]
    grep -E "stop $REST_UNIT|rm -rf $REST$" "$FOLDER/calls" | tail -n 2 \
        >"$FOLDER/commands"
    diff "$FOLDER/commands" - <<EOF
systemctl stop $REST_UNIT
sudo rm -rf $REST
EOF
}

@test "two stacks with a service, and one after unstack, end as one does" {
    use_rest 389ds,rest,log
    use_tempest
    plays "${STACK[@]}"
    cp -a "$FOLDER" "$BATS_FILE_TMPDIR/served"
    plays "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/served"
    plays unstack "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/served"
}

@test "a service is kept beside other directories, in the order of the list" {
    use_rest log,rest,389ds
    plays "${STACK[@]}"
    grep -qx "directories = log,rest,ldap" "$CONF/nova-dirsvc.conf"
    run grep -rl "^directories" "$CONF"
    [[ $output == "$CONF/nova-dirsvc.conf" ]]
    called "ldapsearch -LLL"
    called "curl --config"
    called "echo_summary grep <uuid>"
}

@test "unstack stops and clean removes what an earlier local.conf asked for" {
    use_rest
    plays "${STACK[@]}"
    use_given_directory
    plays unstack
    grep -qx "systemctl stop $REST_UNIT" "$FOLDER/calls"
    [[ -e $REST/service.token ]]
    plays clean clean
    [[ ! -e $FOLDER/stack/data/nova-dirsvc && ! -e $CONF ]]
}

@test "a service is removed where the outbox is elsewhere" {
    use_rest
    export NOVA_DIRSVC_OUTBOX=$FOLDER/outbox/outbox.db
    plays "${STACK[@]}" unstack clean
    [[ ! -e $FOLDER/stack/data/nova-dirsvc && ! -e $FOLDER/outbox ]]
}

@test "tempest reads a service, stops it, and may write as its manager" {
    use_tempest
    use_rest
    plays "${STACK[@]}"
    tempest_says nova_dirsvc True
    tempest_says directory rest
    tempest_says rest_url http://127.0.0.1:8043/v1/instances
    lent=$FOLDER/stack/data/tempest/nova-dirsvc
    tempest_says rest_token_file "$lent/reader.token"
    tempest_says rest_manager_token_file "$lent/manager.token"
    [[ $(stat -c %a "$lent" "$lent"/*) == $'700\n600\n600' ]]
    for verb in stop start; do
        tempest_says "directory_${verb}_command" \
            "sudo --non-interactive systemctl $verb $REST_UNIT"
    done
    never_called python-ldap
}

@test "of two directories tempest reads and stops the last one" {
    use_tempest
    use_rest 389ds,rest
    plays "${STACK[@]}"
    tempest_says directory rest
    tempest_says directory_stop_command \
        "sudo --non-interactive systemctl stop $REST_UNIT"
    use_rest rest,389ds
    plays "${STACK[@]}"
    tempest_says directory ldap
    tempest_says directory_stop_command \
        "sudo --non-interactive systemctl stop dirsrv@dirsvc.service"
}

@test "a given service is configured and none is deployed" {
    use_given_service
    plays "${STACK[@]}" unstack clean
    never_called nova-dirsvc-rest
    never_called pip_install
    never_called wait_for_service
    plays stack:post-config
    diff <(daemon_says rest) - <<EOF
auth = bearer
cafile = $CONF/rest.cafile
token_file = $CONF/rest.token_file
url = https://cmdb.example.org/v1/instances
EOF
    use_given_service basic
    plays stack:post-config
    diff <(daemon_says rest) - <<EOF
auth = basic
cafile = $CONF/rest.cafile
password_file = $CONF/rest.password_file
url = https://cmdb.example.org/v1/instances
user = nova
EOF
    use_given_service none
    unset NOVA_DIRSVC_REST_{SECRET_FILE,CACERT}
    plays stack:pre-install stack:post-config
    diff <(daemon_says rest) - <<EOF
auth = none
url = https://cmdb.example.org/v1/instances
EOF
}

@test "curl asks a given service as the daemon does" {
    use_given_service
    plays "${STACK[@]}"
    called "echo_summary curl --config $CONF/rest.curl\
 'https://cmdb.example.org/v1/instances'"
    tail -n 2 "$CONF/rest.curl" | diff - <(
        echo "cacert = \"$CONF/rest.cafile\""
        echo 'header = "Authorization: Bearer giv\"en\\S3cret"'
    )
    use_given_service basic
    plays "${STACK[@]}"
    [[ $(tail -n 1 "$CONF/rest.curl") == 'user = "nova:giv\"en\\S3cret"' ]]
    use_given_service none
    unset NOVA_DIRSVC_REST_CACERT
    plays "${STACK[@]}"
    [[ $(<"$CONF/rest.curl") == $'silent\nshow-error' ]]
}

@test "tempest reads a given service, and neither stops nor manages it" {
    use_tempest
    use_given_service basic
    plays "${STACK[@]}"
    tempest_says rest_url https://cmdb.example.org/v1/instances
    tempest_says rest_user nova
    tempest_says rest_cacertfile "$CONF/rest.cafile"
    lent=$FOLDER/stack/data/tempest/nova-dirsvc
    tempest_says rest_password_file "$lent/rest.password_file"
    cmp "$FOLDER/secret" "$lent/rest.password_file"
    run grep -E '^(directory_|rest_(manager|token))' "$FOLDER/tempest.conf"
    ((status == 1))
    use_given_service
    plays "${STACK[@]}"
    tempest_says rest_token_file "$lent/rest.token_file"
}

@test "a given service with an option that is missing or wrong dies" {
    dies() {
        play stack:pre-install
        ((status))
        [[ $stderr == *"[ERROR]"*"$1"* ]]
        [[ ! -s $FOLDER/calls ]]
    }
    use_given_service
    NOVA_DIRSVC_REST_URL=ldap://ldap.example.org dies NOVA_DIRSVC_REST_URL
    NOVA_DIRSVC_REST_AUTH=digest dies "not digest"
    NOVA_DIRSVC_REST_SECRET_FILE="" dies NOVA_DIRSVC_REST_SECRET_FILE
    NOVA_DIRSVC_REST_CACERT=/none.pem dies "/none.pem cannot be read"
    use_given_service basic
    NOVA_DIRSVC_REST_USER="" dies NOVA_DIRSVC_REST_USER
    rm "$FOLDER/secret"
    dies "$FOLDER/secret cannot be read"
}

# -- the way in --------------------------------------------------------------

@test "an unknown way in dies with its name before anything is installed" {
    export NOVA_DIRSVC_SOURCE=pigeon
    play "${STACK[@]}"
    ((status))
    [[ $stderr == *"[ERROR]"*"no way in called pigeon"* ]]
    [[ ! -s $FOLDER/calls ]]
}

@test "the listener without a message bus dies before anything is installed" {
    use_listener
    export ENABLED_SERVICES=n-api,n-cpu
    play "${STACK[@]}"
    ((status))
    [[ $stderr == *"[ERROR]"*"enable_service rabbit"* ]]
    [[ ! -s $FOLDER/calls ]]
    RABBIT_HOST=192.0.2.2 RABBIT_PASSWORD=r4bbitWord plays stack:pre-install
}

@test "with the listener Nova publishes to our topic and loads nothing" {
    use_listener
    plays "${STACK[@]}"
    [[ $(drivers) == "messagingv2 " ]]
    for conf in nova nova_cell1; do
        nova_says $conf.conf notifications versioned_notifications_topics \
            nova_dirsvc
        nova_says $conf.conf oslo_messaging_notifications transport_url \
            rabbit://stackrabbit:r4bbitWord@192.0.2.1:5672/
        nova_says $conf.conf oslo_messaging_notifications driver messagingv2
    done
    grep -qx "listen = True" "$CONF/nova-dirsvc.conf"
    grep -qx "listener_topics = nova_dirsvc" "$CONF/nova-dirsvc.conf"
}

@test "with the hook nobody publishes to our topic or listens" {
    plays "${STACK[@]}"
    [[ ! -e $CONF/bus.conf ]]
    for conf in nova nova_cell1; do
        grep -qx 'versioned_notifications_topics = *' "$FOLDER/$conf.conf"
    done
    run grep -r '^listen' "$CONF"
    ((status == 1))
}

# versioned_topics SOURCE: that nova.conf names then
versioned_topics() {
    NOVA_DIRSVC_SOURCE=$1 plays stack:post-config
    sed -n 's/^versioned_notifications_topics = *//p' "$FOLDER/nova.conf"
    sed -i '/^versioned_notifications_topics/d' "$FOLDER/nova.conf"
}

@test "Nova's own topic is fed where local.conf asks for the format" {
    use_listener
    [[ $(versioned_topics hook) == "" ]]
    [[ $(versioned_topics listener) == nova_dirsvc ]]
    export NOVA_NOTIFICATION_FORMAT=both
    [[ $(versioned_topics hook) == versioned_notifications ]]
    [[ $(versioned_topics listener) == versioned_notifications,nova_dirsvc ]]
    unset NOVA_NOTIFICATION_FORMAT
    cat >"$FOLDER/devstack/local.conf" <<'EOF'
[[local|localrc]]
ADMIN_PASSWORD=secret
[[post-config|$NOVA_CONF]]
[DEFAULT]
debug = True
[notifications]
notification_format = versioned
EOF
    [[ $(versioned_topics hook) == versioned_notifications ]]
    [[ $(versioned_topics listener) == versioned_notifications,nova_dirsvc ]]
}

@test "topics that others read stay" {
    use_listener
    echo "versioned_notifications_topics = theirs" >>"$FOLDER/nova.conf"
    plays stack:post-config stack:post-config
    nova_says nova.conf notifications versioned_notifications_topics \
        theirs,nova_dirsvc
    sed -i 's/theirs,nova_dirsvc/theirs/' "$FOLDER/nova.conf"
    NOVA_DIRSVC_SOURCE=hook plays stack:post-config
    nova_says nova.conf notifications versioned_notifications_topics theirs
}

@test "extra gives the daemon Nova's bus, as local.conf wants it by then" {
    use_listener
    plays stack:post-config
    cat >>"$FOLDER/nova.conf" <<EOF
[oslo_messaging_rabbit]
rabbit_quorum_queue = true
heartbeat_rate = 3
EOF
    plays stack:extra
    diff "$CONF/bus.conf" - <<EOF
[oslo_messaging_notifications]
transport_url = rabbit://stackrabbit:r4bbitWord@192.0.2.1:5672/
[oslo_messaging_rabbit]
rabbit_quorum_queue = true
EOF
    [[ $(stat -c %a "$CONF/bus.conf") == 640 ]]
}

@test "a bus that only [DEFAULT] names will do" {
    use_listener
    cat >"$FOLDER/nova.conf" <<EOF
[DEFAULT]
transport_url = rabbit://a:b@192.0.2.9/
[oslo_messaging_notifications]
driver = messagingv2
EOF
    plays "${STACK[@]}"
    grep -qx "transport_url = rabbit://a:b@192.0.2.9/" "$CONF/bus.conf"
}

@test "post-config empties the queues of an earlier cloud, and no others" {
    use_listener
    plays stack:post-config
    grep -o 'delete_queue .*' "$FOLDER/calls" >"$FOLDER/commands"
    diff "$FOLDER/commands" - <<EOF
delete_queue nova_dirsvc.info
delete_queue nova_dirsvc.error
EOF
}

@test "two stacks with the listener, and one after unstack, end as one does" {
    use_listener tempest
    use_tempest_venv
    plays "${STACK[@]}"
    cp -a "$FOLDER" "$BATS_FILE_TMPDIR/listening"
    plays "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/listening"
    plays unstack "${STACK[@]}"
    ends_as "$BATS_FILE_TMPDIR/listening"
}

@test "clean removes what the listener has had" {
    use_listener
    plays "${STACK[@]}"
    unset NOVA_DIRSVC_SOURCE
    plays unstack clean
    [[ ! -e $CONF ]]
}

# -- who asked ---------------------------------------------------------------

@test "nova-api notes no address unless it is asked to" {
    cp "$FOLDER/api-paste.ini" "$FOLDER/api-paste.ini.before"
    plays "${STACK[@]}"
    diff "$FOLDER/api-paste.ini" "$FOLDER/api-paste.ini.before"
}

@test "the filter is behind keystonecontext, once, until clean" {
    export NOVA_DIRSVC_REMOTE_ADDRESS=True
    cp "$FOLDER/api-paste.ini" "$FOLDER/api-paste.ini.before"
    plays "${STACK[@]}" "${STACK[@]}"
    diff "$FOLDER/api-paste.ini" - <<EOF
[composite:openstack_compute_api_v21]
use = call:nova.api.auth:pipeline_factory_v21
keystone = cors authtoken keystonecontext remote_address osapi_compute_app_v21

[composite:openstack_compute_api_v21_legacy_v2_compatible]
keystone = authtoken keystonecontext remote_address legacy_v2_compatible\
 osapi_compute_app_v21

[filter:remote_address]
use = egg:nova-dirsvc-plugin#remote_address
EOF
    unset NOVA_DIRSVC_REMOTE_ADDRESS
    plays unstack clean clean
    diff "$FOLDER/api-paste.ini" "$FOLDER/api-paste.ini.before"
}

@test "where there is no nova-api there is no filter" {
    export NOVA_DIRSVC_REMOTE_ADDRESS=True
    rm "$FOLDER/api-paste.ini"
    plays "${STACK[@]}" unstack clean
    [[ ! -e $FOLDER/api-paste.ini ]]
}

@test "users are recorded on both sides, or on none" {
    for wanted in True False; do
        export NOVA_DIRSVC_RECORD_USERS=$wanted
        plays "${STACK[@]}"
        for conf in nova.conf nova_cell1.conf etc/nova-dirsvc/nova-dirsvc.conf; do
            nova_says $conf nova_dirsvc record_users $wanted
        done
    done
}

@test "tempest is told of the filter where users are recorded" {
    use_tempest
    plays "${STACK[@]}"
    tempest_says remote_address False
    export NOVA_DIRSVC_REMOTE_ADDRESS=true
    plays "${STACK[@]}"
    tempest_says remote_address True
    export NOVA_DIRSVC_RECORD_USERS=False
    plays "${STACK[@]}"
    tempest_says remote_address False
}

# -- asking Nova -------------------------------------------------------------

@test "the daemon may ask Nova, and only its group reads how" {
    plays "${STACK[@]}"
    diff "$CONF/account.conf" - <<EOF
[nova]
auth_type = password
auth_url = http://192.0.2.1/identity
username = nova
password = s3rviceWord
user_domain_name = Default
project_name = service
project_domain_name = Default
region_name = RegionOne
EOF
    [[ $(stat -c %a "$CONF/account.conf") == 640 ]]
}

@test "the daemon does not ask Nova when it is told not to" {
    plays "${STACK[@]}"
    export NOVA_DIRSVC_ASK_NOVA=False
    plays "${STACK[@]}"
    [[ ! -e $CONF/account.conf ]]
}

@test "the daemon shows its status on the port that it is told" {
    plays "${STACK[@]}"
    nova_says etc/nova-dirsvc/nova-dirsvc.conf \
        nova_dirsvc monitoring_port 13389
    NOVA_DIRSVC_MONITORING_PORT=0 plays "${STACK[@]}"
    nova_says etc/nova-dirsvc/nova-dirsvc.conf nova_dirsvc monitoring_port 0
}

# -- reconcile ---------------------------------------------------------------

@test "the daemon reconciles and polls when it is told to, with a policy" {
    plays "${STACK[@]}"
    [[ $(daemon_says nova_dirsvc) != *reconcile_policy* ]]
    nova_says etc/nova-dirsvc/nova-dirsvc.conf nova_dirsvc reconcile_interval 0
    nova_says etc/nova-dirsvc/nova-dirsvc.conf nova_dirsvc poll_interval 0
    export NOVA_DIRSVC_RECONCILE_POLICY=sync
    export NOVA_DIRSVC_RECONCILE_INTERVAL=3600 NOVA_DIRSVC_POLL_INTERVAL=60
    plays "${STACK[@]}"
    diff <(daemon_says nova_dirsvc | grep -E '^(owner|reconcile|poll)') - <<EOF
owner = devstack
poll_interval = 60
reconcile_interval = 3600
reconcile_policy = sync
EOF
}

@test "a reconcile that cannot work dies before anything is installed" {
    dies() {
        play "${STACK[@]}"
        ((status))
        [[ $stderr == *"[ERROR]"*"$1"* ]]
        [[ ! -s $FOLDER/calls ]]
    }
    NOVA_DIRSVC_RECONCILE_POLICY=all dies "create-only, not all"
    NOVA_DIRSVC_RECONCILE_INTERVAL=60 dies NOVA_DIRSVC_RECONCILE_POLICY
    NOVA_DIRSVC_RECONCILE_INTERVAL=1h dies "number of seconds, not 1h"
    NOVA_DIRSVC_POLL_INTERVAL=-1 dies "number of seconds, not -1"
    NOVA_DIRSVC_POLL_INTERVAL=60 NOVA_DIRSVC_ASK_NOVA=False dies ASK_NOVA
    NOVA_DIRSVC_RECONCILE_POLICY=sync NOVA_DIRSVC_OWNER=nova dies \
        "set NOVA_DIRSVC_OWNER"
    # it removes nothing, so any mark will do
    NOVA_DIRSVC_RECONCILE_POLICY=upsert-only NOVA_DIRSVC_OWNER=nova \
        plays stack:pre-install
}

@test "tempest may lose events and reconcile where all directories are ours" {
    use_tempest
    may_not() {
        rm "$FOLDER/tempest.conf"
        plays "${STACK[@]}"
        run grep -E '^(daemon|events|reconcile)' "$FOLDER/tempest.conf"
        ((status == 1))
    }
    plays "${STACK[@]}"
    tempest_says daemon_start_command \
        "sudo --non-interactive systemctl start devstack@nova-dirsvc.service"
    tempest_says reconcile_command \
        "sudo --non-interactive --user nova-dirsvc $RECONCILE"
    tempest_says events_drop_command \
        "sudo --non-interactive --user nova-dirsvc $DROP"
    NOVA_DIRSVC_ASK_NOVA=False may_not
    NOVA_DIRSVC_OWNER=nova may_not
    NOVA_DIRSVC_POLL_INTERVAL=60 may_not
    NOVA_DIRSVC_RECONCILE_POLICY=sync NOVA_DIRSVC_RECONCILE_INTERVAL=60 may_not
    use_given_service
    may_not
    use_given_directory
    unset NOVA_DIRSVC_REST_URL
    may_not
}

@test "tempest may drop the messages of the listener, if the bus is here" {
    use_listener tempest
    use_tempest_venv
    plays "${STACK[@]}"
    tempest_says events_drop_command "sudo --non-interactive --user root\
 $FOLDER/bin/rabbitmqctl --quiet purge_queue nova_dirsvc.info"
    export ENABLED_SERVICES=n-api,n-cpu,tempest
    export RABBIT_HOST=192.0.2.2 RABBIT_PASSWORD=r4bbitWord
    rm "$FOLDER/tempest.conf"
    plays "${STACK[@]}"
    run grep '^events_drop' "$FOLDER/tempest.conf"
    ((status == 1))
}

# -- what tempest may do to Nova ---------------------------------------------

@test "tempest may stop nova-compute, where one unit is all of it" {
    use_tempest
    plays "${STACK[@]}"
    tempest_says compute_stop_command \
        "sudo --non-interactive systemctl stop devstack@n-cpu.service"
    export VIRT_DRIVER=fake
    plays "${STACK[@]}"
    tempest_says compute_start_command \
        "sudo --non-interactive systemctl start devstack@n-cpu-1.service"
    export NUMBER_FAKE_NOVA_COMPUTE=2
    rm "$FOLDER/tempest.conf"
    plays "${STACK[@]}"
    run grep '^compute_' "$FOLDER/tempest.conf"
    ((status == 1))
}

@test "tempest is told where deletes are soft" {
    use_tempest
    plays "${STACK[@]}"
    run grep '^soft_delete_region' "$FOLDER/tempest.conf"
    ((status == 1))
    printf '[DEFAULT]\nreclaim_instance_interval = 60\n' \
        >>"$FOLDER/nova.conf"
    plays "${STACK[@]}"
    tempest_says soft_delete_region RegionOne
}

# -- options -----------------------------------------------------------------

@test "every option that is set beforehand is respected" {
    # names of the assignments X=${X:-...}
    options=$(sed -nE 's/^([A-Z0-9_]+)=\$\{\1:-.*/\1/p' \
        "$CHECKOUT/devstack/settings")
    ((${#options}))
    for option in $options; do
        case $option in
            NOVA_DIRSVC_DIR) value=$FOLDER/plugin ;;
            NOVA_DIRSVC_CONF_DIR) value=$CONF ;;
            *) value=preset ;;
        esac
        export "$option=$value"
        plays "show:$option"
        [[ $output == *"$option=\"$value\""* ]]
    done
}

@test "every option of the settings can be set beforehand" {
    run grep -nE '^[A-Za-z_]+=' "$CHECKOUT/devstack/settings"
    for line in "${lines[@]}"; do
        [[ $line =~ ^[0-9]+:([A-Z0-9_]+)=\$\{([A-Z0-9_]+):- ]]
        [[ ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]]
    done
}

@test "every option has its line in the README" {
    for option in $(grep -ohE '\bNOVA_DIRSVC_[A-Z0-9_]+=' \
        "$CHECKOUT/devstack/settings") \
        NOVA_DIRSVC_389DS_{SERVICE,MANAGER}_PASSWORD=; do
        grep -qF "\`\`${option%=}\`\`" "$CHECKOUT/devstack/README.rst"
    done
}

@test "the deployed directory gets its options" {
    export NOVA_DIRSVC_389DS_SUFFIX=dc=a,dc=b NOVA_DIRSVC_389DS_PORT=3890
    export NOVA_DIRSVC_389DS_SECURE_PORT=3891 NOVA_DIRSVC_OWNER=mine
    export NOVA_DIRSVC_389DS_INSTANCE=second
    plays stack:post-config
    called "dirsvc-389ds deploy --systemd --instance second\
 --state-dir $CONF --suffix dc=a,dc=b --owner mine --listen 192.0.2.1\
 --port 3890 --secure-port 3891 --group nova-dirsvc\
 --reader-group $(id -gn)"
}

# -- manners -----------------------------------------------------------------

@test "versioned notifications are switched on, the others stay" {
    plays show:NOVA_NOTIFICATION_FORMAT
    [[ $output == *'NOVA_NOTIFICATION_FORMAT="both"'* ]]
    NOVA_NOTIFICATION_FORMAT=unversioned plays show:NOVA_NOTIFICATION_FORMAT
    [[ $output == *'NOVA_NOTIFICATION_FORMAT="unversioned"'* ]]
}

@test "no function and no variable is outside our prefix" {
    use_log 389ds,rest,log
    use_listener
    plays "${STACK[@]}" unstack clean
    # of the stand-in, of override-defaults, and of devstack's functions
    others=(phase NOVA_NOTIFICATION_FORMAT)
    if [[ -n ${DEVSTACK_DIR:-} ]]; then
        others+=(SERVICE_DIR USE_JOURNAL _TIME_START _TIME_TOTAL v)
    fi
    run comm -13 "$FOLDER/names.before" "$FOLDER/names.after"
    for name in "${lines[@]}"; do
        [[ $name =~ ^_?(nova_dirsvc|NOVA_DIRSVC)_ ||
            " ${others[*]} " == *" $name "* ]]
    done
}

@test "given passwords are handed over and are in no trace, call or file" {
    export NOVA_DIRSVC_389DS_SERVICE_PASSWORD=wR1teMe
    export NOVA_DIRSVC_389DS_MANAGER_PASSWORD=m4nageMe
    plays "${STACK[@]}" unstack
    [[ $(<"$FOLDER/given.service") == wR1teMe ]]
    [[ $(<"$FOLDER/given.manager") == m4nageMe ]]
    rm "$FOLDER"/given.*
    [[ $output$stderr != *wR1teMe* && $output$stderr != *m4nageMe* ]]
    ! grep -rE 'wR1teMe|m4nageMe' "$FOLDER"
}

@test "no secret of the cloud is in a trace, a call, or a file for all" {
    use_listener
    export NOVA_DIRSVC_REMOTE_ADDRESS=True
    plays "${STACK[@]}" unstack
    rm "$FOLDER"/nova{,_cell1}.conf "$CONF"/{account,bus}.conf
    [[ $output$stderr != *r4bbitWord* ]]
    # the stand-in sets it, in sight of all
    ((1 >= $(grep -c s3rviceWord <<<"$stderr")))
    ! grep -rlE 'r4bbitWord|s3rviceWord' "$FOLDER" \
        --exclude='separate-stderr*'
}

@test "no token is in a trace, a call, or a file for all" {
    use_tempest
    use_rest
    plays "${STACK[@]}" unstack
    seen=$output$stderr
    use_given_service basic
    plays "${STACK[@]}" unstack
    seen+=$output$stderr
    [[ $seen != *T0ken* && $seen != *S3cret* ]]
    run find "$FOLDER" -type f -not -path "$FOLDER/tokens/*" \
        -not -path "$REST/*" -not -name secret -perm /037 \
        -exec grep -lE 'T0ken|S3cret' {} +
    [[ -z $output ]]
}

@test "a trace that is off stays off" {
    sed 's/-o errexit -o xtrace/-o errexit/' "$BATS_TEST_DIRNAME/stand-in" \
        >"$FOLDER/stand-in"
    cp "$BATS_TEST_DIRNAME"/{stubs,spies} "$FOLDER"
    use_log 389ds,rest,log
    use_listener
    run --separate-stderr bash "$FOLDER/stand-in" "${STACK[@]}"
    ((status == 0))
    [[ -z $stderr ]]
}

@test "the plugin's name is a literal word at the start of a line" {
    grep -qx 'define_plugin nova_dirsvc_plugin' "$CHECKOUT/devstack/settings"
}
