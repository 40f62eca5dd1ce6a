#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# tools/with-pip-index, with a real pip.

bats_require_minimum_version 1.5.0

setup_file() {
    /usr/bin/python3 -m venv "$BATS_FILE_TMPDIR/venv"
}

setup() {
    FILE=$BATS_TEST_TMPDIR/pip.conf
    unset "${!PIP_@}" "${!UV_@}" SSL_CERT_FILE
    export PIP_CONFIG_FILE=$FILE
}

# with_pip_index NAME: how a command finds a variable
with_pip_index() {
    "$BATS_TEST_DIRNAME/../../tools/with-pip-index" \
        "$BATS_FILE_TMPDIR/venv/bin/python" \
        bash -c "echo \"\${$1-unset}\""
}

@test "without an index of pip's, uv uses its own" {
    export PIP_CONFIG_FILE=/dev/null # pip reads no other one, either
    [[ $(with_pip_index UV_DEFAULT_INDEX) == unset ]]
    [[ $(with_pip_index SSL_CERT_FILE) == unset ]]
}

@test "the index of pip's configuration file is uv's" {
    printf '[global]\nindex-url = https://mirror.example/simple\n' >"$FILE"
    [[ $(with_pip_index UV_DEFAULT_INDEX) == https://mirror.example/simple ]]
}

@test "the section of pip install comes before the one of all commands" {
    printf '[global]\nindex-url = https://a.example/\n' >"$FILE"
    printf '[install]\nindex-url = https://b.example/\n' >>"$FILE"
    [[ $(with_pip_index UV_DEFAULT_INDEX) == https://b.example/ ]]
}

@test "pip's variable comes before its configuration file" {
    printf '[install]\nindex-url = https://a.example/\n' >"$FILE"
    export PIP_INDEX_URL=https://b.example/
    [[ $(with_pip_index UV_DEFAULT_INDEX) == https://b.example/ ]]
}

@test "what is set for uv stays" {
    export PIP_INDEX_URL=https://a.example/
    UV_DEFAULT_INDEX=https://b.example/ run with_pip_index UV_DEFAULT_INDEX
    [[ $output == https://b.example/ ]]
    UV_INDEX_URL=https://b.example/ run with_pip_index UV_DEFAULT_INDEX
    [[ $output == unset ]]
}

@test "certificates and trusted hosts of pip's are uv's" {
    printf '[global]\ncert = /etc/mirror.pem\n' >"$FILE"
    printf 'trusted-host = a.example\n    b.example\n' >>"$FILE"
    [[ $(with_pip_index SSL_CERT_FILE) == /etc/mirror.pem ]]
    [[ $(with_pip_index UV_INSECURE_HOST) == "a.example b.example" ]]
}

@test "the command's exit status is handed on" {
    run -7 "$BATS_TEST_DIRNAME/../../tools/with-pip-index" \
        "$BATS_FILE_TMPDIR/venv/bin/python" bash -c 'exit 7'
}
