# SPDX-License-Identifier: Apache-2.0
"""What a running server is given over LDAP: schema, entries, indexes."""

from collections.abc import Collection
from pathlib import Path

import ldap
import ldap.schema
import ldapurl
import ldif
from lib389 import DirSrv
from lib389._mapped_object import DSLdapObject, DSLdapObjects
from lib389.backend import Backend, Backends
from lib389.config import Config
from lib389.idm.organizationalunit import OrganizationalUnits
from lib389.idm.services import ServiceAccounts
from lib389.schema import Schema

from dirsvc389 import access
from dirsvc389.settings import Refused, Settings

SCHEMA_FILE = Path(__file__).parent.parent / "schema.ldif"
INDEXES = {
    "novaInstanceUuid": ["eq"],
    "novaProjectId": ["eq"],
    "novaOwnerMark": ["eq"],
    "novaDisplayName": ["eq"],
    "ipHostNumber": ["eq"],
    "macAddress": ["eq"],
    "cn": ["pres", "eq"],
}
# An index of substrings gets a key for each three characters of a value.
SUBSTRINGS = "sub"
# The RootDSE says what the server can; everything else needs a name, and a
# password is taken on an encrypted connection or the local socket only.
CLOSED = {
    "nsslapd-allow-anonymous-access": "rootdse",
    "nsslapd-require-secure-binds": "on",
}
# Our driver reads all entries at once, whatever the server's default is.
UNLIMITED = {"nsSizeLimit": "-1", "nsLookThroughLimit": "-1"}


def check_suffix(server: DirSrv, settings: Settings) -> Backend:
    """:raises Refused: when the instance serves another suffix"""
    for backend in Backends(server).list():
        if backend.get_suffix().lower() == settings.suffix.lower():
            return backend
    raise Refused(
        f"the instance {settings.instance} exists and does not serve "
        f"{settings.suffix}: give its own --suffix, or remove it first"
    )


def close_to_strangers(server: DirSrv) -> None:
    config = Config(server)
    for name, value in CLOSED.items():
        config.set(name, value)


def add_schema(server: DirSrv) -> None:
    """Add what is missing, attributes before the class that names them."""
    with SCHEMA_FILE.open("rb") as file:
        reader = ldif.LDIFRecordList(file)
        reader.parse()
    [(_, definitions)] = reader.all_records
    schema = Schema(server)
    for kind in ("attributeTypes", "objectClasses"):
        present = {_oid(text) for text in schema.get_attr_vals_utf8(kind)}
        for definition in definitions[kind]:
            if _oid(definition.decode()) not in present:
                schema.add(kind, definition)


def add_entries(
    server: DirSrv, settings: Settings, passwords: dict[str, str]
) -> None:
    """Add ou=hosts, ou=services and the accounts.

    :param passwords: password of each account, by DN
    """
    units = OrganizationalUnits(server, settings.suffix)
    _ensure(units, {"ou": "hosts"})
    _ensure(units, {"ou": "services"})
    accounts = ServiceAccounts(server, settings.suffix, rdn="ou=services")
    for dn, password in passwords.items():
        name = ldap.dn.explode_dn(dn, notypes=True)[0]
        account = _ensure(accounts, {"cn": name, **UNLIMITED})
        if not can_bind(server, dn, password):
            account.replace("userPassword", password)


def set_manager_password(
    server: DirSrv, manager_dn: str, password: str
) -> None:
    if not can_bind(server, manager_dn, password):
        Config(server).set("nsslapd-rootpw", password)


def set_access(server: DirSrv, settings: Settings) -> None:
    """Bring our own instructions up to date and leave the operator's."""
    hosts = OrganizationalUnits(server, settings.suffix).get("hosts")
    added, outdated = access.changes(
        hosts.get_attr_vals_utf8("aci"), access.rules(settings)
    )
    mods = [(ldap.MOD_ADD, "aci", rule) for rule in added]
    mods += [(ldap.MOD_DELETE, "aci", rule) for rule in outdated]
    if mods:
        hosts.apply_mods(mods)  # all of them or none


def set_indexes(backend: Backend, substrings: Collection[str]) -> None:
    """Add indexes and build them: an index that is not built finds nothing.

    :param substrings: attributes that get an index of substrings, too; the
        others among ours lose theirs
    """
    present = {
        index.get_attr_val_utf8_l("cn"): index
        for index in backend.get_indexes().list()
    }
    changed = []
    for name, kinds in INDEXES.items():
        wanted = [*kinds, SUBSTRINGS] if name in substrings else kinds
        index = present.get(name.lower())
        if index is None:
            backend.add_index(name, wanted)
            changed.append(name)
            continue
        have = index.get_attr_vals_utf8_l("nsIndexType")
        if missing := [kind for kind in wanted if kind not in have]:
            index.add("nsIndexType", missing)
            changed.append(name)
        if SUBSTRINGS in have and SUBSTRINGS not in wanted:
            index.remove("nsIndexType", SUBSTRINGS)
    if changed:
        backend.reindex(attrs=changed, wait=True)


def can_bind(server: DirSrv, dn: str, password: str) -> bool:
    """Try a password over the local socket."""
    path = ldapurl.ldapUrlEscape(server.ldapi_socket)
    connection = ldap.initialize(f"ldapi://{path}")
    try:
        connection.simple_bind_s(dn, password)
    except (ldap.INVALID_CREDENTIALS, ldap.INAPPROPRIATE_AUTH):
        return False
    finally:
        connection.unbind_s()
    return True


def _ensure(entries: DSLdapObjects, wanted: dict[str, str]) -> DSLdapObject:
    """Return the entry, made or brought up to date.

    lib389's own ensure_state writes even when nothing differs.

    :param wanted: values by attribute; the first names the entry
    """
    name = next(iter(wanted.values()))
    try:
        entry = entries.get(name)
    except ldap.NO_SUCH_OBJECT:
        return entries.create(properties=wanted)
    for attribute, value in wanted.items():
        if entry.get_attr_val_utf8(attribute) != value:
            entry.replace(attribute, value)
    return entry


def _oid(definition: str) -> str:
    return definition.lstrip("( ").split()[0]
