# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The directory of a cloud, of one kind, and nova-dirsvc-sync, its feeder.

A kind is a module with these names:

:NAME: what the server is called
:packages(): Debian package -> whether what is needed of it is there
:start(home, processes): start the server and wait until it answers
:stop(home, processes): end it
:conf(home): the options file that the server wrote for the daemon
:search_command(home, instance_uuid): a shell command line that reads one
    entry, or without a uuid all of them, as an account that may only read
:shows_entry(output): whether what the command printed has an entry
:settings(home): what else a reader needs
:scenario_options(home): options of the scenarios, in tempest.conf
:forget(home): remove what it left outside its home
"""

from pocket import directory_ldap, directory_rest
from pocket.stores import listens

#: The name of a kind is also that of the daemon's driver, and of its port.
KINDS = {"ldap": directory_ldap, "rest": directory_rest}
SYNC = "nova-dirsvc-sync"
MANAGE = "nova-dirsvc-manage"


def kind(home):
    """Which kind the cloud has; homes of old do not say that it is LDAP."""
    return home.done_with("directory") or "ldap"


def of(home):
    return KINDS[kind(home)]


def choose(home, processes, name):
    """Have another kind, to be started: the one before is stopped."""
    if name != kind(home):
        processes.stop(SYNC)
        of(home).stop(home, processes)
    home.set_done("directory", name)


def is_running(home):
    return listens(getattr(home.ports, kind(home)))


def start(home, processes):
    """Start the directory server, made on first use."""
    of(home).start(home, processes)


def start_sync(home, processes):
    """Start the daemon that delivers what Nova's processes stored."""
    processes.start(SYNC, [home.bin / SYNC, *_options(home)])


def stop_sync(_home, processes):
    """Stop the daemon."""
    processes.stop(SYNC)


def manage(home, *words):
    """A command line of nova-dirsvc-manage."""
    return (home.bin / MANAGE, *_options(home), *words)


def _options(home):
    """Where the daemon's options are."""
    return (
        "--config-file",
        of(home).conf(home),
        "--config-file",
        home.etc / "nova-dirsvc.conf",
    )


def settings(home):
    """What a reader of the cloud's kind of directory needs."""
    return of(home).settings(home)
