# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The URLs of a REST service: templates of the operator's, filled in."""

import ipaddress
import re
import urllib.parse
from typing import Any

from oslo_config import types

from nova_dirsvc_plugin.directories import base

_UUID = "{instance_uuid}"

_URI = types.URI(schemes=("http", "https"))
_HOST_NAME = types.HostDomain()

_USERINFO = re.compile(r"[^/?#]*//[^/?#]*@")

#: The characters of a URL without a fragment (RFC 3986, 2); types.URI does
#: not check them. Braces are not among them, so that an unknown field of a
#: template is refused.
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")


class Urls:
    """The URLs of one service.

    :param options: the group ``[rest]``
    :param owner: the owner mark
    :ivar entries: URL of the list of entries; empty if there is none
    :raises base.WrongOption: one of them is not valid
    """

    def __init__(self, options: Any, owner: str) -> None:
        self._insecure = options.insecure
        self._check("url", options.url)
        if "?" in options.url:
            raise base.WrongOption(
                "[rest] url must not contain a query; set register_url,"
                " unregister_url and entries_url with the query instead"
            )
        self._url: str = options.url
        self._owner = owner
        self._register = self._template_of(
            "register", options, by_uuid=options.register_method == "PUT"
        )
        self._unregister = self._template_of(
            "unregister", options, by_uuid=options.unregister_method != "POST"
        )
        self.entries: str = options.entries_url
        if self.entries == "{url}":
            self.entries = self._url
        elif self.entries:
            self.entries = self._filled("entries_url", self.entries)
        if _UUID in self.entries:
            raise base.WrongOption(
                f"[rest] entries_url must not contain {_UUID}: it is the URL"
                " of all entries"
            )
        if options.auth == "oauth2":
            self._check("oauth2_token_url", options.oauth2_token_url)

    def register(self, instance_uuid: str) -> str:
        return self._register.replace(_UUID, instance_uuid)

    def unregister(self, instance_uuid: str) -> str:
        return self._unregister.replace(_UUID, instance_uuid)

    def entry(self, instance_uuid: str) -> str:
        """Return where the service gives one document, if it does."""
        return f"{self._url.rstrip('/')}/{instance_uuid}"

    def _template_of(self, verb: str, options: Any, by_uuid: bool) -> str:
        """Return the URL of a verb, in which the uuid is to be filled in."""
        option = f"{verb}_url"
        template: str = getattr(options, option)
        if not template and by_uuid:
            template = f"{{url}}/{_UUID}"
        elif not template and verb == "register":
            return self._url
        elif not template:
            raise base.WrongOption(
                "[rest] unregister_method = POST needs unregister_url"
            )
        elif by_uuid and _UUID not in template:
            method = getattr(options, f"{verb}_method")
            raise base.WrongOption(
                f"[rest] {option} must contain {_UUID} when the method is"
                f" {method}"
            )
        return self._filled(option, template)

    def _filled(self, option: str, template: str) -> str:
        """Fill in all but the uuid.

        :raises base.WrongOption: that makes no valid URL
        """
        template = template.replace("{url}", self._url.rstrip("/"))
        template = template.replace("{owner}", self._owner)
        self._check(option, template.replace(_UUID, "0"))
        return template

    def _check(self, option: str, url: str) -> None:
        """:raises base.WrongOption: it is no URL, or not safe"""
        if _USERINFO.match(url):
            # The log would have it in each line: so this one does not.
            raise base.WrongOption(
                f"[rest] {option} must not contain a user or a password; set"
                " auth"
            )
        try:
            parts = urllib.parse.urlsplit(_URI(url))
            host, _ = parts.hostname or "", parts.port
            if ":" not in host:
                _HOST_NAME(host)
        except ValueError as error:
            raise base.WrongOption(
                f"[rest] {option} {url!r} must be an http:// or https:// URL"
                " with a valid host and port"
            ) from error
        if not _CHARACTERS.fullmatch(url):
            raise base.WrongOption(
                f"[rest] {option} {url!r} contains a fragment or a character"
                " that is not allowed in a URL; the fields of a template are"
                f" {{url}}, {_UUID} and {{owner}}"
            )
        if parts.scheme == "http" and not (
            self._insecure or is_this_host(host)
        ):
            raise base.WrongOption(
                f"[rest] {option} {url!r} must be https://: host names and"
                " credentials would cross the network in clear text; to"
                " permit that, set insecure = true"
            )


def is_this_host(host: str) -> bool:
    """Return whether a request to a host never leaves this one."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
