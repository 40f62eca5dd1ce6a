# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Which jobs run when."""

import re
import tomllib

import testtools

from tests.zuul import foreign, layout, tree

OURS = layout.ours()


class ProjectTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        [self.project] = OURS.projects
        self.pipelines = self.project.pipelines

    def test_it_is_this_repository_with_its_branch(self) -> None:
        self.assertEqual(layout.CANONICAL_NAME, self.project.name)
        self.assertEqual("main", self.project.default_branch)

    def test_the_pipelines_are_known(self) -> None:
        self.assertEqual(foreign.PIPELINES, set(self.pipelines))

    def test_what_gates_was_checked(self) -> None:
        self.assertLessEqual(OURS.jobs_in("gate"), OURS.jobs_in("check"))

    def test_each_stable_branch_is_checked(self) -> None:
        for name, job in OURS.jobs.items():
            if job.override_checkout:
                self.assertIn(name, OURS.jobs_in("check"))

    def test_what_gates_votes_and_fails_fast(self) -> None:
        self.assertTrue(self.pipelines["gate"].fail_fast)
        for name in OURS.jobs_in("gate"):
            variants = self.pipelines["gate"].job_list.jobs[name]
            for job in (*OURS.line(name), *variants):
                self.assertIsNot(False, job._get("voting"), name)

    def test_each_job_is_one_of_ours_or_known(self) -> None:
        for pipeline in self.pipelines:
            for name in OURS.jobs_in(pipeline):
                self.assertIn(name, {*OURS.jobs, *foreign.JOBS})
                if name in OURS.jobs:
                    self.assertFalse(OURS.jobs[name].abstract, name)

    def test_each_job_of_ours_is_used(self) -> None:
        run = set().union(*map(OURS.jobs_in, self.pipelines))
        parents = {job.parent for job in OURS.jobs.values()}
        for name, job in OURS.jobs.items():
            self.assertIn(name, parents if job.abstract else run)

    def test_each_template_finds_what_it_needs(self) -> None:
        self.assertEqual(set(foreign.TEMPLATES), set(self.project.templates))
        for template in self.project.templates:
            environments, paths = foreign.TEMPLATES[template]
            for environment in environments:
                self.assertTrue(
                    tree.has_tox_environment(environment),
                    f"{template}: tox.ini has no {environment}",
                )
            for path in paths:
                self.assertTrue(
                    (layout.ROOT / path).exists(),
                    f"{template}: there is no {path}",
                )

    def test_each_python_that_we_claim_is_checked(self) -> None:
        text = (layout.ROOT / "pyproject.toml").read_text()
        project = tomllib.loads(text)["project"]
        claimed = [
            match.group(1)
            for line in project["classifiers"]
            if (match := re.search(r":: Python :: (3\.\d+)$", line))
        ]
        self.assertEqual(f">={claimed[0]}", project["requires-python"])
        for pipeline in ("check", "gate"):
            self.assertEqual(
                {f"openstack-tox-py{v.replace('.', '')}" for v in claimed},
                OURS.jobs_in(pipeline) - set(OURS.jobs),
            )


class ChangeTest(testtools.TestCase):
    """Which jobs a change of a file starts, by Zuul's own matchers."""

    def test_each_pattern_is_for_a_file_that_is_there(self) -> None:
        for name, job in OURS.jobs.items():
            for matcher in ("file_matcher", "irrelevant_file_matcher"):
                for part in getattr(job._get(matcher), "matchers", ()):
                    if part.regex.pattern == "^/COMMIT_MSG$":
                        continue
                    self.assertTrue(
                        any(map(part.regex.search, tree.files())),
                        f"{name}: no file matches {part.regex.pattern}",
                    )

    def test_documentation_starts_no_job_of_ours(self) -> None:
        for name in OURS.jobs:
            self.assertFalse(
                OURS.runs_on_change_of(name, "doc/source/a.rst", "README.md"),
                name,
            )

    def test_what_a_devstack_runs_starts_the_scenarios(self) -> None:
        self._starts(
            "nova-dirsvc-plugin-tempest-389ds",
            "devstack/",
            "examples/389ds/",
            "nova_dirsvc_plugin/",
            "nova_dirsvc_tempest_plugin/",
            "playbooks/",
            "pyproject.toml",
            "requirements.txt",
            "roles/collect-nova-dirsvc-logs/",
            "zuul.d/",
        )

    def test_the_http_service_starts_the_scenarios_with_it(self) -> None:
        self._starts("nova-dirsvc-plugin-tempest-rest", "examples/rest/")

    def test_what_functional_tests_run_starts_them(self) -> None:
        for name in ("functional", "nova-in-process", "nova-oldest"):
            self._starts(
                layout.PREFIX + name,
                "bindep.txt",
                "constraints.txt",
                "examples/389ds/",
                "examples/rest/",
                "nova_dirsvc_plugin/",
                "requirements.txt",
                "test-requirements.txt",
                "tests/functional/",
                "tox.ini",
            )

    def test_what_is_bash_starts_its_tests(self) -> None:
        self._starts(
            "nova-dirsvc-plugin-bash-unit",
            "devstack/lib/",
            "devstack/plugin.sh",
            "devstack/settings",
            "tests/devstack/",
            "tests/tools/",
            "tools/check-shell",
            "tox.ini",
        )

    def test_what_is_zuuls_starts_these_tests(self) -> None:
        self._starts(
            "nova-dirsvc-plugin-zuul",
            ".ansible-lint",
            "devstack/settings",
            "playbooks/",
            "roles/",
            "tests/zuul/",
            "tox.ini",
            "zuul.d/",
        )

    def _starts(self, name: str, *beginnings: str) -> None:
        for beginning in beginnings:
            files = [
                file
                for file in tree.files()
                if file.startswith(beginning)
                and not file.endswith((".md", ".rst"))
            ]
            self.assertTrue(files, f"nothing begins with {beginning}")
            for file in files:
                self.assertTrue(
                    OURS.runs_on_change_of(name, file),
                    f"{file} does not start {name}",
                )
