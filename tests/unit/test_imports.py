# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the table of the architecture, held by its imports."""

import ast
import pathlib
import subprocess
import sys

import nova_dirsvc_plugin
from tests.unit import base

PACKAGE = "nova_dirsvc_plugin"
ROOT = pathlib.Path(nova_dirsvc_plugin.__file__).parent

#: Room -> the rooms of our own that it may import from.
ROOMS = {
    "events": set(),
    "backoff": set(),
    "naming": set(),
    "version": set(),
    "conf": set(),
    "fields": {"events"},
    "legacy": set(),
    "meanings": {"events"},
    "payloads": {"events", "fields", "legacy", "meanings"},
    "forking": set(),
    "outbox": {"events", "forking", "outbox"},
    "standing": {"events"},
    "decision": {"events", "outbox", "standing"},
    "reconcile": {"events", "fields", "reconcile", "standing"},
    "sources": {
        "conf",
        "events",
        "fields",
        "forking",
        "outbox",
        "payloads",
        "sources",
    },
    "directories": {"directories", "events", "naming"},
    "asking": {"backoff", "standing"},
    "settling": {"backoff", "decision", "directories.base", "outbox"},
    "dispatcher": {
        "asking",
        "backoff",
        "decision",
        "directories.base",
        "outbox",
        "settling",
    },
    "conformance": {"conformance", "directories.base", "events"},
    "cmd": {
        "asking",
        "cmd",
        "conf",
        "conformance",
        "directories.base",
        "directories.loading",
        "dispatcher",
        "outbox",
        "reconcile.inventory",
        "settling",
        "sources.listener",
        "sources.reading",
        "version",
    },
}

#: Modules that do nothing but compute.
PURE = (
    "backoff",
    "directories/base",
    "directories/ldap_entry",
    "directories/rest_answers",
    "directories/rest_document",
    "directories/rest_names",
    "directories/rest_page",
    "directories/rest_urls",
    "events",
    "fields",
    "legacy",
    "meanings",
    "naming",
    "payloads",
    "reconcile/server",
    "standing",
)

#: Library -> the only modules that may import it.
LIBRARIES = {
    "ldap": {"directories/ldap", "directories/ldap_connection"},
    "requests": {
        "directories/rest",
        "directories/rest_connection",
        "directories/rest_login",
        "directories/rest_oauth2",
        "directories/rest_redirects",
        "directories/rest_session",
    },
    "oauthlib": {"directories/rest_oauth2"},
    "urllib3": {
        "directories/rest_connection",
        "directories/rest_redirects",
        "directories/rest_session",
    },
    "keystoneauth1": {"reconcile/inventory"},
    "nova": set(),
    "lib389": set(),
}


def imports(path):
    """Give the dotted names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    """Give (path below the package without its ending, what it imports)."""
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT).with_suffix("").as_posix()
        yield place, list(imports(path))


class ImportsTest(base.TestCase):
    def test_each_room_imports_only_from_those_that_it_may(self):
        for place, names in modules():
            if place == "__init__":
                continue
            allowed = ROOMS[place.partition("/")[0]]
            for name in names:
                head, _, rest = name.partition(".")
                if head != PACKAGE:
                    continue
                self.assertTrue(
                    any(
                        rest == room or rest.startswith(room + ".")
                        for room in allowed
                    ),
                    f"{place} imports {name}",
                )

    def test_a_library_with_a_border_is_imported_at_the_border_only(self):
        for place, names in modules():
            for name in names:
                head = name.partition(".")[0]
                self.assertIn(
                    place,
                    LIBRARIES.get(head, {place}),
                    f"{place} imports {name}",
                )

    def test_pure_modules_import_the_standard_library_and_each_other(self):
        pure = {f"{PACKAGE}.{place.replace('/', '.')}" for place in PURE}
        for place, names in modules():
            if place not in PURE:
                continue
            for name in names:
                standard = name.partition(".")[0] in sys.stdlib_module_names
                self.assertTrue(
                    standard or name in pure, f"{place} imports {name}"
                )

    def test_the_hook_runs_where_no_directory_library_is_installed(self):
        forbidden = (
            "ldap",
            "requests",
            "keystoneauth1",
            "lib389",
            "cotyledon",
        )
        script = (
            "import sys\n"
            f"sys.modules.update(dict.fromkeys({forbidden!r}))\n"
            "import nova_dirsvc_plugin.sources.notifier\n"
        )
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], check=True
        )
