# SPDX-License-Identifier: Apache-2.0
"""Who may do what below ou=hosts, as 389 DS access control instructions."""

from collections.abc import Iterable

from ldap.filter import escape_filter_chars

from dirsvc389.settings import Settings

NAME = "nova-dirsvc: "
CLASSES = ("top", "device", "novaInstance", "ipHost", "ieee802Device")
# All but the RDN: a record is never renamed.
WRITABLE = (
    "objectClass", "cn", "description", "ipHostNumber", "macAddress",
    "novaProjectId", "novaProjectName", "novaUserId", "novaUserName",
    "novaUserRemoteAddress", "novaImageUuid", "novaFlavorName",
    "novaAvailabilityZone", "novaComputeHost", "novaDisplayName",
    "novaCreatedAt", "novaLaunchedAt", "novaOwnerMark",
)  # fmt: skip
# An entry may be added with any attribute that its classes or the server
# allow; these would make a host record an account or a rule.
FORBIDDEN = ("aci", "userPassword", "nsRole", "nsRoleDN")


def rules(settings: Settings) -> list[str]:
    """Return the access control instructions of ou=hosts."""
    return [
        _read("the service account reads hosts", settings.service_dn),
        _read("the reader reads hosts", settings.reader_dn),
        _change(settings),
        _add_and_delete(settings),
    ]


def is_ours(rule: str) -> bool:
    return f'acl "{NAME}' in rule


def _read(title: str, who: str) -> str:
    return (
        '(targetattr != "aci || userPassword")'
        f"{_grant(title, 'read, search, compare', who)}"
    )


def _change(settings: Settings) -> str:
    values = _and(_classes(), _owner(settings))
    return (
        f"{_records(settings)}"
        f'(targetattr = "{" || ".join(WRITABLE)}")'
        f'(targattrfilters = "add={values}, del={values}")'
        + _grant("the service account changes its own hosts", "write",
                 settings.service_dn)  # fmt: skip
    )


def _add_and_delete(settings: Settings) -> str:
    forbidden = (f"{name}:(!({name}=*))" for name in FORBIDDEN)
    values = _and(_classes(), _owner(settings))
    return (
        f"{_records(settings)}"
        f'(targattrfilters = "add={_and(values, *forbidden)}, del={values}")'
        + _grant("the service account adds and deletes its own hosts",
                 "add, delete", settings.service_dn)  # fmt: skip
    )


def _records(settings: Settings) -> str:
    owner = escape_filter_chars(settings.owner)
    return (
        f'(target = "ldap:///novaInstanceUuid=*,{settings.hosts_tree_dn}")'
        '(targetfilter = "(&(objectClass=novaInstance)'
        f'(novaOwnerMark={owner}))")'
    )


def _classes() -> str:
    allowed = "".join(f"(objectClass={name})" for name in CLASSES)
    return f"objectClass:(|{allowed})"


def _owner(settings: Settings) -> str:
    return f"novaOwnerMark:(novaOwnerMark={escape_filter_chars(settings.owner)})"


def _and(*conditions: str) -> str:
    return " && ".join(conditions)


def _grant(title: str, rights: str, who: str) -> str:
    return (
        f'(version 3.0; acl "{NAME}{title}"; '
        f'allow ({rights}) userdn = "ldap:///{who}";)'
    )


def changes(now: Iterable[str], wanted: list[str]) -> tuple[list[str], list[str]]:
    """Return the instructions to add and ours that are outdated."""
    now = list(now)
    return (
        [rule for rule in wanted if rule not in now],
        [rule for rule in now if is_ours(rule) and rule not in wanted],
    )
