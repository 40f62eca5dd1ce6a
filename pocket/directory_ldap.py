# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The directory that speaks LDAP: a real 389 DS, by examples/389ds."""

import configparser
import os
import pathlib
import pwd
import shlex

from pocket.home import CHECKOUT, digest
from pocket.processes import program
from pocket.stores import listens

EXAMPLE = CHECKOUT / "examples" / "389ds"
NAME = "389 Directory Server"


def packages():
    """Debian package -> whether what is needed of it is there."""
    return {
        "ldap-utils": program("ldapsearch"),
        "389-ds-base": program("ns-slapd"),
        "python3-lib389": program("dscreate"),
    }


def start(home, processes):
    """Start the directory server, made on first use."""
    home.directory.mkdir(mode=0o700, exist_ok=True)
    version = digest(
        *sorted(EXAMPLE.rglob("*.py")),
        EXAMPLE / "schema.ldif",
        EXAMPLE / "dirsvc-389ds",
    )
    if not home.is_done("389ds", version):
        _call(
            home,
            processes,
            "deploy",
            "--owner",
            "pocket",
            "--port",
            home.ports.ldap,
            "--secure-port",
            home.ports.ldaps,
            "--user",
            pwd.getpwuid(os.getuid()).pw_name,
        )
        home.set_done("389ds", version)
    elif not listens(home.ports.ldap):
        _call(home, processes, "start")


def stop(home, processes):
    if home.done_with("389ds") and listens(home.ports.ldap):
        _call(home, processes, "stop")


def conf(home):
    """The options file that the example wrote for the daemon."""
    return _prefix(home) / "directory.conf"


def search_command(home, instance_uuid=None):
    """A shell command line that reads entries as the reader."""
    found = settings(home)
    words = [
        "ldapsearch",
        "-LLL",
        "-x",
        "-ZZ",
        "-H",
        found["url"],
        "-D",
        found["user"],
        "-y",
        found["password_file"],
        "-b",
        found["tree"],
        "-s",
        "one",
        f"(novaInstanceUuid={instance_uuid})"
        if instance_uuid
        else "(objectClass=novaInstance)",
    ]
    variable = f"LDAPTLS_CACERT={shlex.quote(found['cacertfile'])}"
    return f"{variable} {shlex.join(words)}"


def shows_entry(output):
    """Whether the command printed an entry: it prints nothing else."""
    return bool(output.strip())


def settings(home):
    """What a reader needs: url, tree, CA file, its DN and password file."""
    written = configparser.ConfigParser(interpolation=None)
    with (home.directory / "directory.conf").open() as file:
        written.read_file(file)
    tree = written["ldap"]["hosts_tree_dn"]
    suffix = tree.partition(",")[2]
    return {
        "url": written["ldap"]["url"],
        "tree": tree,
        "cacertfile": str(home.directory / "ca.crt"),
        "user": f"cn=hosts-reader,ou=services,{suffix}",
        "password_file": str(home.directory / "reader.password"),
    }


def scenario_options(home):
    """What Tempest must know of this directory."""
    found = settings(home)
    return {
        "directory": "ldap",
        "ldap_url": found["url"],
        "ldap_hosts_tree_dn": found["tree"],
        "ldap_user": found["user"],
        "ldap_password_file": found["password_file"],
        "ldap_tls_cacertfile": found["cacertfile"],
        "ldap_manager_user": "cn=Directory Manager",
        "ldap_manager_password_file": home.directory / "manager.password",
    }


def forget(home):
    """What a killed server leaves outside its prefix."""
    shared = pathlib.Path(f"/dev/shm/sem.slapd-{_instance(home)}.stats")
    shared.unlink(missing_ok=True)


def _call(home, processes, verb, *more):
    processes.call(
        "389ds",
        [
            EXAMPLE / "dirsvc-389ds",
            verb,
            "--prefix",
            _prefix(home),
            "--instance",
            _instance(home),
            *more,
        ],
    )


def _prefix(home):
    """The server's folder, by a path that is short enough for its socket."""
    if home.sockets == home.run:
        return home.directory
    link = home.sockets / "389ds"
    if not link.is_symlink():
        link.symlink_to(home.directory)
    return link


def _instance(home):
    """It ends with the mark, by which the process is found again."""
    return f"pocket{home.mark}"
