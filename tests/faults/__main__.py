# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Run the fault tests: ``python -m tests.faults [NAME...]``.

FAULTS_SEED draws the same lives and faults again; FAULTS_COUNT says how many
lives (500).
"""

import signal
import sys
import unittest

from tests.faults import schedule

#: Seconds for all of it.
LIMIT = 600

MODULES = ("test_replayed", "test_real")


def give_up(*_: object) -> None:
    raise TimeoutError(f"the fault tests have taken {LIMIT} s")


def main() -> int:
    print(
        f"FAULTS_SEED={schedule.seed()} FAULTS_COUNT={schedule.count()}",
        flush=True,
    )
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LIMIT)
    names = sys.argv[1:] or MODULES
    suite = unittest.defaultTestLoader.loadTestsFromNames(
        [f"tests.faults.{name}" for name in names]
    )
    result = unittest.TextTestRunner(sys.stdout, verbosity=2).run(suite)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
