# SPDX-License-Identifier: Apache-2.0
"""One instance of the server: create, start, stop, remove."""

import logging
import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ldap
from lib389 import DirSrv
from lib389.dseldif import DSEldif
from lib389.instance.options import General2Base, Slapd2Base
from lib389.instance.remove import remove_ds_instance
from lib389.instance.setup import SetupDs
from lib389.paths import Paths

from dirsvc389 import layout, process
from dirsvc389.settings import Refused, Settings

LOG = logging.getLogger("dirsvc389")
CONFIG = "cn=config"
TEMPLATE = "dirsrv/data/template-dse.ldif"
START_LIMIT = 300.0  # seconds; a recovery on a busy machine takes one minute


def check_name(settings: Settings) -> None:
    """:raises Refused: when another user's server has the instance name

    The name also names a semaphore of the whole machine; ns-slapd hangs when
    it may not open it.
    """
    account = pwd.getpwnam(settings.user).pw_uid
    for path in _semaphores(settings.instance):
        if account not in (0, path.stat().st_uid):
            raise Refused(
                f"{path} belongs to another user's server of that name: "
                "choose another --instance"
            )


def exists(settings: Settings) -> bool:
    return _config_dir(settings).joinpath("dse.ldif").exists()


def allocate(settings: Settings) -> DirSrv:
    """Return the existing instance, not connected."""
    server = DirSrv(external_log=LOG)
    server.local_simple_allocate(settings.instance)
    server.setup_ldapi()
    return server


def is_running(settings: Settings) -> bool:
    return bool(process.servers(_config_dir(settings)))


def create(settings: Settings, manager_password: str) -> None:
    """Run dscreate; the instance is not started when it returns."""
    general = General2Base(LOG)
    general.set("full_machine_name", settings.hostname)
    general.set("start", False)
    slapd = Slapd2Base(LOG)
    with _template(settings) as data_dir:
        slapd.set("instance_name", settings.instance)
        slapd.set("root_password", manager_password)
        slapd.set("port", settings.port)
        slapd.set("secure_port", settings.secure_port)
        slapd.set("self_sign_cert", False)  # tls.py issues it
        slapd.set("data_dir", str(data_dir))
        backend = {
            "cn": "userRoot",
            "nsslapd-suffix": settings.suffix,
            "create_suffix_entry": True,
        }
        general.verify()
        slapd.verify()
        mask = os.umask(0o022)  # dscreate sets its own and leaves it
        try:
            SetupDs(log=LOG).create_from_args(
                general.collect(), slapd.collect(), [backend]
            )
        finally:
            os.umask(mask)


def configure(settings: Settings) -> bool:
    """Write what is read at start only; say whether anything changed."""
    wanted = {
        "nsslapd-port": settings.port,
        "nsslapd-securePort": settings.secure_port,
        "nsslapd-listenhost": settings.listen,
        "nsslapd-securelistenhost": settings.listen,
        "nsslapd-localhost": settings.hostname,
        "nsslapd-security": "on",
    }
    server = allocate(settings)
    now = DSEldif(server)  # its names are case-sensitive
    changed = {
        name: str(value)
        for name, value in wanted.items()
        if now.get(CONFIG, name, single=True) != str(value)
    }
    if changed:
        stop(settings)
        file = DSEldif(server)
        for name, value in changed.items():
            file.replace(CONFIG, name, value)
    return bool(changed)


def start(settings: Settings) -> None:
    """Start the instance and wait until it answers.

    A process identifier, which lib389 waits for, comes before the sockets.
    """
    server = allocate(settings)
    config_dir = _config_dir(settings)
    if not process.servers(config_dir):
        _forget_the_dead(server, config_dir)
        server.start(post_open=False)
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            with connected(settings):
                return
        except ldap.SERVER_DOWN as error:
            log = f"see {server.ds_paths.error_log}"
            if not process.servers(config_dir):
                raise Refused(f"the server ended at once: {log}") from error
            if time.monotonic() > deadline:
                raise Refused(f"the server does not answer: {log}") from error
        time.sleep(0.1)


