# SPDX-License-Identifier: Apache-2.0
"""Where a server's files lie: in the distribution's paths or in a prefix.

lib389 finds every path in a file `defaults.inf`. With PREFIX in the
environment it reads <prefix>/share/dirsrv/inf/defaults.inf instead of the
distribution's; ours says that there is no systemd and that all files lie
under the prefix.
"""

import configparser
import grp
import os
import pwd
from pathlib import Path

from lib389.paths import DEFAULTS_PATH

from dirsvc389.settings import LONGEST_SOCKET_PATH, Refused, Settings

MARK = ".dirsvc-389ds"  # the prefix is ours to remove
DEFAULTS_INF = "share/dirsrv/inf/defaults.inf"
FOLDERS = ("etc", "run", "share", "var")
# What dscreate copies out of /etc/dirsrv, which only root and the account
# dirsrv may read: the same in brief, enough for a server without clients'
# certificates and without sorting by language.
TEMPLATES = {
    "config/certmap.conf": "certmap default default\n",
    "config/slapd-collations.conf": (
        'collation "" "" "" 1 3 2.16.840.1.113730.3.3.2.0.1 default\n'
    ),
    # the server does not start without the file
    "schema/99user.ldif": "dn: cn=schema\n",
}
# dscreate would close these to the account that the server runs as
PARENTS = ("etc/dirsrv", "run/lock", "var/lib/dirsrv", "var/log/dirsrv")


def choose(settings: Settings) -> None:
    """Make lib389 look where this server's files are."""
    if settings.prefix is None:
        os.environ.pop("PREFIX", None)
        return
    os.environ["PREFIX"] = str(settings.prefix)
    # dscreate asks getpass.getuser(), which believes the environment
    os.environ["LOGNAME"] = pwd.getpwuid(os.geteuid()).pw_name


def is_ours(prefix: Path) -> bool:
    """Say whether this program made the prefix."""
    return (prefix / MARK).is_file()


def prepare(settings: Settings) -> None:
    """Fill the prefix with what dscreate makes an instance from."""
    prefix = settings.prefix
    if prefix is None:
        return
    prefix.mkdir(parents=True, exist_ok=True)
    (prefix / MARK).touch()
    defaults = prefix / DEFAULTS_INF
    defaults.parent.mkdir(parents=True, exist_ok=True)
    with defaults.open("w") as file:
        _defaults(settings.user, prefix).write(file)
    for folder in PARENTS:
        (prefix / folder).mkdir(parents=True, exist_ok=True)
    for name, text in TEMPLATES.items():
        path = prefix / "etc/dirsrv" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def remove(settings: Settings) -> None:
    """Remove the prefix, unless somebody has put something into it."""
    prefix = settings.prefix
    if prefix is None or not is_ours(prefix):
        return
    (prefix / MARK).unlink()
    if not any(prefix.iterdir()):
        prefix.rmdir()


def check(settings: Settings) -> None:
    """Look before anything is made.

    :raises Refused: when the prefix is somebody else's, the server could not
        enter it, or its socket could not be made
    """
    prefix = settings.prefix
    if prefix is None:
        return
    check_instance(settings)
    if _is_foreign(prefix):
        raise Refused(
            f"{prefix} is not an empty folder and not made by this program: "
            "choose another --prefix"
        )
    account = pwd.getpwnam(settings.user)
    for folder in (prefix, *prefix.parents):
        if folder.exists() and not _may_enter(folder, account):
            raise Refused(
                f"{folder} is closed to {settings.user}, the account of the "
                "server: choose another --prefix or --user"
            )
    path = _socket(prefix).format(instance_name=settings.instance)
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise Refused(
            f"the socket path {path} is longer than {LONGEST_SOCKET_PATH} "
            "bytes: choose a shorter --prefix or --instance"
        )


def check_instance(settings: Settings) -> None:
    """:raises Refused: when the prefix is another instance's"""
    if settings.prefix is None:
        return
    for folder in settings.prefix.glob("etc/dirsrv/slapd-*"):
        name = folder.name.removeprefix("slapd-").removesuffix(".removed")
        if name != settings.instance:
            raise Refused(
                f"{settings.prefix} holds the instance {name}: "
                f"say --instance {name}, or choose another --prefix"
            )


def _socket(prefix: Path) -> str:
    return f"{prefix}/run/slapd-{{instance_name}}.socket"


def _is_foreign(prefix: Path) -> bool:
    if is_ours(prefix) or not prefix.exists():
        return False
    return not prefix.is_dir() or any(prefix.iterdir())


def _may_enter(folder: Path, account: pwd.struct_passwd) -> bool:
    if account.pw_uid == 0:
        return True
    status = folder.stat()
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid in os.getgrouplist(account.pw_name, account.pw_gid):
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _defaults(user: str, prefix: Path) -> configparser.ConfigParser:
    """Return the distribution's defaults.inf, moved into the prefix."""
    inf = configparser.ConfigParser(interpolation=None)
    if not inf.read(DEFAULTS_PATH):
        raise Refused(
            "no defaults.inf of 389 DS found: install the package 389-ds-base"
        )
    account = pwd.getpwnam(user)
    var = f"{prefix}/var/lib/dirsrv/slapd-{{instance_name}}"
    log = f"{prefix}/var/log/dirsrv/slapd-{{instance_name}}"
    etc = f"{prefix}/etc/dirsrv/slapd-{{instance_name}}"
    inf["slapd"].update({
        "with_systemd": "0",
        "prefix": f"{prefix}",
        "user": account.pw_name,
        "group": _group_name(account.pw_gid),
        "sysconf_dir": f"{prefix}/etc",
        "initconfig_dir": f"{prefix}/etc/default",
        "tmpfiles_d": f"{prefix}/etc/tmpfiles.d",
        "local_state_dir": f"{prefix}/var",
        "run_dir": f"{prefix}/run",
        "ldapi": _socket(prefix),
        "pid_file": f"{prefix}/run/slapd-{{instance_name}}.pid",
        "inst_dir": f"{prefix}/var/lib/dirsrv/scripts-{{instance_name}}",
        "config_dir": etc,
        "cert_dir": etc,
        "schema_dir": f"{etc}/schema",
        "lock_dir": f"{prefix}/run/lock/dirsrv/slapd-{{instance_name}}",
        "log_dir": log,
        "access_log": f"{log}/access",
        "audit_log": f"{log}/audit",
        "error_log": f"{log}/errors",
        "security_log": f"{log}/security",
        "db_dir": f"{var}/db",
        "db_home_dir": f"{var}/db",
        "backup_dir": f"{var}/bak",
        "ldif_dir": f"{var}/ldif",
    })  # fmt: skip
    return inf


def _group_name(gid: int) -> str:
    return grp.getgrgid(gid).gr_name
