# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import argparse
import grp
import ipaddress
import logging
import os
import sqlite3
import sys
from pathlib import Path

from dirsvcrest import server
from dirsvcrest.settings import Refused, Settings
from dirsvcrest.state import State
from dirsvcrest.store import Store

FAILED = 1


def main() -> int:
    """Run the program; give its exit code."""
    arguments = _parser().parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    os.umask(0o077)
    try:
        _serve(_settings(arguments))
    except (Refused, OSError, sqlite3.Error) as error:
        if arguments.debug:
            raise
        print(f"dirsvc-rest: error: {error}", file=sys.stderr)
        return FAILED
    return 0


def _serve(settings: Settings) -> None:
    state = State(settings)
    state.make()
    state.tokens()
    Store(state.store).make()
    server.serve(
        settings,
        state,
        lambda: print(f"dirsvc-rest: {settings.url}", flush=True),
    )


def _settings(arguments: argparse.Namespace) -> Settings:
    values = vars(arguments)
    names = Settings.__dataclass_fields__
    settings = Settings(**{name: values[name] for name in names})
    if (settings.certificate is None) != (settings.key is None):
        raise Refused("--certificate and --key need each other")
    if settings.client_ca and settings.certificate is None:
        raise Refused("--client-ca needs --certificate and --key")
    if not settings.on_loopback:
        if not settings.auth:
            raise Refused("--no-auth is for loopback only")
        if settings.certificate is None:
            raise Refused(
                "tokens do not go over a network in clear text: give "
                "--certificate and --key"
            )
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dirsvc-rest",
        description="A small HTTP directory service for the instances of a "
        "Nova.",
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = verbs.add_parser(
        "serve",
        help="serve until SIGTERM",
        description="Serves in the foreground until SIGTERM. SIGHUP reads "
        "the tokens again.",
    )
    _add_place(serve)
    _add_tls(serve)
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--state-dir",
        type=_path,
        required=True,
        metavar="DIR",
        help="folder for the store, the tokens and directory.conf",
    )
    add(
        "--listen",
        type=_address,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on, 0.0.0.0 for all (default: %(default)s)",
    )
    add(
        "--port",
        type=_port,
        default=8042,
        help="port to listen on (default: %(default)s)",
    )
    add(
        "--hostname",
        metavar="NAME",
        help="name in the URL (default: the address)",
    )
    add(
        "--threads",
        type=_count,
        default=16,
        metavar="N",
        help="requests at the same time (default: %(default)s)",
    )
    add(
        "--workers",
        type=_count,
        default=1,
        metavar="N",
        help="processes, each with --threads threads (default: %(default)s)",
    )
    add(
        "--group",
        type=_group,
        metavar="NAME",
        help="the daemon's group, which may read service.token and "
        "directory.conf",
    )
    add(
        "--no-auth",
        dest="auth",
        action="store_false",
        help="require no token; on loopback only",
    )
    add("--debug", action="store_true", help="show the traceback of a failure")


def _add_tls(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--certificate",
        type=_path,
        metavar="PEM",
        help="certificate of the service, with its chain",
    )
    add(
        "--key",
        type=_path,
        metavar="PEM",
        help="private key of the certificate",
    )
    add("--client-ca", type=_path, metavar="PEM",
        help="accept only clients with a certificate of this CA")  # fmt: skip


def _path(text: str) -> Path:
    return Path(text).absolute()


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address"
        ) from None


def _port(text: str) -> int:
    number = _count(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return number


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _group(text: str) -> str:
    try:
        return grp.getgrnam(text).gr_name
    except KeyError:
        raise argparse.ArgumentTypeError(f"no group {text!r}") from None
