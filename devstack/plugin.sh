#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# plugin.sh: called by stack.sh, unstack.sh and clean.sh in each phase; sends
# it on to lib/nova_dirsvc.

source "$NOVA_DIRSVC_DIR/devstack/lib/nova_dirsvc"

# What is there is stopped and removed whatever is enabled by then.
case "$1 ${2:-}" in
    "stack pre-install" | "unstack ")
        nova_dirsvc_stop
        ;;
    "clean ")
        nova_dirsvc_cleanup
        ;;
esac

if is_service_enabled nova-dirsvc; then
    case "$1 ${2:-}" in
        "stack pre-install")
            nova_dirsvc_check
            ;;
        "stack install")
            echo_summary "Installing nova-dirsvc"
            nova_dirsvc_install
            ;;
        "stack post-config")
            echo_summary "Configuring nova-dirsvc"
            nova_dirsvc_configure
            nova_dirsvc_init
            ;;
        "stack extra")
            echo_summary "Starting nova-dirsvc"
            nova_dirsvc_start
            ;;
        "stack test-config")
            nova_dirsvc_configure_tempest
            nova_dirsvc_tell
            ;;
    esac
fi
