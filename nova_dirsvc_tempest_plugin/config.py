# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the scenarios, in tempest.conf."""

from oslo_config import cfg

SERVICE_OPTS = [
    cfg.BoolOpt(
        "nova_dirsvc",
        default=False,
        help="Whether instances have their entries in a directory.",
    ),
]

GROUP = cfg.OptGroup(
    name="nova_dirsvc", title="Host entries of instances in a directory"
)

OPTS = [
    cfg.StrOpt(
        "directory",
        default="ldap",
        choices=["ldap", "rest"],
        help="""
What the directory speaks; the options that begin with this word say how to
read it.
""",
    ),
    cfg.IntOpt(
        "entry_timeout",
        default=60,
        min=1,
        help="Seconds to wait for an entry to come or to go.",
    ),
    cfg.IntOpt(
        "follow_timeout",
        default=5,
        min=1,
        help="""
Seconds in which an entry follows what Nova has done with its instance.
""",
    ),
    cfg.StrOpt(
        "soft_delete_region",
        default="",
        help="""
Region of the catalog whose Nova API has reclaim_instance_interval set, and
so deletes softly; it may be a cloud's only one. Without it the scenarios of
the soft delete are skipped.
""",
    ),
    cfg.BoolOpt(
        "remote_address",
        default=False,
        help="""
Whether Nova's API records from which address an instance is asked for (paste
filter remote_address), and users are recorded.
""",
    ),
    cfg.StrOpt(
        "compute_stop_command",
        default="",
        help="""
Command that stops nova-compute, words as in a shell; {host} is replaced by
the name of the compute host, and is needed where there is more than one.
Without it and compute_start_command the scenarios of a lost compute host are
skipped.
""",
    ),
    cfg.StrOpt(
        "compute_start_command",
        default="",
        help="Command that starts it; it may run already.",
    ),
    cfg.StrOpt(
        "directory_stop_command",
        default="",
        help="""
Command that stops the directory's server, words as in a shell. Without it
and directory_start_command the scenarios of an outage are skipped.
""",
    ),
    cfg.StrOpt(
        "directory_start_command",
        default="",
        help="Command that starts it; it may run already.",
    ),
    cfg.StrOpt(
        "daemon_stop_command",
        default="",
        help="""
Command that stops all daemons nova-dirsvc-sync, words as in a shell. Without
it, daemon_start_command, events_drop_command and reconcile_command the
scenario of lost events is skipped.
""",
    ),
    cfg.StrOpt(
        "daemon_start_command",
        default="",
        help="Command that starts them; they may run already.",
    ),
    cfg.StrOpt(
        "events_drop_command",
        default="",
        help="""
Command that drops all events that wait for the daemon, in the outbox or on the
message bus.
""",
    ),
    cfg.StrOpt(
        "reconcile_command",
        default="",
        help="""
The command "nova-dirsvc-manage reconcile", with the policy "sync"; its exit
status is read.
""",
    ),
    cfg.StrOpt(
        "ldap_url",
        default="ldap://127.0.0.1:1389",
        help="Where the directory is: ldap://, ldaps:// or ldapi://.",
    ),
    cfg.StrOpt(
        "ldap_hosts_tree_dn",
        default="ou=hosts,dc=cloud,dc=example",
        help="The DN of the container of the host entries.",
    ),
    cfg.StrOpt(
        "ldap_user",
        default="",
        help="The DN to read as. Empty: SASL EXTERNAL over ldapi://.",
    ),
    cfg.StrOpt(
        "ldap_password_file",
        default="",
        help="File with the password of ldap_user.",
    ),
    cfg.BoolOpt(
        "ldap_use_tls",
        default=True,
        help="Whether to use StartTLS on ldap://.",
    ),
    cfg.StrOpt(
        "ldap_tls_cacertfile",
        default="",
        help="The CA to trust. Empty: those that the system trusts.",
    ),
    cfg.FloatOpt(
        "ldap_timeout",
        default=10.0,
        min=0.1,
        help="Seconds to wait for a connection, and for an answer.",
    ),
    cfg.StrOpt(
        "ldap_manager_user",
        default="",
        help="""
A DN that may write any entry. With it a scenario makes an entry another
cloud's; without it that scenario is skipped.
""",
    ),
    cfg.StrOpt(
        "ldap_manager_password_file",
        default="",
        help="File with the password of ldap_manager_user.",
    ),
    cfg.StrOpt(
        "rest_url",
        default="http://127.0.0.1:8042/v1/instances",
        help="""
Where the service keeps instances: http:// or https://. A GET of this address,
a slash and the uuid answers with the document of one.
""",
    ),
    cfg.StrOpt(
        "rest_token_file",
        default="",
        help="File with the bearer token to read with. Empty: none is sent.",
    ),
    cfg.StrOpt(
        "rest_user",
        default="",
        help="""
The user to read as, where the service wants a password in place of a token.
""",
    ),
    cfg.StrOpt(
        "rest_password_file",
        default="",
        help="File with the password of rest_user.",
    ),
    cfg.StrOpt(
        "rest_cacertfile",
        default="",
        help="The CA to trust. Empty: those that the system trusts.",
    ),
    cfg.FloatOpt(
        "rest_timeout",
        default=10.0,
        min=0.1,
        help="Seconds to wait for a connection, and for an answer.",
    ),
    cfg.StrOpt(
        "rest_manager_token_file",
        default="",
        help="""
File with a bearer token that may write any entry. With it a scenario makes an
entry another cloud's; without it that scenario is skipped.
""",
    ),
]
