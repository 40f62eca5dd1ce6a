# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import subprocess

import setuptools

HERE = pathlib.Path(__file__).resolve().parent


def trust_git() -> bool:
    """Return whether git tells pbr the version.

    Git refuses a clone of another account. Whoever builds it runs this file
    of that account's, so it may be read as well.
    """
    number = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    os.environ[f"GIT_CONFIG_KEY_{number}"] = "safe.directory"
    os.environ[f"GIT_CONFIG_VALUE_{number}"] = str(HERE)
    os.environ["GIT_CONFIG_COUNT"] = str(number + 1)
    try:
        found = subprocess.run(  # noqa: S603
            ("git", "-C", HERE, "rev-parse", "--show-toplevel"),  # noqa: S607
            capture_output=True,
            text=True,
        )
    except OSError:
        return False
    return found.stdout.rstrip("\n") == str(HERE)


def archived_version() -> str:
    """Return the version that ``git archive`` has written, or 0.0.0."""
    path = HERE / ".git_archival.txt"
    text = path.read_text() if path.exists() else ""
    commit = re.search(r"^commit: (\w+)$", text, re.M)
    tag = re.search(r"^tag: v?(\d[\w.]*?)(-(\d+)-g\w+)?$", text, re.M)
    if tag:
        return tag[1] + (f".post{tag[3]}" if tag[2] else "")
    return f"0.0.0+g{commit[1]}" if commit else "0.0.0"


if not (HERE / "PKG-INFO").exists() and not trust_git():
    os.environ.setdefault("PBR_VERSION", archived_version())

setuptools.setup(pbr=True)
