# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the LDAP driver, named as in Keystone where it has them."""

from oslo_config import cfg

OPTS = (
    cfg.StrOpt(
        "url",
        default="ldap://127.0.0.1:1389",
        help="""
Where the directory is: ``ldap://``, ``ldaps://`` or ``ldapi://``; several,
with commas between, are tried in that order.
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
A file that holds the password, for the daemon's eyes only. It is read at
each connection, so that a new password needs no restart.
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
StartTLS on ``ldap://``; the others need none. Without it, names and the
password cross the network as they are.
""",
    ),
    cfg.StrOpt(
        "tls_cacertfile",
        default="",
        help="The CA to trust. Empty: those that the system trusts.",
    ),
    cfg.StrOpt(
        "tls_req_cert",
        default="demand",
        choices=["allow", "demand", "never"],
        help="What to ask of the server's certificate.",
    ),
    cfg.FloatOpt(
        "connection_timeout",
        default=5.0,
        min=0.1,
        help="Seconds to wait for a connection.",
    ),
    cfg.FloatOpt(
        "operation_timeout",
        default=10.0,
        min=0.1,
        help="""
Seconds to wait for an answer. Over ``ldaps://`` libldap cannot keep to it
when the server is frozen: prefer StartTLS.
""",
    ),
)
