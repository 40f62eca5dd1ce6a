# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Writes every configuration file of the cloud from the templates in etc/."""

import base64
import hashlib
import pathlib
import secrets
import string

from pocket.errors import PocketError

TEMPLATES = pathlib.Path(__file__).parent / "etc"

#: What doc/source/admin/users.rst tells to put into api-paste.ini.
FILTER = """
[filter:remote_address]
use = egg:nova-dirsvc-plugin#remote_address
"""

#: The ways in which Nova's notifications come to the outbox.
SOURCES = ("hook", "listener")

#: Where notifications are on the message bus, and those of the listener.
VIRTUAL_HOST = "notifications"
TOPIC = "nova_dirsvc"


def write_all(home, source, kind):
    """(Re)write <home>/etc and the openrc files.

    :param source: one of :data:`SOURCES`
    :param kind: of directory, as the daemon's driver is called
    """
    values = _values(home) | _source_values(home, source) | {"kind": kind}
    for template in sorted(TEMPLATES.glob("*.in")):
        if template.name != "openrc.in":
            home.write(home.etc / template.stem, _fill(template, values))
    paste = home.venv / "etc" / "nova" / "api-paste.ini"
    home.write(home.etc / paste.name, with_filter(paste.read_text()))
    _make_keys(home)
    for path, user, project in (
        (home.openrc, "alice", "demo"),
        (home.adminrc, "admin", "admin"),
    ):
        home.write(
            path,
            _fill(
                TEMPLATES / "openrc.in",
                {
                    **values,
                    "user": user,
                    "project": project,
                    "password": getattr(home.passwords, user),
                },
            ),
        )


def with_filter(paste):
    """Nova's own api-paste.ini, with our filter in each of its pipelines.

    :raises PocketError: it has no place for the filter
    """
    place = " keystonecontext "
    if place not in paste:
        raise PocketError(
            f"Nova's api-paste.ini has no pipeline with{place.rstrip()},"
            " which the filter remote_address comes after"
        )
    return paste.replace(place, f"{place}remote_address ") + FILTER


def keystone_url(home):
    return f"http://127.0.0.1:{home.ports.keystone}/v3"


def _fill(template, values):
    return string.Template(template.read_text()).substitute(values)


def _values(home):
    passwords = vars(home.passwords)
    login = {
        "auth_type": "password",
        "auth_url": keystone_url(home),
        "www_authenticate_uri": keystone_url(home),
        "user_domain_id": "default",
        "project_domain_id": "default",
        "project_name": "service",
        "region_name": "RegionOne",
    }
    return {
        "home": home.path,
        "venv": home.venv,
        "outbox": home.outbox,
        "keystone_url": keystone_url(home),
        "keystone_login": "\n".join(f"{k} = {v}" for k, v in login.items()),
        "database_url": f"mysql+pymysql://pocket:{passwords['database']}@localhost",
        "database_query": f"?unix_socket={home.sockets}/mariadb.sock",
        "transport_url": _transport_url(home),
        "rabbitmq_password_hash": _rabbitmq_hash(passwords["rabbitmq"]),
        **{f"{name}_password": word for name, word in passwords.items()},
        **{f"{name}_port": port for name, port in vars(home.ports).items()},
    }


def _source_values(home, source):
    # In a virtual host of their own notifications can have quorum queues
    # beside RPC's, whose exchange is not durable.
    url = f"{_transport_url(home)}{VIRTUAL_HOST}?rabbit_quorum_queue=true"
    common = {"notification_url": url}
    if source == "hook":
        return common | {
            "notification_topics": "",
            "notification_source": "driver = nova_dirsvc",
            "listen": "false",
        }
    return common | {
        "notification_topics": TOPIC,
        "notification_source": f"transport_url = {url}",
        "listen": "true",
    }


def _transport_url(home):
    return (
        f"rabbit://pocket:{home.passwords.rabbitmq}"
        f"@127.0.0.1:{home.ports.rabbitmq}/"
    )


def _make_keys(home):
    """Keystone's keys: files 0 and 1 of 32 random bytes (Fernet's form)."""
    for folder in ("fernet-keys", "credential-keys"):
        (home.etc / folder).mkdir(mode=0o700, exist_ok=True)
        for name in ("0", "1"):
            path = home.etc / folder / name
            if not path.exists():
                key = base64.urlsafe_b64encode(secrets.token_bytes(32))
                home.write(path, key.decode())


def _rabbitmq_hash(password):
    """RabbitMQ's salted hash (its manual, "Passwords", SHA-256)."""
    salt = secrets.token_bytes(4)
    hashed = hashlib.sha256(salt + password.encode()).digest()
    return base64.b64encode(salt + hashed).decode()
