# SPDX-License-Identifier: Apache-2.0
"""Deploy and remove, step by step; every step can be repeated."""

import errno
import os
import shlex
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import ldap
from lib389 import DirSrv

from dirsvc389 import caches, content, instance, layout, state, tls
from dirsvc389.settings import Refused, Settings

Progress = Callable[[str], None]
MANAGER_DN = "cn=Directory Manager"


def deploy(
    settings: Settings,
    manager_password_file: Path | None,
    service_password_file: Path | None,
    progress: Progress,
) -> None:
    """Make a server that is as the settings say, or make it so again."""
    files = state.State(settings)
    _check_machine(settings)
    layout.check(settings)
    if not instance.exists(settings):
        instance.check_name(settings)
    if files.unfinished:
        progress("removing what an interrupted deploy has left")
        instance.remove(settings)
    _check_ports(settings)
    layout.prepare(settings)
    first = not instance.exists(settings)
    if first:
        files.begin()
    manager = files.password(state.MANAGER_PASSWORD, manager_password_file)
    service = files.password(
        state.SERVICE_PASSWORD, service_password_file, settings.group
    )
    reader = files.password(state.READER_PASSWORD, None, settings.reader_group)
    if first:
        progress(f"creating the instance {settings.instance}")
        instance.create(settings, manager)
    _start(settings, progress)
    with instance.connected(settings) as server:
        files.write_ca(tls.ca_certificate(server))
        if files.unfinished:  # later it is the operator's to open
            content.close_to_strangers(server)
        restart = _fill(server, settings, progress, manager, {
            settings.service_dn: service,
            settings.reader_dn: reader,
        })  # fmt: skip
    if restart:
        progress("restarting with the caches of another size")
        instance.stop(settings)
        instance.start(settings)
    progress("checking StartTLS and the service account")
    _check_service(settings, files, service)
    files.write_conf()
    files.finish()


def remove(settings: Settings, progress: Progress) -> None:
    layout.check_instance(settings)
    progress(f"removing the instance {settings.instance}")
    instance.remove(settings)
    state.State(settings).remove()
    layout.remove(settings)


def summary(settings: Settings) -> str:
    """Return the facts and the two commands an operator wants next."""
    files = state.State(settings)
    search = [
        "ldapsearch", "-LLL", "-x", "-ZZ", "-H", settings.url,
        "-D", settings.service_dn,
        "-y", str(files.path(state.SERVICE_PASSWORD)),
        "-b", settings.hosts_tree_dn, "(objectClass=novaInstance)",
    ]  # fmt: skip
    ca = files.path(state.CA_CERTIFICATE)
    sync = ["nova-dirsvc-sync"]
    for conf in files.confs():
        sync += ["--config-file", str(conf)]
    return (
        f"directory        {settings.url} (StartTLS), "
        f"ldaps port {settings.secure_port}\n"
        f"hosts            {settings.hosts_tree_dn}\n"
        f"owner mark       {settings.owner}\n"
        f"service account  {settings.service_dn}\n"
        f"reader           {settings.reader_dn}\n"
        f"manager          {MANAGER_DN}\n"
        f"passwords, CA    {settings.state_dir}\n"
        "\n"
        f"LDAPTLS_CACERT={shlex.quote(str(ca))} {shlex.join(search)}\n"
        "\n"
        f"{shlex.join(sync)}"
    )


def _start(settings: Settings, progress: Progress) -> None:
    """Start the server with the right ports, addresses and certificate."""
    server = instance.allocate(settings)
    changed = instance.configure(settings)
    if not tls.is_current(server, settings.names):
        progress(f"issuing a certificate for {', '.join(settings.names)}")
        tls.issue(server, settings.names)
        changed = True
    if changed:
        instance.stop(settings)
    if not instance.is_running(settings):
        progress(f"starting on {settings.url}")
        instance.start(settings)


def _fill(
    server: DirSrv,
    settings: Settings,
    progress: Progress,
    manager_password: str,
    passwords: dict[str, str],
) -> bool:
    """Say whether the server must be started again."""
    backend = content.check_suffix(server, settings)
    content.set_manager_password(server, MANAGER_DN, manager_password)
    progress("adding the schema")
    content.add_schema(server)
    progress("adding ou=hosts, ou=services and the accounts")
    content.add_entries(server, settings, passwords)
    progress("setting access rights")
    content.set_access(server, settings)
    progress("setting the indexes and the caches")
    content.set_indexes(backend, settings.substring_indexes)
    return caches.resize(server, backend, settings.cached_hosts)


def _check_machine(settings: Settings) -> None:
    """:raises Refused: when this machine or account cannot run the server"""
    if shutil.which("ns-slapd", path="/usr/sbin:/usr/local/sbin") is None:
        raise Refused("ns-slapd is missing: install the package 389-ds-base")
    if settings.prefix is None and os.geteuid() != 0:
        raise Refused(
            "only root may deploy with systemd: use sudo, or --prefix DIR "
            "for a server of your own"
        )


def _check_ports(settings: Settings) -> None:
    """:raises Refused: when somebody else listens on a port of ours"""
    if instance.is_running(settings):
        return
    for option, port in (
        ("--port", settings.port),
        ("--secure-port", settings.secure_port),
    ):
        found = socket.getaddrinfo(
            settings.listen, port, type=socket.SOCK_STREAM
        )
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise Refused(_port_message(option, port, error)) from error


def _port_message(option: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: choose another {option}"
    return f"port {port} cannot be used ({error.strerror}): change {option}"


def _check_service(
    settings: Settings, files: state.State, password: str
) -> None:
    """Read ou=hosts as the daemon will, by verified StartTLS."""
    connection = ldap.initialize(settings.url)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.set_option(ldap.OPT_TIMEOUT, 10)
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(
        ldap.OPT_X_TLS_CACERTFILE, str(files.path(state.CA_CERTIFICATE))
    )
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    try:
        connection.start_tls_s()
        connection.simple_bind_s(settings.service_dn, password)
        connection.search_s(settings.hosts_tree_dn, ldap.SCOPE_BASE)
    finally:
        connection.unbind_s()
