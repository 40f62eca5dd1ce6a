# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The directory that speaks HTTP: the service in examples/rest."""

import json
import shlex

from pocket.errors import PocketError
from pocket.home import CHECKOUT
from pocket.processes import program
from pocket.services import Service

EXAMPLE = CHECKOUT / "examples" / "rest"
NAME = "dirsvc-rest"


def packages():
    """Debian package -> whether what is needed of it is there."""
    return {"curl": program("curl")}


def start(home, processes):
    """Start the service; it makes its database and tokens on first use."""
    service = _service(home)
    processes.start(service.name, service.argv)
    processes.wait(service.name, service.answers)
    _write_header(home)


def stop(home, processes):
    processes.stop(NAME)


def conf(home):
    """The options file that the service wrote for the daemon."""
    return _folder(home) / "directory.conf"


def search_command(home, instance_uuid=None):
    """A shell command line that reads entries as the reader."""
    url = settings(home)["url"]
    if instance_uuid:
        url = f"{url}/{instance_uuid}"
    # The token is not in the command line, which anybody may list.
    words = ["curl", "-sS", "-H", f"@{_header(home)}", url]
    return f"{shlex.join(words)} | python3 -m json.tool"


def shows_entry(output):
    """Whether the command printed an entry.

    :raises PocketError: it printed another problem than that there is none
    """
    found = json.loads(output)
    if found.get("status", 404) != 404:
        raise PocketError(f"{NAME} answers: {output}")
    return "instance_uuid" in found


def settings(home):
    """What a reader needs: url and token file."""
    return {
        "url": f"http://127.0.0.1:{home.ports.rest}/v1/instances",
        "token_file": str(_folder(home) / "reader.token"),
    }


def scenario_options(home):
    """What Tempest must know of this directory."""
    found = settings(home)
    return {
        "directory": "rest",
        "rest_url": found["url"],
        "rest_token_file": found["token_file"],
        "rest_manager_token_file": _folder(home) / "manager.token",
    }


def forget(home):
    """It leaves nothing outside its folder."""


def _service(home):
    port = home.ports.rest
    return Service(
        NAME,
        (
            home.bin / "python",
            EXAMPLE / "dirsvc-rest",
            "serve",
            "--state-dir",
            _folder(home),
            "--port",
            port,
        ),
        port=port,
    )


def _folder(home):
    return home.path / "rest"


def _header(home):
    return _folder(home) / "reader.header"


def _write_header(home):
    """Put the reader's token into a file of headers, as curl takes them."""
    token = (_folder(home) / "reader.token").read_text().strip()
    home.write(_header(home), f"Authorization: Bearer {token}\n")
