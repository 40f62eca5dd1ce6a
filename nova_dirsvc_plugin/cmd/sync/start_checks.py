# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the daemon can know to be wrong when it starts.

What is on this host is looked at before anything else. What another host
answers is not waited for.
"""

import functools
import logging
import pathlib
import threading
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as own_options
from nova_dirsvc_plugin.checks import (
    account,
    directory,
    finding,
    options,
    outbox_file,
    paths,
    running,
)

LOG = logging.getLogger(__name__)

#: Seconds that other hosts have to answer.
LIMIT = 10.0

_LEVELS = {
    finding.Level.ERROR: logging.ERROR,
    finding.Level.WARNING: logging.WARNING,
}


def check(conf: Any) -> list[finding.Finding]:
    """Return all that is wrong on this host.

    :param conf: what has read the options
    """
    daemon = account.current()
    found = [*options.check(conf), *paths.check(conf, daemon)]
    try:
        group = conf[own_options.GROUP]
        path, listen = pathlib.Path(group.outbox), group.listen
    except (cfg.Error, ValueError):
        # It is among what was found.
        return found
    if path.parent.exists():
        # Where it is not, it is made.
        found += outbox_file.check(path, daemon, not listen)
    return found


def log(found: Sequence[finding.Finding]) -> None:
    """Log what was found."""
    for one in found:
        if one.level in _LEVELS:
            LOG.log(_LEVELS[one.level], "%s", one)


class Reach:
    """Asks the directories, beside their delivery, and logs what is wrong."""

    def __init__(self, conf: Any, names: Sequence[str]) -> None:
        self._conf = conf
        self._names = names

    def run(self, stop: threading.Event) -> None:
        """Ask once."""
        found = running.run(
            {
                f"directory {name}": functools.partial(
                    directory.check_faults, self._conf, name
                )
                for name in self._names
            },
            LIMIT,
        )
        if not stop.is_set():
            log(found)
