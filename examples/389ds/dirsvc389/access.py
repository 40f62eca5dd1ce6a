# SPDX-License-Identifier: Apache-2.0
"""Access rights below ou=hosts, as 389 DS access control instructions."""

from collections.abc import Iterable

from dirsvc389.settings import Settings

NAME = "nova-dirsvc: "
CLASSES = ("top", "device", "novaInstance", "ipHost", "ieee802Device")
# All but the RDN: a record is never renamed.
WRITABLE = (
    "objectClass", "cn", "description", "ipHostNumber", "macAddress",
    "novaProjectId", "novaProjectName", "novaUserId", "novaUserName",
    "novaUserRemoteAddress", "novaImageUuid", "novaFlavorName",
    "novaAvailabilityZone", "novaComputeHost", "novaDisplayName",
    "novaCreatedAt", "novaLaunchedAt", "novaOwnerMark", "novaAsOf",
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
        _add(settings),
        _add_below_a_host(settings),
        _delete(settings),
    ]


def is_ours(rule: str) -> bool:
    return f'acl "{NAME}' in rule


def changes(
    now: Iterable[str], wanted: list[str]
) -> tuple[list[str], list[str]]:
    """Return the instructions to add and ours that are outdated."""
    now = list(now)
    return (
        [rule for rule in wanted if rule not in now],
        [rule for rule in now if is_ours(rule) and rule not in wanted],
    )


def _read(title: str, who: str) -> str:
    return (
        '(targetattr != "aci || userPassword")'
        f"{_grant(title, 'read, search, compare', who)}"
    )


def _change(settings: Settings) -> str:
    values = _values(settings)
    return (
        f"{_own_records(settings)}"
        f'(targetattr = "{" || ".join(WRITABLE)}")'
        f'(targattrfilters = "add={values}, del={values}")'
        + _grant(
            "the service account changes its own hosts",
            "write",
            settings.service_dn,
        )
    )


def _delete(settings: Settings) -> str:
    return (
        f"{_own_records(settings)}"
        f'(targattrfilters = "del={_values(settings)}")'
        + _grant(
            "the service account deletes its own hosts",
            "delete",
            settings.service_dn,
        )
    )


def _add(settings: Settings) -> str:
    forbidden = [f"{name}:(!({name}=*))" for name in FORBIDDEN]
    values = " && ".join([_values(settings), *forbidden])
    return (
        f'(target = "ldap:///novaInstanceUuid=*,{settings.hosts_tree_dn}")'
        f"{_own_records(settings)}"
        f'(targattrfilters = "add={values}")'
        + _grant(
            "the service account adds its own hosts",
            "add",
            settings.service_dn,
        )
    )


def _add_below_a_host(settings: Settings) -> str:
    """The asterisk of the rule above also stands for commas; not here."""
    below = f"novaInstanceUuid=*,novaInstanceUuid=*,{settings.hosts_tree_dn}"
    return f'(target = "ldap:///{below}")' + _rule(
        "nothing is added below a host", "deny (add)", settings.service_dn
    )


def _own_records(settings: Settings) -> str:
    return (
        '(targetfilter = "(&(objectClass=novaInstance)'
        f'(novaOwnerMark={settings.owner}))")'
    )


def _values(settings: Settings) -> str:
    """Return the values of classes and owner mark that may come or go."""
    classes = "".join(f"(objectClass={name})" for name in CLASSES)
    owner = settings.owner
    return f"objectClass:(|{classes}) && novaOwnerMark:(novaOwnerMark={owner})"


def _grant(title: str, rights: str, who: str) -> str:
    return _rule(title, f"allow ({rights})", who)


def _rule(title: str, permission: str, who: str) -> str:
    return (
        f'(version 3.0; acl "{NAME}{title}"; '
        f'{permission} userdn = "ldap:///{who}";)'
    )
