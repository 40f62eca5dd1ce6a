# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the jobs speak of, as this repository has it."""

import ast
import configparser
import functools
import itertools
import re
import subprocess
from collections.abc import Iterator, Mapping

from tests.zuul import layout

#: Stands in for the part of devstack that the settings use; what is left of
#: them is printed: the plugin's name, the services, the variables.
_SETTINGS = """
set -eu
function define_plugin { echo "plugin $1"; }
function enable_service { printf 'service %s\\n' "$@"; }
function is_service_enabled { true; }
function get_python_exec_prefix { echo "$DEST/data/venv/bin"; }
DEST=/opt/stack DATA_DIR=/opt/stack/data
SERVICE_HOST=192.0.2.1 STACK_USER=$(id -un)
source devstack/settings
for name in ${!NOVA_DIRSVC_*}; do echo "variable $name=${!name}"; done
"""


class Settings:
    """devstack/settings, sourced.

    :param localrc: what a job has in ``devstack_localrc``
    """

    def __init__(self, localrc: Mapping[str, object]) -> None:
        output = subprocess.run(
            ["bash", "-c", _SETTINGS],
            cwd=layout.ROOT,
            env={"PATH": "/usr/bin:/bin"}
            | {name: str(value) for name, value in localrc.items()},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        self.plugins = re.findall(r"(?m)^plugin (.*)$", output)
        self.services = set(re.findall(r"(?m)^service (.*)$", output))
        self.variables = dict(re.findall(r"(?m)^variable (\w+)=(.*)$", output))


def tempest_tests() -> Iterator[str]:
    """Name the tests of our Tempest plugin, as stestr does."""
    folder = layout.ROOT / "nova_dirsvc_tempest_plugin"
    for path in folder.rglob("test_*.py"):
        module = ".".join(path.relative_to(layout.ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef):
                continue
            for item in node.body:
                name = getattr(item, "name", "")
                if name.startswith("test_"):
                    yield f"{module}.{node.name}.{name}"


def has_tox_environment(name: str) -> bool:
    """Tell whether tox.ini has it; ``py3…`` is tox's own."""
    config = configparser.RawConfigParser()
    config.read(layout.ROOT / "tox.ini")
    names = {
        expanded
        for section in config.sections()
        for expanded in _expand(section.removeprefix("testenv:"))
    }
    return name in names or re.fullmatch(r"py3\d*", name) is not None


def _expand(name: str) -> Iterator[str]:
    """Expand the braces of ``nova-{threads,eventlet}``."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    return map("".join, itertools.product(*parts))


@functools.cache
def files() -> tuple[str, ...]:
    """Name the files of the repository, those not yet added as well."""
    return tuple(
        subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=layout.ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
    )
