# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Opens a connection to an LDAP server: TLS, the bind, the time limits."""

from typing import Any

import ldap

from nova_dirsvc_plugin.directories import base, credentials
from nova_dirsvc_plugin.directories.ldap import errors, password

_CERTIFICATE_CHECKS = {
    "demand": ldap.OPT_X_TLS_DEMAND,
    "allow": ldap.OPT_X_TLS_ALLOW,
    "never": ldap.OPT_X_TLS_NEVER,
}


def connect(
    options: Any,
    url: str,
    secret: credentials.Credential | None,
    passwords: password.Passwords,
) -> Any:
    """Return a connection, bound.

    :param options: the group ``[ldap]``
    :param secret: None: the kernel names us, over ldapi://
    :param passwords: where one that is refused is noted
    :raises base.DirectoryUnavailable: the server does not accept it
    """
    connection = ldap.initialize(url)
    try:
        _set_up(connection, options)
        if options.use_tls and url.startswith("ldap://"):
            connection.start_tls_s()
        if secret is None:
            connection.sasl_non_interactive_bind_s("EXTERNAL")
        else:
            connection.simple_bind_s(options.user, secret.text)
    except ldap.INVALID_CREDENTIALS as error:
        connection.unbind_ext()
        words = errors.describe(error)
        raise passwords.refused(url, secret, words) from error
    except (ldap.LDAPError, OSError, ValueError) as error:
        connection.unbind_ext()
        raise base.DirectoryUnavailable(
            errors.advice(url, error, options.tls_cacertfile)
        ) from error
    return connection


def _set_up(connection: Any, options: Any) -> None:
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, options.connection_timeout)
    connection.set_option(ldap.OPT_TIMEOUT, options.operation_timeout)
    connection.set_option(ldap.OPT_REFERRALS, 0)
    # A peer that a firewall forgot is noticed while nothing is asked.
    connection.set_option(ldap.OPT_X_KEEPALIVE_IDLE, 60)
    connection.set_option(ldap.OPT_X_KEEPALIVE_PROBES, 3)
    connection.set_option(ldap.OPT_X_KEEPALIVE_INTERVAL, 10)
    connection.set_option(
        ldap.OPT_X_TLS_REQUIRE_CERT,
        _CERTIFICATE_CHECKS[options.tls_req_cert],
    )
    if options.tls_cacertfile:
        connection.set_option(
            ldap.OPT_X_TLS_CACERTFILE, options.tls_cacertfile
        )
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
