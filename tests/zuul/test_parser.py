# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""That these tests would notice what Zuul refuses."""

import testtools
from testtools import ExpectedException

from tests.zuul import layout

JOBS = (layout.ROOT / "zuul.d/jobs.yaml").read_text()
PROJECT = (layout.ROOT / "zuul.d/project.yaml").read_text()


class ParserTest(testtools.TestCase):
    def test_our_own_files_are_read(self) -> None:
        self._read(JOBS)
        self._read(PROJECT)

    def test_what_zuul_would_refuse_is_refused(self) -> None:
        for what, text, old, new in (
            ("key of a job", JOBS, "required-projects:", "required-project:"),
            ("key of a project", PROJECT, "fail-fast:", "fail_fast:"),
            ("key of a stanza", JOBS, "- job:", "- jobs:"),
            ("type", JOBS, "abstract: true", "abstract: 'true'"),
            ("key twice", JOBS, "tox_envlist: all", "tox_envlist: all\n" * 2),
            ("pattern", JOBS, "^doc/.*$", "^doc/(.*$"),
            ("job twice", JOBS, "-base\n", "-zuul\n"),
        ):
            self.assertIn(old, text, what)
            with ExpectedException(layout.Refused, msg=what):
                self._read(text.replace(old, new))

    def _read(self, text: str) -> None:
        layout.read(text, "test.yaml", layout.Layout())
