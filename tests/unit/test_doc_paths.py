# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The files that the documentation names exist."""

import pathlib
import re

from tests.unit import base

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = (
    ROOT / "CONTRIBUTING.md",
    ROOT / "HACKING.rst",
    ROOT / "README.md",
    *(ROOT / "doc/source").rglob("*.rst"),
)

#: A path of a module or of a page, in a text or as the target of a link.
NAMED = re.compile(r"(?<![\w/.-])((?:[\w-]+/)+[\w-]+\.(?:py|rst|md|ldif))\b")


class PathsTest(base.TestCase):
    def test_each_file_that_is_named_is_there(self):
        named = 0
        for document in DOCUMENTS:
            for name in NAMED.findall(document.read_text()):
                named += 1
                self.assertTrue(
                    (ROOT / name).exists()
                    or (ROOT / "nova_dirsvc_plugin" / name).exists(),
                    f"{document}: there is no {name}",
                )
        self.assertGreater(named, 40)
