#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# tools/install-packages, with stand-ins for apt-get, dpkg-query and sudo, on
# copies of /etc and /usr/sbin that are this test's own.

bats_require_minimum_version 1.5.0

setup() {
    export FOLDER=$BATS_TEST_TMPDIR
    CHECKOUT=$FOLDER/checkout
    mkdir -p "$CHECKOUT/tools" "$FOLDER"/{bin,installed}
    cp "$BATS_TEST_DIRNAME/../../tools/install-packages" "$CHECKOUT/tools"
    cp "$BATS_TEST_DIRNAME/../../bindep.txt" "$CHECKOUT"
    stand_in dpkg-query <<'EOT'
[[ -e $FOLDER/installed/${*: -1} ]] && echo "install ok installed"
EOT
    # It enables what rabbitmq-server does, and asks whether to start it.
    stand_in apt-get <<'EOT'
[[ $* == *" install "* ]] || exit 0
touch $(printf "$FOLDER/installed/%s " ${@##-*})
wants=/etc/systemd/system/multi-user.target.wants
mkdir -p $wants
ln -s /dev/null $wants/broker-of-test.service
/usr/sbin/policy-rc.d broker-of-test start
echo $? >"$FOLDER/policy"
EOT
    export PATH=$FOLDER/bin:$PATH
}

stand_in() {
    cat - >"$FOLDER/bin/$1" <<<"#!/bin/bash
$(cat)"
    chmod +x "$FOLDER/bin/$1"
}

# on_copies COMMAND: as root, with all that it changes in /etc and /usr/sbin
# gone when it ends
on_copies() {
    if [[ $(id -u) -ne 0 ]]; then
        skip "only root has a mount name space"
    fi
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount bash -euc '
        mount -t tmpfs tmpfs /mnt
        for folder in etc usr/sbin; do
            mkdir -p "/mnt/$folder"/{upper,work}
            mount -t overlay overlay -o "lowerdir=/$folder,\
upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work" "/$folder"
        done
        rm -f /usr/sbin/policy-rc.d
        '"$1"
}

install_packages() {
    "$CHECKOUT/tools/install-packages" "$@"
}

@test "each profile has the packages that bindep finds for it" {
    local profile
    for profile in directory pocket rest test bench; do
        stand_in sudo <<<"exit 1"
        stand_in id <<<"echo 1000"
        run ! install_packages "$profile"
        diff <(tr ' ' '\n' <<<"${output#*recommends }" | sed '/^or,$/,$d' |
            grep -v '^or,' | sort) \
            <(bindep -l newline -f "$CHECKOUT/bindep.txt" "$profile" |
                sort -u)
    done
}

@test "a user who may not install is told the whole command, once" {
    stand_in sudo <<<"exit 1"
    stand_in id <<<"echo 1000"
    touch "$FOLDER/installed/gcc"
    run -1 install_packages rest
    [[ ${lines[0]} == "Debian packages are missing; as root: apt-get install \
--no-install-recommends libldap-dev libsasl2-dev python3-dev python3-venv \
curl" ]]
    [[ ${lines[1]} == *"sudo -v"* ]]
    [[ ! -e $CHECKOUT/.debian-packages ]]
}

@test "a user needs nothing where all is there" {
    stand_in sudo <<<"exit 1"
    stand_in id <<<"echo 1000"
    touch "$FOLDER"/installed/{gcc,libldap-dev,libsasl2-dev,python3-dev} \
        "$FOLDER"/installed/{python3-venv,curl}
    run -0 install_packages rest
    [[ -z $output ]]
}

@test "what is installed is neither started nor enabled" {
    run -0 on_copies "
        '$CHECKOUT/tools/install-packages' rest
        [[ ! -e /usr/sbin/policy-rc.d ]]
        find /etc/systemd/system -name broker-of-test.service"
    [[ $(<"$FOLDER/policy") -eq 101 ]]
    [[ ${lines[-1]} == "disabled at boot, which the packages had enabled: \
broker-of-test" ]]
    run -0 install_packages --installed
    [[ $output == "curl gcc libldap-dev libsasl2-dev python3-dev python3-venv" ]]
}

@test "what was enabled stays enabled" {
    run -0 on_copies "
        wants=/etc/systemd/system/multi-user.target.wants
        mkdir -p \$wants
        ln -s /dev/null \$wants/older.service
        '$CHECKOUT/tools/install-packages' rest
        [[ -L \$wants/older.service ]]"
}

@test "the machine's own policy stays" {
    run -0 on_copies "
        printf '#!/bin/sh\nexit 104\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        '$CHECKOUT/tools/install-packages' rest
        grep 104 /usr/sbin/policy-rc.d"
    [[ $(<"$FOLDER/policy") -eq 104 ]]
}

@test "what apt-get says is shown when it fails, and nothing stays" {
    stand_in apt-get <<<'echo "E: no such package"; exit 100'
    run -0 on_copies "
        ! '$CHECKOUT/tools/install-packages' rest
        [[ ! -e /usr/sbin/policy-rc.d ]]"
    [[ $output == *"E: no such package"* ]]
    [[ ! -e $CHECKOUT/.debian-packages ]]
}
