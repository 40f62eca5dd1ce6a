# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the LDAP driver, named as in Keystone where it has them."""

from oslo_config import cfg

OPTS = (
    cfg.StrOpt(
        "url",
        default="ldap://127.0.0.1:1389",
        help="""
URL of the LDAP server: ``ldap://``, ``ldaps://`` or ``ldapi://``. Several
URLs, separated by commas, are tried in their order. A server that takes no
writes, or does not answer them, is left for the next one; the first is tried
again after 5 minutes.
""",
    ),
    cfg.StrOpt(
        "user",
        default="",
        help="""
The DN to bind as. Empty: SASL EXTERNAL, that is, the user id of the process
over ``ldapi://``.
""",
    ),
    cfg.StrOpt(
        "password_file",
        default="",
        help="""
File with the password; readable by the daemon only. It is read again for each
connection, so that a new password needs no restart. A password that the
server has refused is sent to no server of ``url`` for 15 minutes, or until the
file is written, so that the account is not locked.
""",
    ),
    cfg.StrOpt(
        "hosts_tree_dn",
        default="ou=hosts,dc=cloud,dc=example",
        help="The DN of the container of the host entries.",
    ),
    cfg.BoolOpt(
        "use_tls",
        default=True,
        help="""
Whether to use StartTLS on ``ldap://``. Without it, names and the password are
sent over the network in clear text.
""",
    ),
    cfg.StrOpt(
        "tls_cacertfile",
        default="",
        help="File with trusted CA certificates. Empty: those of the system.",
    ),
    cfg.StrOpt(
        "tls_req_cert",
        default="demand",
        choices=["allow", "demand", "never"],
        help="""
Whether the server's certificate is verified. ``allow`` and ``never`` accept
any certificate.
""",
    ),
    cfg.FloatOpt(
        "connection_timeout",
        default=5.0,
        min=0.1,
        help="Time limit of a connection attempt, in seconds.",
    ),
    cfg.FloatOpt(
        "operation_timeout",
        default=10.0,
        min=0.1,
        help="""
Time limit of an answer, in seconds. Over ``ldaps://`` libldap does not keep
the limit if the server is frozen, so prefer StartTLS.
""",
    ),
)
