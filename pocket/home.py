# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""One pocket cloud on disk: its folders, its ports and its passwords.

Everything that a cloud leaves on disk is below its home, with one
exception: a unix socket path holds 107 bytes at most, so a home with a long
path keeps its sockets in a folder of the system's temporary directory.
"""

import hashlib
import json
import os
import pathlib
import secrets
import shutil
import tempfile
import types

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent

# Below the range of ephemeral ports (32768) and above OpenStack's own.
PORT_BASE = 23000
PORT_NAMES = (
    "keystone",
    "placement",
    "glance",
    "neutron",
    "nova",
    "rabbitmq",
    "rabbitmq_cluster",
    "epmd",
    "ldap",
    "ldaps",
    "nova_soft",
    "rest",
    "monitoring",
)
PASSWORD_NAMES = (
    "database",
    "rabbitmq",
    "admin",
    "alice",
    "bob",
    "nova",
    "neutron",
    "glance",
    "placement",
    "dirsvc",
)
#: What does not know the ports and the passwords, and is dear to make.
LASTING = ("venv", "tempest")
HOME_PATH_MAX = 60  # a socket's 107 bytes, less the longest path below it


class Home:
    """Where one cloud lives.

    :param path: the folder; made on first use, for its owner only
    :param port_base: the first of its ports; None: those that it has, or
        :data:`PORT_BASE` when it is new
    """

    def __init__(self, path, port_base=None):
        self.path = pathlib.Path(path).absolute()
        self.etc = self.path / "etc"
        self.log = self.path / "log"
        self.cache = self.path / "cache"
        self.run = self.path / "run"
        self.venv = self.path / "venv"
        self.bin = self.venv / "bin"
        self.done = self.path / "done"
        self.directory = self.path / "389ds"
        self.outbox = self.path / "outbox" / "outbox.db"
        self.openrc = self.path / "openrc"
        self.adminrc = self.path / "adminrc"
        self._state_file = self.path / "state.json"
        self._port_base = port_base

    def exists(self):
        return self._state_file.exists()

    def make(self):
        """Make the folders and, once, the passwords."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (
            self.etc,
            self.log,
            self.run,
            self.done,
            self.outbox.parent,
            self.sockets,
            self.path / "state" / "nova",
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.exists():
            self.write(
                self._state_file,
                json.dumps(
                    {
                        "mark": secrets.token_hex(6),
                        "port_base": self._port_base or PORT_BASE,
                        "passwords": {
                            name: secrets.token_urlsafe(18)
                            for name in PASSWORD_NAMES
                        },
                    },
                    indent=1,
                ),
            )

    def is_elsewhere(self):
        """Whether it has other ports than it was asked to have."""
        return self._port_base not in (None, self._state["port_base"])

    def make_anew(self):
        """Forget all but what lasts, and have the ports that were asked."""
        stamps = {step: self.done_with(step) for step in LASTING}
        kept = {*LASTING, self.cache.name, self.log.name}
        shutil.rmtree(self.sockets, ignore_errors=True)
        for entry in self.path.iterdir():
            if entry.is_dir() and entry.name not in kept:
                shutil.rmtree(entry)
        self._state_file.unlink()
        self.make()
        for step, text in stamps.items():
            if text is not None:
                self.set_done(step, text)

    @property
    def port_base(self):
        return self._state["port_base"]

    @property
    def sockets(self):
        if len(os.fsencode(self.path)) <= HOME_PATH_MAX:
            return self.run
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return pathlib.Path(
            tempfile.gettempdir(), f"pocket-{os.getuid()}-{name}"
        )

    @property
    def _state(self):
        return json.loads(self._state_file.read_text())

    @property
    def mark(self):
        """The word by which every process of this cloud is known."""
        return self._state["mark"]

    @property
    def passwords(self):
        return types.SimpleNamespace(**self._state["passwords"])

    @property
    def ports(self):
        return types.SimpleNamespace(
            **{name: self.port_base + i for i, name in enumerate(PORT_NAMES)}
        )

    @staticmethod
    def write(path, text):
        """Replace a file that only its owner may read."""
        new = path.with_name(path.name + ".new")
        new.unlink(missing_ok=True)
        with open(new, "x", opener=lambda p, f: os.open(p, f, 0o600)) as out:
            out.write(text)
        new.replace(path)

    # A step that is done once for a home leaves a file that holds what it
    # depended on: another text means do it again.

    def is_done(self, step, text=""):
        return self.done_with(step) == text

    def done_with(self, step):
        """What a step depended on; None: it is not done."""
        stamp = self.done / step
        return stamp.read_text() if stamp.exists() else None

    def set_done(self, step, text=""):
        self.write(self.done / step, text)


def digest(*paths):
    """What a step depends on, as a text for :meth:`Home.set_done`."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes() if path.exists() else b"")
        whole.update(b"\0")
    return whole.hexdigest()
