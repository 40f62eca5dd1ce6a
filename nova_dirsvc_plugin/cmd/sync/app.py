# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``nova-dirsvc-sync``: the daemon between Nova and the directories."""

import sys
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
from oslo_reports import guru_meditation_report
from oslo_reports import opts as reports

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox, untrusted_text, version
from nova_dirsvc_plugin.cmd import log_format
from nova_dirsvc_plugin.cmd.sync import (
    delivery_service,
    reconcile_service,
    start_checks,
)
from nova_dirsvc_plugin.directories import base, loading
from nova_dirsvc_plugin.nova_api import client
from nova_dirsvc_plugin.outbox import lock
from nova_dirsvc_plugin.sources import listener

EXIT_WRONG_OPTIONS = 2
EXIT_NOT_POSSIBLE = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP reads mutable options again.

    :returns: the exit status: 0, 2 for wrong options, 1 when another
        process delivers already or the outbox cannot be used
    """
    conf = cfg.ConfigOpts()
    try:
        _configure(conf, sys.argv[1:] if argv is None else argv)
        found = start_checks.check(conf)
        if fatal := [str(one) for one in found if one.fatal]:
            return _complain(EXIT_WRONG_OPTIONS, *fatal)
        _set_up_log(conf)
        start_checks.log(found)
        directories = _load(conf)
        nova = client.from_conf(conf)
        bus = listener.Bus(conf) if conf[options.GROUP].listen else None
        threads = dict(reconcile_service.threads(conf, nova))
        threads["check"] = start_checks.Reach(conf, list(directories)).run
    except (
        cfg.Error,
        ValueError,
        base.WrongOption,
        loading.DirectoryNotLoaded,
        logging.LogConfigError,
        OSError,
    ) as error:
        return _complain(EXIT_WRONG_OPTIONS, error)
    path = conf[options.GROUP].outbox
    try:
        locks = {name: lock.DirectoryLock(path, name) for name in directories}
        for held in locks.values():
            held.acquire()
        # Not before: this brings an outbox of an older release up to date,
        # and a daemon of that release may still use it.
        outbox.Outbox(path).check_writable()
    except (outbox.OutboxError, lock.AlreadyLocked) as error:
        return _complain(EXIT_NOT_POSSIBLE, error)
    delivery_service.run(conf, directories, bus, nova, locks, threads)
    return 0


def _configure(conf: Any, argv: Sequence[str]) -> None:
    logging.register_options(conf)
    reports.set_defaults(conf)
    conf.register_opts(options.DAEMON_OPTS, group=options.GROUP)
    conf(
        list(argv),
        project="nova-dirsvc",
        prog="nova-dirsvc-sync",
        version=f"nova-dirsvc-sync {version.release()}",
    )


def _set_up_log(conf: Any) -> None:
    logging.setup(conf, "nova_dirsvc")
    log_format.use()
    # SIGUSR2, to each process: threads and options, without secrets.
    guru_meditation_report.TextGuruMeditation.setup_autorun(
        _Version(), conf=conf
    )


class _Version:
    """What a Guru Meditation Report says of the program."""

    def vendor_string(self) -> str:
        return "OpenStack"

    def product_string(self) -> str:
        return version.PRODUCT

    def version_string_with_package(self) -> str:
        return version.release()


def _load(conf: Any) -> dict[str, base.Directory]:
    group = conf[options.GROUP]
    return {
        name: loading.load(conf, name, group.owner)
        for name in group.directories
    }


def _complain(status: int, *errors: Exception | str) -> int:
    for error in errors:
        reason = untrusted_text.on_one_line(error)
        print(f"nova-dirsvc-sync: {reason}", file=sys.stderr)  # noqa: T201
    return status
