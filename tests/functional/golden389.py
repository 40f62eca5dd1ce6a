# SPDX-License-Identifier: Apache-2.0
"""The golden tree: a stopped 389 DS that every test's own is a copy of.

``examples/389ds/dirsvc-389ds``, the program that operators run, deploys it
once for all workers. There is one for each state of the example's files, so
that several checkouts can be tested at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests import ports

EXAMPLE = Path(__file__).parents[2] / "examples/389ds"
PROGRAM = EXAMPLE / "dirsvc-389ds"
NS_SLAPD = Path("/usr/sbin/ns-slapd")
SUFFIX = "dc=cloud,dc=example"
OWNER = "nova"
KEPT = 24 * 3600  # seconds since it was used last


@contextlib.contextmanager
def golden_tree() -> Iterator[Path]:
    """Yield the stopped server that all copies are made of.

    Nobody rebuilds it as long as the context lasts; the first worker that
    finds none builds it, in 15 to 30 seconds, while the others wait.
    """
    cache = _cache()
    tree = cache / _fingerprint()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        while not _is_complete(tree):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_complete(tree):
                _build(cache, tree)
            fcntl.flock(lock, fcntl.LOCK_SH)
        _complete_mark(tree).touch()
        yield tree


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the example's program with the system's Python, not a venv's."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "PREFIX")
    }
    return subprocess.run(
        [str(PROGRAM), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def current_user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _build(cache: Path, tree: Path) -> None:
    for old in cache.iterdir():
        if old.is_dir() and not _is_used(old):
            _run("remove", "--prefix", str(old), "--instance", _name())
            shutil.rmtree(old, ignore_errors=True)
            _complete_mark(old).unlink(missing_ok=True)
    where = ("--prefix", str(tree), "--instance", _name())
    _run(
        "deploy", *where,
        "--user", current_user(),
        "--suffix", SUFFIX,
        "--owner", OWNER,
        "--port", str(ports.free_port()),
        "--secure-port", str(ports.free_port()),
    )  # fmt: skip
    _run("stop", *where)
    _complete_mark(tree).touch()


def _run(*arguments: str) -> None:
    done = run_program(*arguments)
    if done.returncode != 0:
        raise RuntimeError(
            f"{PROGRAM.name} {' '.join(arguments)} failed:\n"
            f"{done.stdout}{done.stderr}"
        )


def copy(golden: Path, folder: Path, name: str) -> None:
    """Copy the golden tree and let nothing in the copy name the original."""
    unwanted = shutil.ignore_patterns("*.socket", "*.pid", "__db.*", "bak")
    shutil.copytree(golden, folder, ignore=unwanted)
    old, new = f"slapd-{_name()}", f"slapd-{name}"
    for path in sorted(folder.rglob(old), key=str, reverse=True):
        path.rename(path.with_name(new))
    for log in (folder / f"var/log/dirsrv/{new}").iterdir():
        log.unlink()
    dse = folder / f"etc/dirsrv/{new}/dse.ldif"
    # a long line of an LDIF file goes on in the next, after a blank
    substitute(dse, {
        "\n ": "",
        re.escape(str(golden)): str(folder),
        rf"\b{old}\b": new,
    })  # fmt: skip
    # with these the example's program can be run on the copy, too
    for file in ("directory.conf", "share/dirsrv/inf/defaults.inf"):
        substitute(folder / file, {re.escape(str(golden)): str(folder)})


def substitute(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text()
    for pattern, replacement in changes.items():
        text = re.sub(pattern, replacement, text)
    path.write_text(text)


def _cache() -> Path:
    """Return a folder of our own; in /tmp somebody else may have made it."""
    cache = Path(tempfile.gettempdir(), f"nova-dirsvc-389ds-{os.geteuid()}")
    with contextlib.suppress(FileExistsError):
        cache.mkdir(mode=0o700)
    status = cache.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise RuntimeError(f"{cache} belongs to somebody else")
    return cache


def _fingerprint() -> str:
    """Return what changes when the golden tree would."""
    server = NS_SLAPD.stat()
    digest = hashlib.sha256(f"{server.st_size} {server.st_mtime_ns}".encode())
    for path in sorted(EXAMPLE.rglob("*")):
        # What Python caches there comes and goes, under names of the moment.
        if path.parent.name == "__pycache__" or path.suffix == ".md":
            continue
        if path.is_file():
            digest.update(f"{path.relative_to(EXAMPLE)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _name() -> str:
    return f"golden{os.geteuid()}"


def _is_used(tree: Path) -> bool:
    """Whether some checkout, not only this one, has used it of late."""
    mark = _complete_mark(tree)
    return mark.exists() and time.time() - mark.stat().st_mtime < KEPT


def _is_complete(tree: Path) -> bool:
    return _complete_mark(tree).exists()


def _complete_mark(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.complete")
