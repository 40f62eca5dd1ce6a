# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The notification driver in a process that eventlet has patched."""

import json
import subprocess
import sys

from nova_dirsvc_plugin import outbox
from tests import outboxes, waiting
from tests.unit import base

#: Takes events in many greenlets. Prints what touched a file on the hub, how
#: long a call took, how often it was written, and how many events were
#: reported as stored without a switch in between. While the disk "hangs",
#: every use of the file takes that many seconds.
PROCESS = """
import eventlet

eventlet.monkey_patch()

import json
import logging
import os
import sys
import time

import greenlet

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.sources import buffered_writer
from tests.unit import base

logging.basicConfig(stream=sys.stderr, format="%(message)s", level=20)
path, slow, fork = sys.argv[1], float(sys.argv[2]), sys.argv[3]
box = outbox.Outbox(path, buffered_writer.BUSY_TIMEOUT, prompt=True)
writer = buffered_writer.BufferedWriter(box)
native = eventlet.patcher.original("time")
get_ident = eventlet.patcher.original("threading").get_ident
put_all, writes, in_hub = box.put_all, [], []
folder = os.path.dirname(path)


def audit(name, arguments):
    if name.startswith(("open", "os.", "sqlite3.")):
        if get_ident() == ident and folder in str(arguments):
            in_hub.append(name)


def watched(items):
    writes.append(len(items))
    if get_ident() == ident:
        in_hub.append("put_all")
    native.sleep(slow)
    return put_all(items)


ident = get_ident()
box.put_all = watched
calls, lines = [], [0]


class Lines(logging.Handler):
    def emit(self, record):
        if get_ident() != ident:
            in_hub.append(f"log in a thread: {record.getMessage()}")
        lines[-1] += record.getMessage().endswith(": stored")


logging.getLogger().addHandler(Lines())


def switched(event, greenlets):
    if lines[-1]:
        lines.append(0)


def take():
    event, started = base.event(), time.monotonic()
    try:
        with eventlet.Timeout(0.1):
            writer.take(event)
    except eventlet.Timeout:
        pass
    calls.append(time.monotonic() - started)


box.prepare()
sys.addaudithook(audit)
greenlet.settrace(switched)
print("ready", flush=True)
sys.stdin.readline()
pool = eventlet.GreenPool(200)
for _ in range(200):
    pool.spawn(take)
eventlet.sleep(0.1)
if fork:
    child = os.fork()
    if not child:
        # As oslo.service does: not to share the parent's epoll.
        eventlet.hubs.use_hub()
        writer.take(base.event())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
pool.waitall()
while writer.held:
    eventlet.sleep(0.01)
seen = [max(calls), len(writes), max(lines)]
print(json.dumps([in_hub, *seen]))
"""

#: Takes an event when no file can be opened, and prints whether it is held.
WITHOUT_FILES = """
import eventlet

eventlet.monkey_patch()

import os
import resource
import sys

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.sources import buffered_writer
from tests.unit import base

box = outbox.Outbox(sys.argv[1], buffered_writer.BUSY_TIMEOUT, prompt=True)
writer = buffered_writer.BufferedWriter(box)
writer.take(base.event())
(_, most) = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
files = []
try:
    while True:
        files.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    writer.take(base.event())
print(writer.held)
for file in files:
    os.close(file)
while writer.held:
    eventlet.sleep(0.01)
"""


class EventletTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        outbox.Outbox(self.path).put(base.event())

    def start(self, slow=0.0, fork="", removed=""):
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(self.path), str(slow), fork],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual("ready\n", process.stdout.readline())
        if removed:
            self.path.with_name(self.path.name + removed).unlink()
        process.stdin.write("go\n")
        process.stdin.flush()
        return process

    def end(self, process):
        said, errors = process.communicate(timeout=waiting.LIMIT)
        self.assertEqual(0, process.returncode, errors)
        in_hub, *seen = json.loads(said)
        self.assertEqual([], in_hub)
        return seen

    def stored(self):
        return len(outboxes.run_sql(self.path, "SELECT * FROM entry"))

    def test_no_greenlet_waits_for_another_process_but_those_that_store(self):
        with outboxes.locked(self.path):
            process = self.start()
            waiting.until(
                lambda: list(self.folder.glob("*.unstored-*")), "the report"
            )
        _, _, lines = self.end(process)
        self.assertLessEqual(lines, 40)
        self.assertEqual(201, self.stored())

    def test_no_greenlet_waits_for_an_outbox_that_is_taken_over(self):
        holder = outbox.Outbox(self.path)
        self.addCleanup(holder.close)
        holder.put_all(base.event() for _ in range(1500))
        process = self.start(removed="-wal")
        _, _, lines = self.end(process)
        self.assertLessEqual(lines, 40)
        self.assertEqual(1701, self.stored())

    def test_no_greenlet_waits_for_a_slow_disk_but_those_that_store(self):
        longest, writes, _ = self.end(self.start(slow=2.0))
        # One of them stores, its time-out comes when that is done.
        self.assertGreater(longest, 1.9)
        self.assertLess(writes, 5)
        self.assertEqual(201, self.stored())

    def test_a_fork_waits_for_what_is_under_way_and_the_child_stores(self):
        self.end(self.start(slow=0.5, fork="fork"))
        self.assertEqual(202, self.stored())

    def test_what_comes_when_no_file_can_be_opened_is_held(self):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_FILES, str(self.path)],
            capture_output=True,
            text=True,
            timeout=waiting.LIMIT,
        )
        self.assertEqual((0, "1\n"), (done.returncode, done.stdout), done)
        self.assertEqual(3, self.stored())
