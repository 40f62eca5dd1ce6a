# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The commands: up, down, status, env, demo, tempest."""

import argparse
import os
import pathlib
import signal
import sys

from pocket import demo as story
from pocket import directory, extras, remains
from pocket import tempest as scenarios
from pocket.cloud import Cloud, Lock
from pocket.configuration import SOURCES
from pocket.errors import PocketError
from pocket.home import CHECKOUT, PORT_BASE, PORT_NAMES, Home

LOG_LINES = 12


def main(argv=None):
    """:returns: the exit code"""
    args = _parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Home(args.home, args.port_base)
    try:
        args.command(home, args)
    except PocketError as error:
        _tell(error)
        return 1
    except OSError as error:
        _tell(PocketError(str(error)))
        return 1
    except KeyboardInterrupt:
        print("pocket: interrupted", file=sys.stderr)
        return 130
    return 0


def up(home, args):
    with Lock(home):
        _cloud(home, args).up()
    _say(f"""
use it:    . {home.openrc}        (alice; admin: {home.adminrc})
           openstack server create --image blank --flavor tiny \\
               --network private one
           {directory.of(home).search_command(home)}
status:    http://127.0.0.1:{home.ports.monitoring}/
take down: python3 -m pocket down --home {home.path}""")


def down(home, args):
    if not home.exists():
        _say(f"no cloud in {home.path}")
        return
    with Lock(home):
        Cloud(home, _say).down(args.purge)
    _say("the cloud is down" + (", its home deleted" if args.purge else ""))


def demo(home, args):
    """Take the cloud up, show an instance's life, take the cloud down."""
    with Lock(home):
        cloud = _cloud(home, args)
        cloud.up()
        try:
            story.run(home, cloud.processes, _say)
        finally:
            cloud.say("taking the cloud down")
            cloud.down()
    cloud.say("done")
    _say(remains.described(home))


def tempest(home, args):
    """Run scenarios on the cloud, which stays up."""
    with Lock(home):
        cloud = _cloud(home, args)
        cloud.up()
        with extras.running(cloud):
            scenarios.run(home, cloud.processes, args.regex, cloud.say)


def status(home, args):
    """Exit code 0: it runs; 1: it does not."""
    if not home.exists() or not Cloud(home, _say).is_up():
        raise PocketError(f"no cloud is running in {home.path}")
    _say(f"the cloud in {home.path} is running")


def env(home, args):
    if not home.openrc.exists():
        raise PocketError(f"no cloud in {home.path}; first: pocket up")
    _say(home.openrc.read_text().rstrip())


def _parse(argv):
    parser = argparse.ArgumentParser(prog="python3 -m pocket")
    parser.set_defaults(port_base=None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, text in (
        (demo, "up, an instance's life seen in the directory, down"),
        (up, "start the cloud, installing it first if need be"),
        (down, "end all of its processes"),
        (status, "say whether it runs"),
        (env, "print what to export to use it"),
        (tempest, "run this project's scenarios on it, starting it first"),
    ):
        sub = commands.add_parser(command.__name__, help=text)
        sub.set_defaults(command=command)
        sub.add_argument(
            "--home",
            type=pathlib.Path,
            default=os.environ.get("POCKET_HOME", CHECKOUT / ".pocket"),
            help="the state folder (POCKET_HOME, or .pocket)",
        )
        if command is tempest:
            sub.add_argument(
                "regex",
                nargs="?",
                help="regular expression of the tests to run",
            )
        if command in (up, demo, tempest):
            _add_choice(
                sub,
                "source",
                SOURCES,
                "how events come to the outbox: by the hook in Nova, or from"
                " the message bus",
            )
            _add_choice(
                sub,
                "directory",
                tuple(directory.KINDS),
                "what they are delivered to, beside a log file",
            )
            sub.add_argument(
                "--port-base",
                type=_port_base,
                help="first port; with other ports than before, the cloud of"
                f" the home is made anew (default: {PORT_BASE})",
            )
        if command is down:
            sub.add_argument(
                "--purge", action="store_true", help="delete the home, too"
            )
    return parser.parse_args(argv)


def _add_choice(parser, name, choices, text):
    """An option whose default is the first choice, or the environment's."""
    variable = f"POCKET_{name.upper()}"
    default = os.environ.get(variable) or choices[0]
    if default not in choices:
        parser.error(
            f"{variable}: {default!r} is none of {', '.join(choices)}"
        )
    parser.add_argument(
        f"--{name}",
        choices=choices,
        default=default,
        help=f"{text} ({variable}, or {choices[0]})",
    )


def _port_base(text):
    base, last = int(text), 1 << 16
    if not 1024 <= base <= last - len(PORT_NAMES):
        raise argparse.ArgumentTypeError(
            f"{text} is not between 1024 and {last - len(PORT_NAMES)}"
        )
    return base


def _cloud(home, args):
    return Cloud(home, _say, args.source, args.directory)


def _say(text):
    print(text, flush=True)


def _tell(error):
    print(f"pocket: {error}", file=sys.stderr)
    if error.log and error.log.exists():
        lines = error.log.read_text(errors="replace").splitlines()
        print(
            "\n".join(f"    {line}" for line in lines[-LOG_LINES:]),
            f"    see {error.log}",
            sep="\n",
            file=sys.stderr,
        )
