# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Host entries in LDAP, in the schema of examples/389ds/schema.ldif."""

import contextlib
import dataclasses
import pathlib
import re

import ldap
import ldap.dn

from nova_dirsvc_tempest_plugin.services import host_entries

#: Attribute -> field of the host entry.
_TEXTS = {
    "novaInstanceUuid": "instance_uuid",
    "novaOwnerMark": "owner_mark",
    "cn": "host_name",
    "novaDisplayName": "display_name",
    "novaProjectId": "project_id",
    "novaProjectName": "project_name",
    "novaUserId": "user_id",
    "novaUserName": "user_name",
    "novaUserRemoteAddress": "user_remote_address",
    "novaImageUuid": "image_uuid",
    "novaFlavorName": "flavor_name",
    "novaAvailabilityZone": "availability_zone",
    "novaComputeHost": "compute_host",
}
_TIMES = {"novaCreatedAt": "created_at", "novaLaunchedAt": "launched_at"}
_SETS = {"ipHostNumber": "ip_addresses", "macAddress": "mac_addresses"}

#: What a server that is down, or on its way there, makes of a request.
_UNREACHABLE = (
    ldap.SERVER_DOWN,
    ldap.CONNECT_ERROR,
    ldap.TIMEOUT,
    ldap.UNAVAILABLE,
    ldap.BUSY,
)


MANAGER_OPTION = "ldap_manager_user"


def reader(conf):
    login = Login(conf.ldap_user, conf.ldap_password_file)
    return LdapHostEntries(conf, login)


def manager(conf):
    login = Login(conf.ldap_manager_user, conf.ldap_manager_password_file)
    return LdapAnyEntries(conf, login)


@dataclasses.dataclass(frozen=True)
class Login:
    """Who asks; no user: SASL EXTERNAL."""

    user: str
    password_file: str

    def bind(self, connection) -> None:
        if not self.user:
            connection.sasl_non_interactive_bind_s("EXTERNAL")
            return
        password = pathlib.Path(self.password_file).read_text()
        connection.simple_bind_s(self.user, password.rstrip("\n"))


class _Ldap:
    """Makes a connection for each request, as the server comes and goes."""

    def __init__(self, conf, login: Login) -> None:
        self._conf = conf
        self._login = login

    @contextlib.contextmanager
    def _connected(self):
        conf = self._conf
        connection = ldap.initialize(conf.ldap_url)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, conf.ldap_timeout)
        connection.set_option(ldap.OPT_TIMEOUT, conf.ldap_timeout)
        if conf.ldap_tls_cacertfile:
            connection.set_option(
                ldap.OPT_X_TLS_CACERTFILE, conf.ldap_tls_cacertfile
            )
        connection.set_option(
            ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND
        )
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        try:
            if conf.ldap_use_tls and conf.ldap_url.startswith("ldap://"):
                connection.start_tls_s()
            self._login.bind(connection)
            yield connection
        except _UNREACHABLE as error:
            raise host_entries.Unreachable(
                f"{conf.ldap_url}: {error!r}"
            ) from error
        finally:
            connection.unbind_ext()

    def _dn(self, instance_uuid: str) -> str:
        value = ldap.dn.escape_dn_chars(instance_uuid)
        return f"novaInstanceUuid={value},{self._conf.ldap_hosts_tree_dn}"

    def _read(self, instance_uuid: str, *names: str):
        """:returns: the entry's attributes; none: there is no entry"""
        try:
            with self._connected() as connection:
                [(_, attributes)] = connection.search_s(
                    self._dn(instance_uuid), ldap.SCOPE_BASE, attrlist=names
                )
        except ldap.NO_SUCH_OBJECT:
            return {}
        return attributes


def _iso_time(value: str) -> str:
    """Write Generalized Time, ``20261122102753Z``, as Nova writes a time."""
    return re.sub(
        r"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\dZ)$",
        r"\1-\2-\3T\4:\5:\6",
        value,
    )


class LdapHostEntries(_Ldap, host_entries.HostEntries):
    """Reads host entries from an LDAP directory."""

    def get(self, instance_uuid):
        names = (*_TEXTS, *_TIMES, *_SETS)
        found = self._read(instance_uuid, *names)
        if not found:
            return None
        values = {
            name: [value.decode() for value in found.get(name, [])]
            for name in names
        }
        return host_entries.HostEntry(
            **{
                field: ", ".join(values[name])
                for name, field in _TEXTS.items()
            },
            **{
                field: ", ".join(map(_iso_time, values[name]))
                for name, field in _TIMES.items()
            },
            **{
                field: frozenset(values[name]) for name, field in _SETS.items()
            },
        )


class LdapAnyEntries(_Ldap, host_entries.AnyEntries):
    """Reads and writes all of an LDAP directory."""

    def give_to(self, owner_mark, instance_uuid):
        change = (ldap.MOD_REPLACE, "novaOwnerMark", [owner_mark.encode()])
        with self._connected() as connection:
            connection.modify_s(self._dn(instance_uuid), [change])

    def everything(self, instance_uuid):
        found = self._read(instance_uuid, "*", "+")
        if found and "modifyTimestamp" not in found:
            # Then the same again would go unnoticed.
            raise LookupError("no modifyTimestamp: may it be read?")
        return found or None

    def remove(self, instance_uuid):
        with (
            contextlib.suppress(ldap.NO_SUCH_OBJECT),
            self._connected() as connection,
        ):
            connection.delete_s(self._dn(instance_uuid))
