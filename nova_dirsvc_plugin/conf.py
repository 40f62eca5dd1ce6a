# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The options; those of a directory driver are in its own group."""

from oslo_config import cfg

GROUP = "nova_dirsvc"

#: What a source in a Nova process reads, from nova.conf.
SOURCE_OPTS = [
    cfg.StrOpt(
        "outbox",
        default="/var/lib/nova-dirsvc/outbox.db",
        help="""
The outbox: an SQLite file on a local disk. All of Nova's services on this host
and nova-dirsvc-sync must use the same file. Its folder belongs to a group of
which all their accounts are members, and has the set-group-id bit.
""",
    ),
    cfg.BoolOpt(
        "record_users",
        default=True,
        help="""
Whether user names and client addresses are recorded. When false, they are
neither stored nor written to any directory; user ids still are.
""",
    ),
]

#: What nova-dirsvc-sync reads, from its own file.
SYNC_OPTS = [
    cfg.ListOpt(
        "directories",
        default=["ldap"],
        help="""
The directory drivers to deliver to: ``ldap``, ``rest``, ``log``, ``memory``,
or any other that is installed. An outage of one directory delays no other.
""",
    ),
    cfg.StrOpt(
        "owner",
        default="nova",
        regex=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        help="""
The owner mark: a name of this cloud that is written into every entry.
Entries with another mark are never changed. Clouds that share a directory
need different marks.
""",
    ),
    cfg.IntOpt(
        "batch_size",
        default=128,
        min=1,
        max=4096,
        mutable=True,
        help="Maximum number of entries in one batch for a directory driver.",
    ),
    cfg.IntOpt(
        "max_attempts",
        default=5,
        min=1,
        mutable=True,
        help="""
Number of attempts before an entry that the directory refuses is buried.
Attempts count only if the directory takes entries of other instances
meanwhile.
""",
    ),
    cfg.FloatOpt(
        "late_after",
        default=60.0,
        min=1.0,
        mutable=True,
        help="""
Seconds after which an event is late: before a late event is delivered, Nova
is asked for the instance's current state, if ``[nova]`` has an account.
Younger events may overtake each other, so a removal is confirmed by a second
one a minute after this time, and not before six minutes. Must exceed the clock
skew between Nova's hosts.
""",
    ),
    cfg.FloatOpt(
        "outbox_poll_interval",
        default=0.5,
        min=0.02,
        max=5.0,
        mutable=True,
        help="""
Seconds between two looks into the outbox while nothing is stored. Whoever
stores an event wakes nova-dirsvc-sync at once, by a socket beside the outbox;
this is how long an event may wait if that fails, and a deferred one after its
time has come.
""",
    ),
    cfg.FloatOpt(
        "retention_days",
        default=7.0,
        # An event may be dated a day ahead, and is to be kept for longer.
        min=2.0,
        mutable=True,
        help="""
Days that a delivered entry is kept in the outbox. For this time, a register
that arrives after the unregister of its instance is recognised as late.
""",
    ),
]

#: What nova-dirsvc-sync reads to listen to the message bus, as well.
LISTENER_OPTS = [
    cfg.BoolOpt(
        "listen",
        default=False,
        help="""
Whether nova-dirsvc-sync consumes Nova's notifications from the message bus.
Its address is given as for any OpenStack service: ``transport_url`` in
``[oslo_messaging_notifications]`` or ``[DEFAULT]``. In
``[oslo_messaging_rabbit]``, ``rabbit_quorum_queue`` and
``amqp_durable_queues`` must be the same as in nova.conf.
""",
    ),
    cfg.ListOpt(
        "listener_topics",
        default=["nova_dirsvc"],
        help="""
The topics to consume. Nova must name them in ``[notifications]
versioned_notifications_topics``. No other consumer may use them, since each
notification goes to one consumer only.
""",
    ),
    cfg.StrOpt(
        "listener_exchange",
        default="nova",
        regex=r"^\S+$",
        help="The exchange that Nova publishes to: its ``control_exchange``.",
    ),
    cfg.IntOpt(
        "listener_workers",
        default=1,
        min=1,
        max=64,
        help="Number of processes that consume the topics.",
    ),
    cfg.IntOpt(
        "listener_batch_size",
        default=100,
        min=1,
        max=10_000,
        help="Maximum number of notifications in one transaction.",
    ),
    cfg.FloatOpt(
        "listener_batch_timeout",
        default=0.1,
        min=0.001,
        max=60.0,
        help="Seconds to wait for a batch to fill before it is stored.",
    ),
]

#: What nova-dirsvc-sync reads to be watched, as well.
MONITORING_OPTS = [
    cfg.HostAddressOpt(
        "monitoring_address",
        default="127.0.0.1",
        help="""
The address on which nova-dirsvc-sync shows metrics for Prometheus, its health
and a status page, over HTTP. Whoever can reach it reads names and reasons of
events without a password: use another address than one of the loopback
interface only in a network of its own, or behind a proxy that asks who comes.
""",
    ),
    cfg.PortOpt(
        "monitoring_port",
        default=13389,
        help="""
The port on ``monitoring_address``; 0: nothing is shown. Each daemon of a host
needs a port of its own.
""",
    ),
]

#: What compares all of Nova with all entries of a directory: the daemon, and
#: nova-dirsvc-manage.
RECONCILE_OPTS = [
    cfg.StrOpt(
        "reconcile_policy",
        choices=[
            ("sync", "entries are added, corrected and removed"),
            ("upsert-only", "entries are added and corrected"),
            ("create-only", "entries are added"),
        ],
        help="""
What a reconcile may do to a directory. There is no default: it must be given
here or on the command line.
""",
    ),
    cfg.IntOpt(
        "reconcile_interval",
        default=0,
        min=0,
        help="""
Seconds between two comparisons of all instances of Nova with all entries of
each directory; 0 for none. One daemon of a cloud should have it on. It needs
``reconcile_policy`` and an account in ``[nova]``.
""",
    ),
    cfg.IntOpt(
        "poll_interval",
        default=0,
        min=0,
        help="""
Seconds between two questions to Nova for the instances that have changed; 0
for none. One daemon of a cloud should have it on. It needs an account in
``[nova]``.
""",
    ),
    cfg.IntOpt(
        "guard_max_removals",
        default=20,
        min=0,
        help="""
A reconcile that would remove more entries than this number, and more than
``guard_max_removals_percent`` of a directory's entries, stops before its first
write. What was removed in the last hour counts as well.
""",
    ),
    cfg.IntOpt(
        "guard_max_removals_percent",
        default=10,
        min=0,
        max=100,
        help="See ``guard_max_removals``.",
    ),
    cfg.IntOpt(
        "guard_max_changes",
        default=50,
        min=0,
        help="""
A reconcile that would change the same attribute of more entries than this
number, and of more than ``guard_max_changes_percent`` of a directory's
entries, stops before its first write. What was changed in the last hour counts
as well.
""",
    ),
    cfg.IntOpt(
        "guard_max_changes_percent",
        default=30,
        min=0,
        max=100,
        help="See ``guard_max_changes``.",
    ),
]

#: All that nova-dirsvc-sync reads in this group.
DAEMON_OPTS = (
    *SOURCE_OPTS,
    *SYNC_OPTS,
    *LISTENER_OPTS,
    *MONITORING_OPTS,
    *RECONCILE_OPTS,
)
