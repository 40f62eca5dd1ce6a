# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Who is there is counted, and nobody who has ended."""

import os
import signal

from nova_dirsvc_plugin.cmd.sync import presence
from tests import waiting
from tests.unit import base


class PresenceTest(base.TestCase):
    def child(self, places):
        """Fork a process that takes a place, and stays."""
        ready, taken = os.pipe()
        pid = os.fork()
        if not pid:
            places.enter()
            os.write(taken, b"x")
            signal.pause()
            os._exit(0)
        os.read(ready, 1)
        self.addCleanup(os.close, ready)
        self.addCleanup(os.close, taken)
        return pid

    def end(self, pid):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def test_each_process_counts_until_it_is_killed(self):
        places = presence.Presence(3)
        self.assertEqual(0, places.count())
        one, two = self.child(places), self.child(places)
        self.assertEqual(2, places.count())
        self.end(one)
        waiting.until(lambda: places.count() == 1, "one to be gone")
        three, four = self.child(places), self.child(places)
        self.assertEqual(3, places.count())
        for pid in (two, three, four):
            self.end(pid)
        waiting.until(lambda: places.count() == 0, "all to be gone")

    def test_without_places_nobody_counts(self):
        places = presence.Presence(0)
        places.enter()
        places.leave()
        self.assertEqual(0, places.count())
