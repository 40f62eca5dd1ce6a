# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import argparse
import os
import pwd
import subprocess
import sys
from pathlib import Path

import ldap
import ldap.dn

from dirsvc389 import deploy, instance, layout
from dirsvc389.settings import Refused, Settings, canonical_hostname

RUNNING, FAILED, STOPPED = 0, 1, 3
SYSTEMD_RUNS = Path("/run/systemd/system")
STATE_DIR = Path("/etc/nova-dirsvc")


def main() -> int:
    arguments = _parser().parse_args()
    os.umask(0o022)
    try:
        settings = _settings(arguments)
        layout.choose(settings)
        return arguments.run(settings, arguments)
    except Refused as error:
        return _fail(str(error))
    except ldap.LDAPError as error:
        return _fail(_ldap_message(error), arguments.debug)
    except subprocess.CalledProcessError as error:
        return _fail(_command_message(error), arguments.debug)
    except (OSError, ValueError, AssertionError) as error:
        return _fail(str(error), arguments.debug)


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


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--instance", default="dirsvc", metavar="NAME",
                       help="name of the instance (default: %(default)s)")
    where.add_argument("--prefix", type=_folder, metavar="DIR",
                       help="folder for the whole server, which then runs "
                            "without systemd, as any user")
    where.add_argument("--systemd", action=argparse.BooleanOptionalAction,
                       help="whether systemd runs the server (default: "
                            "without --prefix, and if systemd is there)")
    where.add_argument("--state-dir", type=_folder, metavar="DIR",
                       help="folder for directory.conf, ca.crt and the "
                            "passwords (default: the prefix, or "
                            f"{STATE_DIR} with systemd)")
    where.add_argument("--debug", action="store_true",
                       help="show the traceback of a failure")
    parser = argparse.ArgumentParser(
        prog="dirsvc-389ds",
        description="Deploys and removes a 389 Directory Server for the "
                    "instances of a Nova.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("deploy", _deploy, "create the server, or bring it up to date"),
        ("remove", _remove, "remove the server and all its data"),
        ("start", _start, "start the server"),
        ("stop", _stop, "stop the server"),
        ("status", _status, "exit with 0 if it runs, with 3 if not"),
    ):  # fmt: skip
        command = commands.add_parser(name, parents=[where], help=text,
                                      description=text.capitalize() + ".")
        command.set_defaults(run=run)
        if run is _deploy:
            _add_deploy_options(command)
    return parser  # fmt: skip


def _add_deploy_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--suffix", type=_dn, default="dc=cloud,dc=example", metavar="DN",
        help="root of the tree (default: %(default)s)")
    add("--owner", default="nova", metavar="MARK",
        help="owner mark of this cloud's records (default: %(default)s)")
    add("--listen", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on, 0.0.0.0 for all (default: %(default)s)")
    add("--hostname", default=canonical_hostname(), metavar="NAME",
        help="name in the certificate (default: %(default)s)")
    add("--port", type=_port, default=1389,
        help="LDAP with StartTLS (default: %(default)s)")
    add("--secure-port", type=_port, default=1636,
        help="LDAPS (default: %(default)s)")
    add("--user", type=_account, metavar="NAME",
        help="account of the server, with --prefix (default: dirsrv if "
             "root, else yours)")
    add("--group", metavar="NAME",
        help="group that may read service.password: the daemon's")
    add("--manager-password-file", type=Path, metavar="FILE",
        help="password of the directory manager (default: a random one)")
    add("--service-password-file", type=Path, metavar="FILE",
        help="password of the service account (default: a random one)")


def _settings(arguments: argparse.Namespace) -> Settings:
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


def _need_root(settings: Settings) -> None:
    if settings.prefix is None and os.geteuid() != 0:
        raise Refused("with systemd this needs root: use sudo")


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


def _account(text: str) -> str:
    try:
        return pwd.getpwnam(text).pw_name
    except KeyError:
        raise argparse.ArgumentTypeError(f"no account {text!r}") from None


def _progress(text: str) -> None:
    print(f"- {text}", flush=True)


def _fail(message: str, debug: bool = False) -> int:
    if debug:
        raise  # noqa: PLE0704
    print(f"dirsvc-389ds: error: {message}", file=sys.stderr)
    return FAILED


def _ldap_message(error: ldap.LDAPError) -> str:
    facts = error.args[0] if error.args else {}
    if not isinstance(facts, dict):
        return str(error)
    return ": ".join(
        str(facts[key]) for key in ("desc", "info") if facts.get(key)
    )


def _command_message(error: subprocess.CalledProcessError) -> str:
    output = (error.stderr or error.output or b"").decode(errors="replace")
    lines = output.strip().splitlines()
    return f"{error.cmd[0]} failed: {lines[-1] if lines else error.returncode}"
