# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import math
import threading
import types

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories.rest import pool
from tests import waiting
from tests.unit import base

CHANGE = events.HostState(
    events.Verb.REGISTER, events.HostRecord(instance_uuid="u")
)


class BatchTest(base.TestCase):
    def test_a_request_that_was_given_up_is_not_called_unsent(self):
        began, over = threading.Event(), threading.Event()

        def hang(connection, state):
            began.set()
            over.wait(waiting.LIMIT)
            return directories.Done()

        batch = pool.Batch([CHANGE, CHANGE], hang, math.inf)
        worker = threading.Thread(target=batch.work, args=(None,))
        worker.start()
        self.addCleanup(worker.join)
        self.addCleanup(over.set)
        self.assertTrue(began.wait(waiting.LIMIT))
        given_up, unsent = batch.outcomes()
        self.assertIn("given up", given_up.reason)
        self.assertIn("not sent", unsent.reason)


class PoolTest(base.TestCase):
    def test_other_work_is_done_while_requests_are_under_way(self):
        began, over = threading.Event(), threading.Event()

        def work(connection):
            began.set()
            return over.wait(waiting.LIMIT)

        def meanwhile():
            self.assertTrue(began.wait(waiting.LIMIT))
            over.set()

        connections = pool.Pool(types.SimpleNamespace(connections=2))
        self.addCleanup(connections.close)
        self.addCleanup(over.set)
        self.assertEqual([True] * 2, connections.run(work, 2, meanwhile))
