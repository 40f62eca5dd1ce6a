# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Where requests go: templates that nothing but a uuid is put into. Pure."""

import ipaddress
import string
import urllib.parse
from typing import Any

from nova_dirsvc_plugin.directories import base

_FIELDS = frozenset(("url", "instance_uuid", "owner"))


class Urls:
    """The addresses of one service.

    :param options: the group ``[rest]``
    :param owner: the owner mark
    :raises base.WrongOption: one of them cannot be
    """

    def __init__(self, options: Any, owner: str) -> None:
        self._insecure = options.insecure
        self._known = {"url": options.url.rstrip("/"), "owner": owner}
        self._check("url", options.url)
        if urllib.parse.urlsplit(options.url).query:
            raise base.WrongOption(
                "[rest] url has a query: say register_url, unregister_url and"
                " entries_url with it instead"
            )
        one = "{url}/{instance_uuid}"
        by_put = options.register_method == "PUT"
        by_post = options.unregister_method == "POST"
        if by_post and not options.unregister_url:
            raise base.WrongOption(
                "[rest] unregister_method = POST needs unregister_url"
            )
        self._register = self._template(
            "register_url",
            options.register_url or (one if by_put else "{url}"),
        )
        self._unregister = self._template(
            "unregister_url", options.unregister_url or one
        )
        if not by_post and "{instance_uuid}" not in self._unregister:
            raise base.WrongOption(
                "[rest] unregister_url has no {instance_uuid}: a DELETE of"
                " what?"
            )
        self._entries = self._template("entries_url", options.entries_url)
        if "{instance_uuid}" in self._entries:
            raise base.WrongOption(
                "[rest] entries_url is of all: it has no {instance_uuid}"
            )
        if options.auth == "oauth2":
            self._check("oauth2_token_url", options.oauth2_token_url)

    def register(self, instance_uuid: str) -> str:
        return self._filled(self._register, instance_uuid)

    def unregister(self, instance_uuid: str) -> str:
        return self._filled(self._unregister, instance_uuid)

    @property
    def entries(self) -> str:
        """Where all of them are; empty when they are nowhere."""
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
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise base.WrongOption(f"[rest] {option}: {error}") from error
        if parts.username or parts.password:
            # It would stand in each log line: so it does not in this one.
            raise base.WrongOption(
                f"[rest] {option} holds a user or a password: see auth"
            )
        if parts.scheme not in ("http", "https") or not host:
            raise base.WrongOption(
                f"[rest] {option} {url!r} is not http:// or https:// and a"
                " host"
            )
        if parts.fragment or not url.isascii() or not url.isprintable():
            raise base.WrongOption(
                f"[rest] {option} {url!r} has a fragment, or what no address"
                " has"
            )
        if parts.scheme == "http" and not (
            self._insecure or _is_this_host(host)
        ):
            raise base.WrongOption(
                f"[rest] {option} {url!r} is not https://: names and secrets"
                " would cross the network as they are. If that may be:"
                " insecure = true"
            )


def _is_this_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
