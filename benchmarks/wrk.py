# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""wrk, a load generator for HTTP in C, with documents as large as ours.

It counts time, not requests; how many it has done is what it prints. What it
has posted is removed after each round, so that nobody else meets it.
"""

import json
import pathlib
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Iterable
from concurrent import futures
from typing import Any

from benchmarks import path
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories.rest import document
from tests.functional import rest_service

HOW_TO_HAVE_IT = "apt-get install wrk"

SECONDS = 2

#: Each request has another uuid and another key; what it prints is JSON.
SCRIPT = """\
local told = %s

function setup(thread)
    thread:set("made", 0)
    posting = thread
end

function request()
    made = made + 1
    local uuid = told.prefix .. string.format("%%012x", made)
    told.headers["Idempotency-Key"] = "nova:" .. uuid .. ":1"
    return wrk.format(
        "POST", nil, told.headers, table.concat(told.pieces, uuid)
    )
end

function done(summary, latency, requests)
    local bad = summary.errors
    io.write(string.format(
        '{"requests": %%d, "seconds": %%f, "bad": %%d, "made": %%d}',
        summary.requests,
        summary.duration / 1e6,
        bad.connect + bad.read + bad.write + bad.status + bad.timeout,
        posting:get("made")
    ))
end
"""


def is_there() -> bool:
    return shutil.which("wrk") is not None


class Wrk:
    """Posts documents of distinct uuids as fast as they are taken.

    :param clients: connections, which are kept
    """

    def __init__(
        self,
        server: rest_service.RestService,
        clients: int,
        folder: pathlib.Path,
    ) -> None:
        self._server = server
        self._clients = clients
        self._script = folder / "wrk.lua"

    def round(self, count: int) -> dict[str, float]:
        """Post for a while.

        :returns: how long so many would have taken; it never unregisters
        """
        prefix = str(uuid.uuid4())[:-12]
        self._write(prefix)
        done = subprocess.run(
            [
                *("wrk", "--threads", "1"),
                *("--connections", str(self._clients)),
                *("--duration", f"{SECONDS}s"),
                *("--script", self._script, self._server.url),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        found = json.loads(done.stdout[done.stdout.rindex("{") :])
        self._remove(
            f"{prefix}{number:012x}" for number in range(1, found["made"] + 1)
        )
        if found["bad"] or not found["requests"]:
            raise RuntimeError(f"nothing was measured: {done.stdout}")
        return {"register": count * found["seconds"] / found["requests"]}

    def _write(self, prefix: str) -> None:
        """Write the script: the document in pieces, between them a uuid."""
        record = path.record(0)
        state = events.HostState(events.Verb.REGISTER, record, time.time())
        body = document.encoded(document.document(state, "nova"))
        told = {
            "prefix": prefix,
            "pieces": body.decode().split(record.instance_uuid),
            "headers": {
                **document.metadata(state, "nova", body),
                **self._server.session().headers,
                "Content-Type": "application/json",
            },
        }
        self._script.write_text(SCRIPT % _lua(told))

    def _remove(self, uuids: Iterable[str]) -> None:
        local = threading.local()

        def remove(instance_uuid: str) -> None:
            if not hasattr(local, "session"):
                local.session = self._server.session()
            local.session.delete(f"{self._server.url}/{instance_uuid}")

        with futures.ThreadPoolExecutor(self._clients) as pool:
            list(pool.map(remove, uuids))


def _lua(value: str | list[str] | dict[str, Any]) -> str:
    """Write a value as an expression of Lua."""
    if isinstance(value, str):
        return f"[==[{value}]==]"
    if isinstance(value, list):
        return "{" + ", ".join(map(_lua, value)) + "}"
    pairs = (f"[ {_lua(key)} ] = {_lua(item)}" for key, item in value.items())
    return "{" + ", ".join(pairs) + "}"
