#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The line of local.conf that the documents tell a user to write. With
# DEVSTACK_DIR set, devstack's own functions read it.

bats_require_minimum_version 1.5.0

setup() {
    export FOLDER=$BATS_TEST_TMPDIR
    CHECKOUT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    REPOSITORY=$FOLDER/plugin.git
    # devstack notes clones there
    export GIT_CONFIG_SYSTEM=$FOLDER/gitconfig
    git config --system user.name tests
    git config --system user.email tests@localhost
    git init --quiet --initial-branch main "$REPOSITORY"
    git -C "$REPOSITORY" commit --quiet --allow-empty --message "The plugin"
}

# clone LINE: what stack.sh does with a line of local.conf
clone() {
    bash -c '
        DEST=$FOLDER/stack
        declare -A GITREPO GITDIR GITBRANCH
        if [[ -n ${DEVSTACK_DIR:-} ]]; then
            TOP_DIR=$DEVSTACK_DIR
            source "$DEVSTACK_DIR/functions"
        else
            source "$1/stubs"
        fi
        source "$1/spies"
        eval "$2"
        fetch_plugins
    ' clone "$BATS_TEST_DIRNAME" "${1/<address of this repository>/$REPOSITORY}"
}

# lines_of FILE: those that enable the plugin
lines_of() {
    sed -nE 's/^ *(enable_plugin )/\1/p' "$CHECKOUT/$1"
}

@test "the line of each document gets the branch that the repository has" {
    for file in README.md devstack/README.rst devstack/local.conf.sample; do
        line=$(lines_of $file)
        [[ $line == "enable_plugin nova_dirsvc_plugin"* ]]
        clone "$line"
        [[ $(git -C "$FOLDER/stack/nova_dirsvc_plugin" log --format=%s) == \
            "The plugin" ]]
        rm -rf "$FOLDER/stack"
    done
}

@test "without a branch the line fails" {
    line=$(lines_of README.md)
    run clone "${line% main}"
    ((status))
    [[ $output == *master* ]]
}

@test "no document names an address of the repository that is not there" {
    run git -C "$CHECKOUT" grep -nE \
        'https?://[^ ]*/nova_dirsvc_plugin' -- '*.md' '*.rst' '*.sample'
    [[ -z $output ]]
}
