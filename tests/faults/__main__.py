# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Run the fault tests: ``python -m tests.faults [NAME...]``.

FAULTS_SEED draws the same lives and faults again; FAULTS_COUNT says how many
lives (500).
"""

import signal
import sys
import unittest

from tests.faults import cloud, schedule

#: Seconds for all of it, once the pocket cloud runs: thrice what it takes a
#: machine that has nothing else to do.
LIMIT = 1800

MODULES = ("test_replayed", "test_real")


def main() -> int:
    names = sys.argv[1:] or MODULES
    print(
        f"FAULTS_SEED={schedule.seed()} FAULTS_COUNT={schedule.count()}",
        flush=True,
    )
    if any(name.startswith("test_real") for name in names):
        # A first start installs OpenStack, which takes minutes.
        cloud.Cloud()
    result = unittest.TextTestResult
    running: list[result] = []

    def kept(*arguments: object) -> result:
        running.append(result(*arguments))
        return running[0]

    def give_up(*_: object) -> None:
        running[0].stop()
        raise TimeoutError(f"the fault tests have taken {LIMIT} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LIMIT)
    suite = unittest.defaultTestLoader.loadTestsFromNames(
        [f"tests.faults.{name}" for name in names]
    )
    ended = unittest.TextTestRunner(
        sys.stdout, verbosity=2, resultclass=kept
    ).run(suite)
    return 0 if ended.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