def stop(settings: Settings) -> None:
    if not exists(settings):
        return
    if settings.prefix is None:
        allocate(settings).stop()  # by systemd, which would start it again
    process.stop(_config_dir(settings))


@contextmanager
def connected(settings: Settings) -> Iterator[DirSrv]:
    """Yield the running instance, bound over LDAPI as its manager."""
    server = allocate(settings)
    server.open()
    try:
        yield server
    finally:
        server.close()


def remove(settings: Settings) -> None:
    """Remove the instance, whole or half made; nothing there is fine."""
    config_dir = _config_dir(settings)
    if exists(settings):
        stop(settings)
        server = allocate(settings)
        _forget_the_dead(server, config_dir)
        remove_ds_instance(server)
    process.kill(config_dir)
    for path in _remains(settings):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if settings.prefix is None:
        _remove_what_instances_share()


def _forget_the_dead(server: DirSrv, config_dir: Path) -> None:
    """Remove the numbers that a server which was killed has left.

    lib389 and ns-slapd itself take whatever process has such a number for
    the server: they do not start it, and lib389 ends the stranger.
    """
    Path(server.pid_file()).unlink(missing_ok=True)
    alive = process.any_of(config_dir)
    for lock in Path(server.ds_paths.lock_dir).glob("*/[0-9]*"):
        if int(lock.name) not in alive:
            lock.unlink()


def _remains(settings: Settings) -> Iterator[Path]:
    """Yield what remove_ds_instance leaves, or a killed dscreate left."""
    name = settings.instance
    for path in _semaphores(name):
        # another user's instance may have the same name
        if os.geteuid() in (0, path.stat().st_uid):
            yield path
    if settings.prefix is not None:
        if layout.is_ours(settings.prefix):
            yield from (settings.prefix / f for f in layout.FOLDERS)
        return
    paths = Paths(name)
    config_dir = Path(paths.config_dir)
    yield config_dir
    yield config_dir.with_name(config_dir.name + ".removed")
    yield Path(paths.db_dir).parent
    for folder in (paths.db_home_dir, paths.log_dir, paths.lock_dir,
                   paths.inst_dir, paths.ldapi, paths.pid_file):  # fmt: skip
        yield Path(folder)
    yield Path(paths.tmpfiles_d, f"dirsrv-{name}.conf")
    yield Path(paths.initconfig_dir, f"dirsrv-{name}")


def _remove_what_instances_share() -> None:
    """Remove the small CA and the common folders after the last instance."""
    paths = Paths()
    common = Path(paths.sysconf_dir, "dirsrv")
    if not any(common.glob("slapd-*")):
        shutil.rmtree(common / "ssca", ignore_errors=True)
    lock_dir = Path(paths.lock_dir).parent
    for folder in (Path(paths.run_dir), lock_dir):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _config_dir(settings: Settings) -> Path:
    if settings.prefix is not None:
        # needs no defaults.inf, which a removed prefix has no longer
        return settings.prefix / f"etc/dirsrv/slapd-{settings.instance}"
    return Path(Paths(settings.instance).config_dir)


def _semaphores(name: str) -> list[Path]:
    return list(Path("/dev/shm").glob(f"sem.slapd-{name}.*"))  # noqa: S108


@contextmanager
def _template(settings: Settings) -> Iterator[Path]:
    """Yield a data_dir whose template listens where we want.

    dscreate starts the server on all interfaces otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder, TEMPLATE)
        ours.parent.mkdir(parents=True)
        text = Path(_distribution_data_dir(), TEMPLATE).read_text()
        port = "nsslapd-port: %ds_port%\n"
        if port not in text:
            raise Refused(f"this version's {TEMPLATE} is not understood")
        ours.write_text(text.replace(port, (
            f"{port}nsslapd-listenhost: {settings.listen}\n"
            f"nsslapd-securelistenhost: {settings.listen}\n"
        )))  # fmt: skip
        yield Path(folder)


def _distribution_data_dir() -> str:
    return str(Paths().data_dir)
