# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A notification driver that writes down what Nova emits, if asked to."""

import os
import pathlib

from oslo_messaging.notify import notifier
from oslo_serialization import jsonutils


class RecordDriver(notifier.Driver):
    """Appends to ``emitted.jsonl`` in Nova's state_path, if that is there.

    A line is one write, so that the lines of several processes stay whole,
    and a process that is killed has written a line or not.
    """

    def notify(self, ctxt, message, priority, retry):
        path = pathlib.Path(self.conf.state_path, "emitted.jsonl")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return
        try:
            line = jsonutils.dumps({"ctxt": ctxt, "message": message})
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
