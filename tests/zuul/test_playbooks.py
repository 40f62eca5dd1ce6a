# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Playbooks and roles, as they are written."""

import pathlib
import re

import fixtures
import testtools
import yaml

from tests.zuul import ansible, layout

OURS = layout.ours()
PLAYBOOKS = sorted(
    str(path.relative_to(layout.ROOT))
    for path in (layout.ROOT / "playbooks").rglob("*.yaml")
)
ROLES = sorted(path.name for path in (layout.ROOT / "roles").iterdir())


class PlaybookTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def test_those_that_the_jobs_name_are_there_and_no_other(self) -> None:
        used = {path for name in OURS.jobs for path in OURS.playbooks(name)}
        self.assertTrue(used)
        self.assertEqual(used, set(PLAYBOOKS))

    def test_the_roles_that_they_call_are_there_and_no_other(self) -> None:
        called = {
            role
            for playbook in PLAYBOOKS
            for play in yaml.safe_load((layout.ROOT / playbook).read_text())
            for role in play["roles"]
        }
        self.assertTrue(called)
        self.assertEqual(called, set(ROLES))

    def test_they_have_less_than_ten_lines(self) -> None:
        for playbook in PLAYBOOKS:
            lines = (layout.ROOT / playbook).read_text().splitlines()
            self.assertLess(len(lines), 10, playbook)

    def test_their_syntax_is_right(self) -> None:
        self._passes("ansible-playbook", "--syntax-check", *PLAYBOOKS)

    def test_ansible_lint_finds_nothing(self) -> None:
        self._passes("ansible-lint", "--offline", "playbooks", "roles")

    def _passes(self, *command: str) -> None:
        done = ansible.run(*command, home=self.home)
        self.assertEqual(0, done.returncode, done.stdout)


class RoleTest(testtools.TestCase):
    def test_its_readme_has_its_variables_and_their_defaults(self) -> None:
        for role in ROLES:
            folder = layout.ROOT / "roles" / role
            defaults = yaml.safe_load(
                (folder / "defaults/main.yaml").read_text()
            )
            readme = (folder / "README.rst").read_text()
            documented = dict(
                re.findall(
                    r"(?m)^\.\. zuul:rolevar:: (\w+)\n(?:   :default: (.*))?",
                    readme,
                )
            )
            self.assertEqual(set(defaults), set(documented), role)
            for name, default in defaults.items():
                if documented[name]:
                    self.assertEqual(default, documented[name])
