# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import argparse
import os
import subprocess
import sys

import ldap

from dirsvc389 import deploy, instance, layout, options, verify
from dirsvc389.settings import Refused, Settings

RUNNING, FAILED, STOPPED = 0, 1, 3
# what lib389 and the system raise when the machine does not play along
FAILURES = (
    AssertionError,
    ValueError,
    OSError,
    ldap.LDAPError,
    subprocess.CalledProcessError,
)


def main() -> int:
    arguments = options.parser(VERBS).parse_args()
    os.umask(0o022)
    try:
        settings = options.settings(arguments)
        layout.choose(settings)
        verb: options.Verb = arguments.run
        return verb(settings, arguments)
    except Refused as error:
        message = str(error)
    except FAILURES as error:
        if arguments.debug:
            raise
        message = _message(error)
    print(f"dirsvc-389ds: error: {message}", file=sys.stderr)
    return FAILED


def _deploy(settings: Settings, arguments: argparse.Namespace) -> int:
    deploy.deploy(
        settings,
        arguments.manager_password_file,
        arguments.service_password_file,
        _progress,
    )
    print(f"\n{deploy.summary(settings)}")
    return 0


def _remove(settings: Settings, _: argparse.Namespace) -> int:
    _need_root(settings)
    deploy.remove(settings, _progress)
    return 0


def _start(settings: Settings, _: argparse.Namespace) -> int:
    _need_root(settings)
    if not instance.exists(settings):
        raise Refused(f"there is no instance {settings.instance}: deploy it")
    instance.start(settings)
    return 0


def _stop(settings: Settings, _: argparse.Namespace) -> int:
    _need_root(settings)
    instance.stop(settings)
    return 0


def _status(settings: Settings, _: argparse.Namespace) -> int:
    if not instance.exists(settings):
        print(f"{settings.instance}: not deployed")
        return STOPPED
    running = instance.is_running(settings)
    print(f"{settings.instance}: {'running' if running else 'stopped'}")
    return RUNNING if running else STOPPED


def _verify(settings: Settings, _: argparse.Namespace) -> int:
    _need_root(settings)
    if not instance.is_running(settings):
        raise Refused(f"{settings.instance} does not run: start it")
    with instance.connected(settings) as server:
        finding = verify.refusals(server)
    print(finding.text)
    return 0 if finding.is_well else FAILED


def _need_root(settings: Settings) -> None:
    if settings.prefix is None and os.geteuid() != 0:
        raise Refused("with systemd this needs root: use sudo")


def _progress(text: str) -> None:
    print(f"- {text}", flush=True)


def _message(error: Exception) -> str:
    """Return what went wrong in one line."""
    if isinstance(error, ldap.LDAPError):
        facts = error.args[0] if error.args else None
        if isinstance(facts, dict):
            parts = (facts.get("desc"), facts.get("info"))
            return ": ".join(str(part).strip() for part in parts if part)
    if isinstance(error, subprocess.CalledProcessError):
        output = error.stderr or error.output or b""
        last = output.decode(errors="replace").strip().rpartition("\n")[2]
        return f"{error.cmd[0]} failed: {last or error.returncode}"
    return str(error)


VERBS = (
    ("deploy", _deploy, "create the server, or bring it up to date"),
    ("remove", _remove, "remove the server and all its data"),
    ("start", _start, "start the server"),
    ("stop", _stop, "stop the server"),
    ("status", _status, "exit with 0 if it runs, with 3 if not"),
    ("verify", _verify, "measure what a refused write costs the server"),
)
