# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Modules and functions of the package stay short enough to be read."""

import ast
import pathlib

import nova_dirsvc_plugin
from tests.unit import base

ROOT = pathlib.Path(nova_dirsvc_plugin.__file__).parent

#: Lines.
LONGEST_MODULE = 300
LONGEST_FUNCTION = 40

#: What may be longer, and why.
EXCEPTIONS = {
    "outbox/sql": "a list of statements, in the order of their use",
    "outbox/schema": "the migrations stay as they were released",
}


def lengths():
    """Yield the names and lines of modules and of their functions."""
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text()
        module = path.relative_to(ROOT).with_suffix("").as_posix()
        yield module, len(text.splitlines()), LONGEST_MODULE
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                yield f"{module}.{node.name}", length, LONGEST_FUNCTION


class SizesTest(base.TestCase):
    def test_no_module_and_no_function_is_too_long(self):
        too_long = {
            name: length
            for name, length, limit in lengths()
            if length > limit and name not in EXCEPTIONS
        }
        self.assertEqual({}, too_long, "split it, or give a reason here")

    def test_each_exception_is_one(self):
        too_long = {
            name for name, length, limit in lengths() if length > limit
        }
        self.assertEqual(set(), EXCEPTIONS.keys() - too_long)
