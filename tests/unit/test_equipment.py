# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What other tests stand on: processes and ports."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys

import testtools

from tests import ports, processes


class ProcessesTest(testtools.TestCase):
    def start(self, program="import time; time.sleep(999)"):
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            process_group=0,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(processes.kill_group, process)
        return process

    def test_a_child_is_killed_and_has_ended_though_nobody_waited(self):
        child = self.start()
        with processes.Process(child.pid) as process:
            self.assertFalse(process.has_ended())
            processes.kill_child(os.getpid(), child.pid)
            self.assertTrue(process.has_ended())
        self.assertNotIn(child.pid, processes.children(os.getpid()))
        self.assertEqual(-signal.SIGKILL, child.wait())

    def test_a_process_of_somebody_else_is_spared(self):
        child = self.start()
        self.assertRaises(
            ProcessLookupError, processes.kill_child, 1, child.pid
        )
        self.assertIsNone(child.poll())

    def test_a_number_that_is_nobodys_is_no_process(self):
        child = self.start("")
        child.wait()
        self.assertRaises(ProcessLookupError, processes.Process, child.pid)

    def test_a_group_ends_with_all_of_it(self):
        leader = self.start(
            "import os, time\nif os.fork(): print(flush=True)\ntime.sleep(999)"
        )
        leader.stdout.readline()
        group = processes.group(leader.pid)
        self.assertEqual(2, len(group))
        processes.kill_group(leader)
        self.assertEqual([], processes.group(leader.pid))

    def test_no_thread_of_a_frozen_group_runs(self):
        child = self.start(
            "import threading\n"
            "def work():\n"
            "    while True: pass\n"
            "for _ in range(9): threading.Thread(target=work).start()\n"
            "print(flush=True)"
        )
        child.stdout.readline()
        processes.stop_group(child)
        self.assertEqual(["T"] * 10, list(processes._threads(child.pid)))


class PortsTest(testtools.TestCase):
    def test_no_two_processes_are_given_the_same_port(self):
        context = multiprocessing.get_context("spawn")
        with context.Pool(4) as pool:
            given = pool.map(give_port, range(80), chunksize=20)
            # Before the others end, and their ports are free again.
            given += [ports.free_port() for _ in range(20)]
        self.assertEqual(len(given), len(set(given)))

    def test_a_port_in_use_is_passed_over(self):
        port = ports.free_port()
        with socket.create_server(("127.0.0.1", port)):
            given = [ports.free_port() for _ in range(ports.BLOCK)]
        self.assertNotIn(port, given)


def give_port(_):
    return ports.free_port()
