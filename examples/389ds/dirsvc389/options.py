# SPDX-License-Identifier: Apache-2.0
"""The options of the command line, and the settings that they make."""

import argparse
import grp
import os
import pwd
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import ldap.dn

from dirsvc389.content import INDEXES
from dirsvc389.settings import Refused, Settings, canonical_hostname

Verb = Callable[[Settings, argparse.Namespace], int]
SYSTEMD_RUNS = Path("/run/systemd/system")
STATE_DIR = Path("/etc/nova-dirsvc")


def parser(
    verbs: Iterable[tuple[str, Verb, str]],
) -> argparse.ArgumentParser:
    """Return the parser of the verbs: name, function, help text."""
    top = argparse.ArgumentParser(
        prog="dirsvc-389ds",
        description="Deploys and removes a 389 Directory Server for the "
        "instances of a Nova.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in verbs:
        command = commands.add_parser(
            name, help=text, description=f"{text.capitalize()}."
        )
        command.set_defaults(run=run)
        _add_place(command)
        if name == "deploy":
            _add_deploy_options(command)
    return top


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which server is meant."""
    add = parser.add_argument
    add(
        "--instance",
        type=_word,
        default="dirsvc",
        metavar="NAME",
        help="name of the instance (default: %(default)s)",
    )
    add(
        "--prefix",
        type=_folder,
        metavar="DIR",
        help="folder for the whole server, which then runs "
        "without systemd, as any user",
    )
    add(
        "--systemd",
        action=argparse.BooleanOptionalAction,
        help="whether systemd runs the server (default: "
        "without --prefix, and if systemd is there)",
    )
    add(
        "--state-dir",
        type=_folder,
        metavar="DIR",
        help="folder for directory.conf, ca.crt and the "
        "passwords (default: the prefix, or "
        f"{STATE_DIR} with systemd)",
    )
    add("--debug", action="store_true", help="show the traceback of a failure")


def _add_deploy_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--suffix",
        type=_dn,
        default="dc=cloud,dc=example",
        metavar="DN",
        help="root of the tree (default: %(default)s)",
    )
    add(
        "--owner",
        type=_word,
        default="nova",
        metavar="MARK",
        help="owner mark of this cloud's entries (default: %(default)s)",
    )
    add(
        "--listen",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on, 0.0.0.0 for all (default: %(default)s)",
    )
    add(
        "--hostname",
        default=canonical_hostname(),
        metavar="NAME",
        help="name in the certificate (default: %(default)s)",
    )
    add(
        "--port",
        type=_port,
        default=1389,
        help="port for LDAP with StartTLS (default: %(default)s)",
    )
    add(
        "--secure-port",
        type=_port,
        default=1636,
        help="port for LDAPS (default: %(default)s)",
    )
    add(
        "--user",
        type=_account,
        metavar="NAME",
        help="account of the server, with --prefix (default: dirsrv if "
        "run by root, else your own)",
    )
    add(
        "--group",
        type=_group,
        metavar="NAME",
        help="the daemon's group, which may read service.password",
    )
    add(
        "--reader-group",
        type=_group,
        metavar="NAME",
        help="group that may read reader.password (default: none)",
    )
    add(
        "--cached-hosts",
        type=_number,
        default=2500,
        metavar="NUMBER",
        help="hosts that the server keeps in its caches: with more, reads "
        "are faster and refused writes slower (default: %(default)s)",
    )
    add(
        "--substring-index",
        choices=list(INDEXES),
        action="append",
        default=[],
        dest="substring_indexes",
        help="attribute that is searched for parts of its values, as in "
        "(cn=*web*); may be given several times (default: none)",
    )
    add(
        "--manager-password-file",
        type=Path,
        metavar="FILE",
        help="file with the password of the directory manager (default: a "
        "random one)",
    )
    add(
        "--service-password-file",
        type=Path,
        metavar="FILE",
        help="file with the password of the service account (default: a "
        "random one)",
    )


def settings(arguments: argparse.Namespace) -> Settings:
    systemd = _use_systemd(arguments)
    prefix = None if systemd else arguments.prefix
    given = vars(arguments)
    return Settings(
        instance=arguments.instance,
        prefix=prefix,
        state_dir=arguments.state_dir or prefix or STATE_DIR,
        suffix=given.get("suffix", ""),
        owner=given.get("owner", ""),
        listen=given.get("listen", ""),
        hostname=given.get("hostname", ""),
        port=given.get("port", 0),
        secure_port=given.get("secure_port", 0),
        user=given.get("user") or _default_user(),
        group=given.get("group"),
        reader_group=given.get("reader_group"),
        cached_hosts=given.get("cached_hosts", 0),
        substring_indexes=tuple(given.get("substring_indexes", ())),
    )


def _use_systemd(arguments: argparse.Namespace) -> bool:
    """:raises Refused: when neither systemd nor a prefix can be used"""
    if arguments.systemd and arguments.prefix:
        raise Refused("--systemd and --prefix exclude each other")
    if arguments.prefix is not None:
        return False
    if arguments.systemd is None and SYSTEMD_RUNS.is_dir():
        return True
    if arguments.systemd:
        return True
    raise Refused("without systemd, say where the server lives: --prefix DIR")


def _default_user() -> str:
    if os.geteuid() == 0:
        return "dirsrv"
    return pwd.getpwuid(os.geteuid()).pw_name


def _folder(text: str) -> Path:
    return Path(text).absolute()


def _dn(text: str) -> str:
    if not text or not ldap.dn.is_dn(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a DN")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 10000000")
    return int(text)


def _word(text: str) -> str:
    """A name that needs no escape in a path, a filter or a rule."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} has more than letters, digits, - and _"
        )
    return text


def _group(text: str) -> str:
    try:
        return grp.getgrnam(text).gr_name
    except KeyError:
        raise argparse.ArgumentTypeError(f"no group {text!r}") from None


def _account(text: str) -> str:
    try:
        return pwd.getpwnam(text).pw_name
    except KeyError:
        raise argparse.ArgumentTypeError(f"no account {text!r}") from None
