# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The operator's tool within a test, on an outbox of the test's own."""

import io
import json
import logging

import fixtures

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.cmd.manage import app
from tests import outboxes
from tests.unit import base

A = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
B = "0c0fd2e7-2b1b-4d20-93f0-1a1d51c01c8e"


class Terminal(io.StringIO):
    """What an operator types."""

    def isatty(self):
        return True


class ManageTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1795343280.25
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path, clock=lambda: self.now)
        self.addCleanup(self.outbox.close)
        # The program sets up the log of its process.
        package = logging.getLogger("nova_dirsvc_plugin")
        self.addCleanup(package.setLevel, package.level)
        root = logging.getLogger()
        self.addCleanup(setattr, root, "handlers", list(root.handlers))

    def put(self, *items):
        """Store; give the numbers."""
        numbers = [self.outbox.put(item) for item in items]
        self.now += 1
        return numbers

    def settle(self, state=outbox.State.DELIVERED, directory="log", **fields):
        """Settle all that a directory may have now."""
        outboxes.settle(self.outbox, directory, state, **fields)
        self.now += 1

    def bury(self, *items, directory="log", reason="no such attribute"):
        """Store, and have a directory refuse it for good."""
        numbers = self.put(*items)
        self.settle(
            outbox.State.BURIED,
            directory,
            reason=reason,
            attempts=5,
            deferrals=5,
        )
        return numbers

    def defer(self, *items, until=None):
        """Store, and have the directory ``log`` put it off."""
        numbers = self.put(*items)
        self.settle(
            outbox.State.DEFERRED,
            reason="busy",
            attempts=1,
            deferrals=2,
            not_before=self.now + 60 if until is None else until,
        )
        return numbers

    def park(self, notification, instance_uuid="", reason="malformed"):
        """Park a notification; give its number."""
        (number,) = self.put(
            events.Parked(notification, instance_uuid, reason)
        )
        return number

    def manage(self, *arguments, typed=None, options=None):
        """Run the program; give its exit status, and what it printed.

        :param typed: what an operator types; None without a terminal
        :param options: global options, instead of the outbox's path
        """
        out, err = io.StringIO(), io.StringIO()
        stdin = io.StringIO() if typed is None else Terminal(typed)
        where = ("--outbox", str(self.path)) if options is None else options
        with (
            fixtures.MonkeyPatch("sys.stdin", stdin),
            fixtures.MonkeyPatch("sys.stdout", out),
            fixtures.MonkeyPatch("sys.stderr", err),
        ):
            try:
                status = app.main([*where, *map(str, arguments)])
            except SystemExit as ending:
                status = ending.code or 0
        self.assertNotIn("Traceback", err.getvalue())
        return status, out.getvalue(), err.getvalue()

    def told(self, *arguments, **named):
        """Run what should succeed; give its output, read as JSON."""
        status, out, err = self.manage(*arguments, "-f", "json", **named)
        self.assertEqual((0, ""), (status, err))
        return json.loads(out)

    def status(self, *arguments, **named):
        """Return what ``outbox status`` tells, however it exits."""
        _, out, err = self.manage(
            "outbox", "status", *arguments, "-f", "json", **named
        )
        self.assertEqual("", err)
        return json.loads(out)

    def listed(self, *arguments):
        """List; give each line's number, directory and state."""
        return [
            (line["Number"], line["Directory"], line["State"])
            for line in self.told("outbox", "list", *arguments)
        ]
