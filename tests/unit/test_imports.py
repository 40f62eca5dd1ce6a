# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the table of the architecture, held by its imports."""

import ast
import pathlib
import sys

import nova_dirsvc_plugin
from tests.unit import base

PACKAGE = "nova_dirsvc_plugin"
ROOT = pathlib.Path(nova_dirsvc_plugin.__file__).parent

#: Room -> the rooms of our own that it may import from.
ROOMS = {
    "errors": set(),
    "events": {"untrusted_text"},
    "files": set(),
    "untrusted_text": set(),
    "readable": set(),
    "version": set(),
    "conf": set(),
    "notifications": {"events", "notifications", "untrusted_text"},
    "sources": {
        "conf",
        "errors",
        "events",
        "notifications",
        "outbox",
        "sources",
        "untrusted_text",
    },
    "outbox": {"events", "files", "outbox", "untrusted_text"},
    "delivery": {"delivery", "directories.base", "events", "outbox"},
    "nova_api": {
        "errors",
        "events",
        "notifications.values",
        "nova_api",
        "untrusted_text",
    },
    "reconcile": {
        "delivery.state",
        "directories.base",
        "events",
        "nova_api",
        "outbox",
        "reconcile",
        "untrusted_text",
    },
    "monitoring": {
        "directories.base",
        "monitoring",
        "outbox",
        "readable",
        "version",
    },
    "directories": {
        "directories",
        "errors",
        "events",
        "files",
        "untrusted_text",
    },
    "checks": {
        "checks",
        "conf",
        "directories.base",
        "directories.conformance",
        "directories.loading",
        "errors",
        "events",
        "nova_api",
        "outbox",
        "sources.listener",
        "untrusted_text",
    },
    "cmd": {
        "checks",
        "cmd",
        "conf",
        "delivery",
        "directories.base",
        "directories.conformance",
        "directories.loading",
        "errors",
        "events",
        "files",
        "monitoring",
        "notifications",
        "nova_api",
        "outbox",
        "readable",
        "reconcile",
        "sources.batch_store",
        "sources.listener",
        "untrusted_text",
        "version",
    },
}

#: Modules that do nothing but compute.
PURE = (
    "delivery/state",
    "directories/base",
    "directories/fault",
    "directories/ldap/entry",
    "directories/rest/comparison",
    "directories/rest/document",
    "directories/rest/mapping",
    "directories/rest/response",
    "directories/text",
    "events",
    "errors",
    "monitoring/catalogue",
    "monitoring/histogram",
    "notifications/event_types",
    "notifications/parked",
    "notifications/parse",
    "notifications/unversioned",
    "notifications/values",
    "outbox/entry",
    "outbox/rows",
    "outbox/summary",
    "outbox/values",
    "readable",
    "nova_api/cells",
    "nova_api/server",
    "nova_api/summary",
    "reconcile/adopt",
    "reconcile/before_image",
    "reconcile/comparison",
    "reconcile/guard",
    "reconcile/item",
    "reconcile/items",
    "reconcile/ldif",
    "reconcile/packing",
    "reconcile/plan",
    "reconcile/plan_file",
    "reconcile/proof",
    "reconcile/reading",
    "untrusted_text",
)

#: Library -> the only modules that may import it.
LIBRARIES = {
    "ldap": {
        "directories/ldap/connection",
        "directories/ldap/conversation",
        "directories/ldap/driver",
        "directories/ldap/errors",
        "directories/ldap/examination",
        "directories/ldap/opening",
        "directories/ldap/reading",
        "directories/ldap/refusals",
        "directories/ldap/request",
    },
    "requests": {
        "directories/rest/auth",
        "directories/rest/client",
        "directories/rest/driver",
    },
    "oauthlib": {"directories/rest/auth"},
    "urllib3": {
        "directories/rest/client",
    },
    "prometheus_client": {"monitoring/prometheus"},
    "sdnotify": {"cmd/sync/monitoring_service"},
    "keystoneauth1": {
        "nova_api/client",
        "nova_api/connection",
        "nova_api/examination",
    },
    "amqp": {"checks/bus"},
    "kombu": {"checks/bus"},
    "nova": set(),
    "lib389": set(),
}


def imports(path):
    """Yield the dotted names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(package=ROOT):
    """Yield (path below the package without its ending, what it imports)."""
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).with_suffix("").as_posix()
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

    def test_no_module_imports_itself_by_way_of_others(self):
        for package in (ROOT, ROOT.parent / "nova_dirsvc_tempest_plugin"):
            graph = {
                f"{package.name}.{place.replace('/', '.')}": set(names)
                for place, names in modules(package)
            }

            def reached(start, graph=graph):
                seen, todo = set(), [start]
                while todo:
                    more = graph.get(todo.pop(), set()) - seen
                    seen |= more
                    todo += more
                return seen

            self.assertEqual(
                [], [name for name in graph if name in reached(name)]
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
