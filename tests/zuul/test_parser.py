# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""That these tests would notice what Zuul refuses."""

import testtools

from tests.zuul import layout

JOBS = (layout.ROOT / "zuul.d/jobs.yaml").read_text()
PROJECT = (layout.ROOT / "zuul.d/project.yaml").read_text()


class ParserTest(testtools.TestCase):
    def test_our_own_files_are_read(self) -> None:
        self._read(JOBS)
        self._read(PROJECT)

    def test_a_misspelt_key_of_a_job_is_refused(self) -> None:
        self._refuses(JOBS, "required-projects:", "required-project:")

    def test_a_misspelt_key_of_a_project_is_refused(self) -> None:
        self._refuses(PROJECT, "fail-fast:", "fail_fast:")

    def test_a_misspelt_key_of_a_stanza_is_refused(self) -> None:
        self._refuses(JOBS, "- job:", "- jobs:")

    def test_a_wrong_type_is_refused(self) -> None:
        self._refuses(JOBS, "abstract: true", "abstract: 'true'")

    def test_a_key_that_is_there_twice_is_refused(self) -> None:
        self._refuses(JOBS, "tox_envlist: all", "tox_envlist: all\n" * 2)

    def test_a_pattern_that_is_none_is_refused(self) -> None:
        self._refuses(JOBS, "^doc/.*$", "^doc/(.*$")

    def test_a_job_that_is_defined_twice_is_refused(self) -> None:
        self._refuses(JOBS, "-base\n", "-zuul\n")

    def _refuses(self, text: str, old: str, new: str) -> None:
        self.assertIn(old, text)
        self.assertRaises(layout.Refused, self._read, text.replace(old, new))

    def _read(self, text: str) -> None:
        layout.read(text, "test.yaml", layout.Layout())
