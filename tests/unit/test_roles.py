# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What each role may import: the libraries that its requirements bring.

Nova's processes have the bare package, a daemon's environment the extra
``sync`` and those of its directory drivers.
"""

import ast
import functools
import pathlib
import subprocess
import sys
from importlib import metadata

import packaging
from packaging import requirements, utils

import nova_dirsvc_plugin
from tests.unit import base

DISTRIBUTION = "nova-dirsvc-plugin"
PACKAGE = "nova_dirsvc_plugin"
ROOT = pathlib.Path(nova_dirsvc_plugin.__file__).parent

#: Entry points that Nova itself loads.
OF_NOVA = (
    "nova.hooks",
    "oslo.messaging.notify.drivers",
    "paste.filter_factory",
)

#: Has our own modules import nothing but the named libraries.
LIMIT = """
import builtins, sys
allowed = {*sys.argv.pop(1).split(","), *sys.stdlib_module_names}
real = builtins.__import__
def limited(name, globals=None, locals=None, fromlist=(), level=0):
    asking = (globals or {}).get("__name__", "")
    head = name.partition(".")[0]
    if asking.startswith("nova_dirsvc_plugin") and head not in allowed:
        raise ModuleNotFoundError(f"No module named {head!r}")
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = limited
"""


@functools.cache
def brought(*extras):
    """Return the names to import of what is required, without or by extras."""
    required = {
        utils.canonicalize_name(requirement.name)
        for requirement in map(
            requirements.Requirement, metadata.requires(DISTRIBUTION)
        )
        if not requirement.marker
        or any(requirement.marker.evaluate({"extra": name}) for name in extras)
    }
    return {PACKAGE} | {
        module
        for module, owners in metadata.packages_distributions().items()
        if required & set(map(utils.canonicalize_name, owners))
    }


def imported(path):
    """Yield the dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def source(name):
    """Return the file of one of our modules; None if there is none."""
    place = ROOT.parent / name.replace(".", "/")
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.exists():
            return path
    return None


def reached(names):
    """Return the files of modules of ours and of all of ours they import."""
    found = set()
    waiting = list(names)
    while waiting:
        path = source(waiting.pop())
        if path and path not in found:
            found.add(path)
            waiting += (
                name for name in imported(path) if name.startswith(PACKAGE)
            )
    return found


class RolesTest(base.TestCase):
    def holds(self, paths, libraries):
        for path in paths:
            for name in imported(path):
                head = name.partition(".")[0]
                if head not in sys.stdlib_module_names:
                    self.assertIn(head, libraries, f"{path} imports {name}")

    def test_what_nova_loads_imports_what_the_bare_package_brings(self):
        loaded = [
            point.module
            for point in metadata.distribution(DISTRIBUTION).entry_points
            if point.group in OF_NOVA
        ]
        self.assertTrue(loaded)
        self.holds(reached(loaded), brought())

    def test_all_else_imports_what_its_extra_brings(self):
        for path in ROOT.rglob("*.py"):
            place = path.relative_to(ROOT).as_posix()
            driver = place.partition("directories/")[2]
            extras = [
                extra for extra in ("ldap", "rest") if driver.startswith(extra)
            ]
            self.holds([path], brought("sync", *extras))

    def limited(self, script, *extras):
        """Run a script where our modules have the libraries of extras."""
        libraries = ",".join(brought(*extras))
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", LIMIT + script, libraries],
            capture_output=True,
            text=True,
            check=False,
        )

    def test_a_driver_without_its_extra_names_it(self):
        for name in ("ldap", "rest"):
            ended = self.limited(
                f"from {PACKAGE}.cmd import scripts\n"
                f"sys.argv = ['manage', 'check-directory', {name!r}]\n"
                "sys.exit(scripts.manage())\n",
                "sync",
            )
            self.assertEqual((2, ""), (ended.returncode, ended.stdout))
            self.assertIn(f"nova-dirsvc-plugin[{name}]", ended.stderr)

    def test_the_options_of_the_hook_are_listed_without_any_extra(self):
        ended = self.limited(
            f"from {PACKAGE}.cmd import opts\n"
            "print(*(group for group, _ in opts.list_opts()))\n"
        )
        self.assertEqual(
            (0, "nova_dirsvc log memory\n"), (ended.returncode, ended.stdout)
        )
        self.assertIn("[sync]", ended.stderr)


class ScriptsTest(base.TestCase):
    """Our scripts in an environment that has what a test puts into it."""

    def setUp(self):
        super().setUp()
        self.installs(PACKAGE, metadata.distribution(DISTRIBUTION).metadata)
        for package in (nova_dirsvc_plugin, packaging):
            place = pathlib.Path(package.__file__).parent
            (self.folder / place.name).symlink_to(place)

    def installs(self, name, description):
        folder = self.folder / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(str(description))

    def refusals(self):
        """Run each script; give its name and what it says, in one line."""
        scripts = metadata.distribution(DISTRIBUTION).entry_points.select(
            group="console_scripts"
        )
        for script in scripts:
            ended = subprocess.run(
                [
                    sys.executable,
                    "-S",
                    "-c",
                    f"import sys; sys.path.insert(0, {str(self.folder)!r})\n"
                    f"from {script.module} import {script.attr} as main\n"
                    "sys.argv[1:] = ['--help']\n"
                    "sys.exit(main())",
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(
                (2, "", 1),
                (ended.returncode, ended.stdout, ended.stderr.count("\n")),
                ended.stderr,
            )
            name, _, said = ended.stderr.partition(": ")
            self.assertEqual(script.name, name)
            yield said

    def test_a_script_without_its_extra_names_it_in_one_line(self):
        said = list(self.refusals())
        self.assertEqual(3, len(said))
        for line in said:
            self.assertIn(f"install {DISTRIBUTION}[sync]", line)
            self.assertIn("oslo.service", line)
            self.assertIn("cliff", line)

    def test_a_library_that_is_too_old_is_named_with_what_it_lacks(self):
        """As in the Python of a Nova of 2025.1."""
        self.installs(
            "oslo.service",
            "Name: oslo.service\nVersion: 4.1.2\n"
            "Provides-Extra: threading\n"
            'Requires-Dist: cotyledon>=2.0.0; extra == "threading"\n',
        )
        for line in self.refusals():
            self.assertRegex(
                line, r"oslo\.service>=[\d.]+ \(there is 4\.1\.2\), cotyledon"
            )
