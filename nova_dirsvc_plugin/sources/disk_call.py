# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for the disk, in any process of Nova's.

Under eventlet, which Nova up to 33 uses by default, all requests of a
process share one thread of the operating system: a call that waits there
stops all of them. It gets a thread of its own instead, and only the request
that has made the call waits.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from nova_dirsvc_plugin.outbox import reports

_Result = TypeVar("_Result")


def run(call: Callable[[], _Result]) -> _Result:
    """Return what a call returns; let other requests run meanwhile.

    :param call: it must not log but by :func:`reports.error`: the locks of
        logging are eventlet's
    :raises OSError: there is no file descriptor or thread left for that
    """
    # Whoever uses eventlet has imported it; nobody else has to have it.
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is None or not patcher.is_monkey_patched("thread"):
        return call()
    return _run_in_thread(call, patcher)


def _run_in_thread(call: Callable[[], _Result], patcher: Any) -> _Result:
    """Run it in a thread that eventlet does not know.

    The thread is as short as the call: one that is kept would be missing in
    a child of this process.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []
    done, end = os.pipe()
    lines: list[reports.Line] = []

    def work() -> None:
        try:
            with reports.kept(lines):
                results.append(call())
        except BaseException as error:
            errors.append(error)
        finally:
            os.close(end)

    threading = patcher.original("threading")
    thread = threading.Thread(
        target=work, name="nova-dirsvc-disk", daemon=True
    )
    try:
        thread.start()
    except RuntimeError as error:
        os.close(done)
        os.close(end)
        raise OSError(str(error)) from error
    interruption = _wait(done, patcher)
    for logger, message, arguments in lines:
        logger.error(message, *arguments)
    if interruption:
        raise interruption
    for raised in errors:
        raise raised
    return results[0]


def _wait(done: int, patcher: Any) -> BaseException | None:
    """Wait until the other end of a pipe is closed.

    :returns: what was thrown into this greenlet meanwhile, if anything: a
        time-out of the request's, for one. What waits for the call must not
        go on before its end
    """
    hubs = sys.modules["eventlet.hubs"]
    # Whoever waits for a closed one of that number waits for another.
    hubs.notify_opened(done)
    select = patcher.original("select")
    poll = select.poll()
    poll.register(done, select.POLLIN)
    interruption: BaseException | None = None
    try:
        while not poll.poll(0):
            try:
                hubs.trampoline(done, read=True)
            except BaseException as error:
                interruption = error
        return interruption
    finally:
        os.close(done)
