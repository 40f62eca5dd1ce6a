# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The directory and what feeds it: a real 389 DS and nova-dirsvc-sync."""

import configparser
import os
import pathlib
import pwd
import shlex

from pocket.home import CHECKOUT, digest
from pocket.stores import listens

EXAMPLE = CHECKOUT / "examples" / "389ds"
SYNC = "nova-dirsvc-sync"


def prefix(home):
    """The server's folder, by a path that is short enough for its socket."""
    if home.sockets == home.run:
        return home.directory
    link = home.sockets / "389ds"
    if not link.is_symlink():
        link.symlink_to(home.directory)
    return link


def start(home, processes):
    """Start the directory server, made on first use."""
    home.directory.mkdir(mode=0o700, exist_ok=True)
    version = digest(
        *sorted(EXAMPLE.rglob("*.py")),
        EXAMPLE / "schema.ldif",
        EXAMPLE / "dirsvc-389ds",
    )
    where = ["--prefix", prefix(home), "--instance", _instance(home)]
    if not home.is_done("389ds", version):
        processes.call(
            "389ds",
            [
                EXAMPLE / "dirsvc-389ds",
                "deploy",
                *where,
                "--owner",
                "pocket",
                "--port",
                home.ports.ldap,
                "--secure-port",
                home.ports.ldaps,
                "--user",
                pwd.getpwuid(os.getuid()).pw_name,
            ],
        )
        home.set_done("389ds", version)
    elif not listens(home.ports.ldap):
        processes.call("389ds", [EXAMPLE / "dirsvc-389ds", "start", *where])


def command(home, verb):
    """A shell command line that starts or stops the server."""
    where = ["--prefix", prefix(home), "--instance", _instance(home)]
    return shlex.join(map(str, [EXAMPLE / "dirsvc-389ds", verb, *where]))


def start_sync(home, processes):
    """Start the daemon that delivers what Nova's processes stored."""
    processes.start(
        SYNC,
        [
            home.bin / SYNC,
            "--config-file",
            prefix(home) / "directory.conf",
            "--config-file",
            home.etc / "nova-dirsvc.conf",
        ],
    )


def forget(home):
    """What a killed server leaves outside its prefix."""
    shared = pathlib.Path(f"/dev/shm/sem.slapd-{_instance(home)}.stats")
    shared.unlink(missing_ok=True)


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


def search_command(home, search_filter="(objectClass=novaInstance)"):
    """A shell command line that reads the entries as the reader."""
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
        search_filter,
    ]
    variable = f"LDAPTLS_CACERT={shlex.quote(found['cacertfile'])}"
    return f"{variable} {shlex.join(words)}"


def _instance(home):
    """It ends with the mark, by which the process is found again."""
    return f"pocket{home.mark}"
