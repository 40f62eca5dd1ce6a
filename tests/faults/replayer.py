# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Plays Nova's services: each a process with oslo.messaging's own Notifier.

``python -m tests.faults.replayer LINES RECORD`` reads what it has to emit,
and writes what it did emit, with the message's id and time as oslo.messaging
gave them. Its options come as JSON on standard input, and so does the
beginning, which is the same for all. A service lives until its input ends:
what its outbox does not take while the disk is full, it has in memory.
"""

import contextlib
import json
import logging
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import oslo_messaging
from oslo_config import cfg

from tests.faults import fold, lives
from tests.functional import rabbitmq

#: Seconds that a service may take to start.
START_SECONDS = 5.0

#: Seconds, once it is told to, for a service to end, which emits and stores
#: before it ends what had to wait.
END_SECONDS = 120.0


class Replayer:
    """Emits a plan through several processes.

    :ivar refused: ids of what the message bus did not take, and said so
    :param conf: the options of those services, as in a nova.conf
    """

    def __init__(
        self,
        folder: pathlib.Path,
        plan: Sequence[lives.Line],
        conf: pathlib.Path,
        topic: str,
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._settings = {"conf": str(conf), "topic": topic}
        self.refused: set[str] = set()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[float]:
        """Emit while the body runs, and wait for the end of it all.

        :returns: seconds until the plan begins
        """
        services = sorted({line.service for line in self._plan})
        begin = time.time() + START_SECONDS
        running = {name: self._start(name, begin) for name in services}
        try:
            yield START_SECONDS
            for process in running.values():
                assert process.stdin is not None
                process.stdin.close()
            end = max(time.time(), begin + self._plan[-1].at) + END_SECONDS
            for name, process in running.items():
                try:
                    status = process.wait(end - time.time())
                except subprocess.TimeoutExpired:
                    status = None
                if status != 0:
                    raise AssertionError(
                        f"{name} ended with {status}:\n{self.said()}"
                    )
        finally:
            for process in running.values():
                process.kill()
                process.wait()

    def emitted(self) -> list[fold.Emitted]:
        """Read what was emitted so far."""
        found = []
        for path in self._folder.glob("*.emitted"):
            for line in path.read_text().splitlines():
                record = json.loads(line)
                one = fold.Emitted(record["ctxt"], record["message"])
                found.append(one)
                if record["refused"]:
                    self.refused.add(one.message_id)
        return found

    def said(self) -> str:
        """Return the end of what each service has logged."""
        return "\n".join(
            f"{path.name}: {line}"
            for path in sorted(self._folder.glob("*.log"))
            for line in path.read_text().splitlines()[-5:]
        )

    def _start(self, name: str, begin: float) -> subprocess.Popen[str]:
        lines = self._file(name, "lines")
        with lines.open("w") as file:
            for line in self._plan:
                if line.service == name:
                    print(json.dumps(vars(line)), file=file)
        with self._file(name, "log").open("w") as log:
            process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "--"),
                    *(sys.executable, "-m", __spec__.name),
                    *(str(lines), str(self._file(name, "emitted"))),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
            )
        assert process.stdin is not None
        print(
            json.dumps(self._settings | {"begin": begin}),
            file=process.stdin,
            flush=True,
        )
        return process

    def _file(self, name: str, kind: str) -> pathlib.Path:
        return self._folder / f"{name}.{kind}"


class Refusals(logging.Handler):
    """Notices when oslo.messaging says that it could not send."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen = False

    def emit(self, record: logging.LogRecord) -> None:
        self.seen = self.seen or "Could not send" in record.getMessage()


def main() -> int:
    lines, record = map(pathlib.Path, sys.argv[1:])
    settings = json.loads(sys.stdin.readline())
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    refusals = Refusals()
    logging.getLogger("oslo_messaging.notify").addHandler(refusals)
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[settings["conf"]])
    notifier = oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(conf),
        topics=[settings["topic"]],
    )
    from oslo_messaging.notify import _impl_test as witness

    with lines.open() as plan, record.open("w") as told:
        for text in plan:
            line = json.loads(text)
            pause = settings["begin"] + line["at"] - time.time()
            time.sleep(max(pause, 0.0))
            refusals.seen = False
            method = getattr(
                notifier.prepare(publisher_id=line["publisher_id"]),
                line["priority"],
            )
            method(
                rabbitmq.Context(line["ctxt"]),
                line["event_type"],
                line["payload"],
            )
            [(ctxt, message, _, _)] = witness.NOTIFICATIONS
            witness.reset()
            json.dump(
                {
                    "ctxt": ctxt,
                    "message": message,
                    "refused": refusals.seen,
                },
                told,
            )
            print(file=told, flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
