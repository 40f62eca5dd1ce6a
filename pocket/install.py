# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The one venv that holds OpenStack, this project and pocket/inside."""

import os
import pathlib
import shutil
import sys
import sysconfig

from pocket.errors import PocketError
from pocket.home import CHECKOUT, digest

POCKET = CHECKOUT / "pocket"
SOURCES = tuple(
    CHECKOUT / name
    for name in (
        "constraints.txt",
        "examples/rest/requirements.txt",
        "pocket/requirements.txt",
        "pocket/inside/pyproject.toml",
        "pyproject.toml",
        "requirements.txt",
        "setup.cfg",
    )
)
# python-ldap is built from source.
HEADERS = {"libldap-dev": "ldap.h", "libsasl2-dev": "sasl/sasl.h"}


def is_installed(home):
    return (home.bin / "python").exists() and home.is_done(
        "venv", digest(*SOURCES)
    )


def install(home, processes):
    """Make or refresh the venv; what it depends on is its stamp."""
    # Editable: a change of the project's code is seen after a restart, and
    # a change of its metadata changes the stamp.
    fill(
        processes,
        home.venv,
        "--requirement",
        POCKET / "requirements.txt",
        "--requirement",
        CHECKOUT / "examples" / "rest" / "requirements.txt",
        "--editable",
        f"{CHECKOUT}[sync,ldap,rest]",
        "--editable",
        POCKET / "inside",
    )
    home.set_done("venv", digest(*SOURCES))


def fill(processes, venv, *packages):
    """Install into a venv, made on first use.

    :param packages: words for pip, or for uv where there is one
    """
    _check_compiler()
    uv = _find_uv()
    python = venv / "bin" / "python"
    if not python.exists():
        processes.call(
            "install",
            [*uv, "venv", "--python", sys.executable, venv]
            if uv
            else [sys.executable, "-m", "venv", venv],
        )
    installer = (
        [*uv, "pip", "install", "--python", python, "--compile-bytecode"]
        if uv
        else [python, "-m", "pip", "install"]
    )
    processes.call(
        "install",
        [
            *installer,
            "--constraint",
            CHECKOUT / "constraints.txt",
            *packages,
        ],
    )


def _find_uv():
    """How to call uv, if there is one: beside this Python or on PATH."""
    beside = pathlib.Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    return [found] if found else []


def _check_compiler():
    include = pathlib.Path("/usr/include")
    missing = [
        name
        for name, header in HEADERS.items()
        if not (include / header).exists()
    ]
    if not shutil.which("gcc"):
        missing.append("gcc")
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append("python3-dev")
    if sysconfig.get_path("include").startswith(os.fspath(include)) and (
        not _find_uv() and not _has_venv()
    ):
        missing.append("python3-venv")
    if missing:
        raise PocketError(
            "missing Debian packages; run: apt-get install "
            "--no-install-recommends " + " ".join(missing)
        )


def _has_venv():
    """Debian splits ensurepip off: `python3 -m venv` then fails late."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return False
    return True
