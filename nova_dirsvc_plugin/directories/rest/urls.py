# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Where requests go: templates that nothing but a uuid is put into. Pure."""

import ipaddress
import re
import string
import urllib.parse
from typing import Any

from nova_dirsvc_plugin.directories import base

_FIELDS = frozenset(("url", "instance_uuid", "owner"))

_UUID = "{instance_uuid}"

_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")

#: What an address is made of (RFC 3986, 2), a fragment left out.
_FIT = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")


class Urls:
    """The addresses of one service.

    :param options: the group ``[rest]``
    :param owner: the owner mark
    :raises base.WrongOption: one of them cannot be
    """

    def __init__(self, options: Any, owner: str) -> None:
        self._insecure = options.insecure
        self._check("url", options.url)
        if urllib.parse.urlsplit(options.url).query:
            raise base.WrongOption(
                "[rest] url has a query: say register_url, unregister_url and"
                " entries_url with it instead"
            )
        self._known: dict[str, str] = {
            "url": options.url.rstrip("/"),
            "as_it_is": options.url,
            "owner": owner,
        }
        self._register = self._of_one(
            "register", options, by_uuid=options.register_method == "PUT"
        )
        self._unregister = self._of_one(
            "unregister", options, by_uuid=options.unregister_method != "POST"
        )
        self._entries = self._template("entries_url", options.entries_url)
        if _UUID in self._entries:
            raise base.WrongOption(
                f"[rest] entries_url is of all: it has no {_UUID}"
            )
        if options.auth == "oauth2":
            self._check("oauth2_token_url", options.oauth2_token_url)

    def _of_one(self, verb: str, options: Any, by_uuid: bool) -> str:
        """Give the template of where one is registered or unregistered."""
        option = f"{verb}_url"
        template: str = getattr(options, option)
        if template:
            template = self._template(option, template)
        elif by_uuid:
            template = f"{{url}}/{_UUID}"
        elif verb == "register":
            template = "{as_it_is}"
        else:
            raise base.WrongOption(
                "[rest] unregister_method = POST needs unregister_url"
            )
        if by_uuid and _UUID not in template:
            method = getattr(options, f"{verb}_method")
            raise base.WrongOption(
                f"[rest] {option} has no {_UUID}: a {method} of what?"
            )
        return template

    def register(self, instance_uuid: str) -> str:
        return self._filled(self._register, instance_uuid)

    def unregister(self, instance_uuid: str) -> str:
        return self._filled(self._unregister, instance_uuid)

    @property
    def entries(self) -> str:
        """Where all of them are; empty when they are nowhere."""
        if self._entries == "{url}":
            return self._known["as_it_is"]
        return self._filled(self._entries, "")

    def _filled(self, template: str, instance_uuid: str) -> str:
        return template.format(**self._known, instance_uuid=instance_uuid)

    def _template(self, option: str, template: str) -> str:
        try:
            fields = [
                (name, conversion or form)
                for _, name, form, conversion in string.Formatter().parse(
                    template
                )
                if name is not None
            ]
        except ValueError as error:
            raise base.WrongOption(
                f"[rest] {option} {template!r}: {error}"
            ) from error
        for name, more in fields:
            if name not in _FIELDS or more:
                raise base.WrongOption(
                    f"[rest] {option} {template!r} has {{{name}}}; there are"
                    " {url}, {instance_uuid} and {owner}"
                )
        if template:
            self._check(option, self._filled(template, "0"))
        return template

    def _check(self, option: str, url: str) -> None:
        """Refuse what is no address, or sends secrets about.

        :raises base.WrongOption: it is
        """
        try:
            parts = urllib.parse.urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError as error:
            raise base.WrongOption(f"[rest] {option}: {error}") from error
        if parts.username or parts.password:
            # It would stand in each log line: so it does not in this one.
            raise base.WrongOption(
                f"[rest] {option} holds a user or a password: see auth"
            )
        if parts.scheme not in ("http", "https") or not _is_host(host):
            raise base.WrongOption(
                f"[rest] {option} {url!r} is not http:// or https:// and a"
                " host"
            )
        if not _FIT.fullmatch(url):
            raise base.WrongOption(
                f"[rest] {option} {url!r} has a fragment, or what no address"
                " has"
            )
        if parts.scheme == "http" and not (
            self._insecure or is_this_host(host)
        ):
            raise base.WrongOption(
                f"[rest] {option} {url!r} is not https://: names and secrets"
                " would cross the network as they are. If that may be:"
                " insecure = true"
            )


def is_this_host(host: str) -> bool:
    """Tell whether what is sent there never leaves this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    if ":" in host:
        return _is_address(host)
    return _NAME.fullmatch(host) is not None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
