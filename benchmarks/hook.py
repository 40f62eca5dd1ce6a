# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the notification driver costs the Nova process that calls it."""

import copy
import logging
import os
import pathlib
import tempfile
import time
import uuid
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from benchmarks import figures
from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.sources import notification_driver
from tests import recordings


def run(arguments: Namespace) -> None:
    """Time notify() of real notifications, and a bare synced write."""
    # On the disk that holds the checkout: a tmpfs would flatter us.
    with tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder:
        driver = _driver(pathlib.Path(folder))
        count = arguments.events
        synced = _synced_write(pathlib.Path(folder) / "bare")
        ours, bare, ignored = [], [], []
        ctxt, boot = recordings.create_end()
        _, update = recordings.notification("boot_delete", "instance.update")
        for _ in range(count):
            message = copy.deepcopy(boot)
            message["message_id"] = str(uuid.uuid4())
            ours.append(_timed(driver.notify, ctxt, message, "INFO", -1))
            ignored.append(_timed(driver.notify, ctxt, update, "INFO", -1))
            bare.append(_timed(synced))
    print(f"notify(), an event stored:    {figures.spread(ours)}")
    print(f"write + fdatasync of 2 KiB:   {figures.spread(bare)}")
    print(f"notify(), none of ours:       {figures.spread(ignored)}")
    print(f"{count} calls each, in turn; memory {figures.peak_memory()}")


def _driver(folder: pathlib.Path) -> notification_driver.OutboxDriver:
    logging.getLogger("nova_dirsvc_plugin").setLevel(logging.WARNING)
    conf = cfg.ConfigOpts()
    conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
    conf([], default_config_files=[])
    conf.set_override("outbox", str(folder / "outbox.db"), options.GROUP)
    return notification_driver.OutboxDriver(conf, [], None)


def _synced_write(path: pathlib.Path) -> Callable[[], None]:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    block = b"x" * 2048

    def write() -> None:
        os.write(descriptor, block)
        os.fdatasync(descriptor)

    return write


def _timed(call: Callable[..., Any], *arguments: Any) -> float:
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started
