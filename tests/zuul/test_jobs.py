# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Each job, as it comes out of its parents."""

import re
import tomllib

import testtools
import yaml
from testtools import matchers

from tests.zuul import foreign, layout, tree

OURS = layout.ours()
DEVSTACK_JOBS = [
    name for name in OURS.jobs if OURS.origin(name) == "devstack-tempest"
]
TOX_JOBS = [
    name for name in OURS.jobs if OURS.origin(name).startswith("openstack-tox")
]


class JobTest(testtools.TestCase):
    def test_there_are_jobs_of_both_kinds_and_of_no_other(self) -> None:
        self.assertTrue(DEVSTACK_JOBS)
        self.assertTrue(TOX_JOBS)
        self.assertEqual(set(OURS.jobs), {*DEVSTACK_JOBS, *TOX_JOBS})

    def test_a_name_begins_with_that_of_the_repository(self) -> None:
        self.assertEqual(
            layout.PREFIX, layout.REPOSITORY.replace("_", "-") + "-"
        )
        for name in OURS.jobs:
            self.assertThat(name, matchers.StartsWith(layout.PREFIX))

    def test_a_foreign_parent_or_nodeset_is_known(self) -> None:
        for name, job in OURS.jobs.items():
            self.assertIn(OURS.origin(name), foreign.JOBS, name)
            if job._get("nodeset"):
                self.assertIn(job._get("nodeset"), foreign.NODESETS, name)

    def test_a_variable_is_one_that_somebody_reads(self) -> None:
        for name in OURS.jobs:
            self.assertLessEqual(
                set(OURS.variables(name)), foreign.VARIABLES, name
            )

    def test_a_child_of_a_job_that_runs_differs_in_one_thing(self) -> None:
        text = (layout.ROOT / "zuul.d/jobs.yaml").read_text()
        for stanza in yaml.safe_load(text):
            job = stanza["job"]
            parent = OURS.jobs.get(job["parent"])
            if parent and not parent.abstract:
                differs = set(job) - {"name", "parent", "description"}
                self.assertEqual(1, len(differs), job["name"])

    def test_each_stable_branch_has_a_job_of_its_name(self) -> None:
        branches = {
            name: job.override_checkout
            for name, job in OURS.jobs.items()
            if job.override_checkout
        }
        self.assertEqual(foreign.STABLE_BRANCHES, set(branches.values()))
        for name, branch in branches.items():
            suffix = branch.removeprefix("stable/").replace(".", "-")
            self.assertThat(name, matchers.EndsWith(f"-{suffix}"))


class DevstackJobTest(testtools.TestCase):
    def test_the_plugin_is_this_repository(self) -> None:
        for name in DEVSTACK_JOBS:
            variables = OURS.variables(name)
            [plugin] = tree.Settings({}).plugins
            self.assertEqual(layout.REPOSITORY, plugin)
            self.assertEqual(
                {plugin: f"https://{layout.CANONICAL_NAME} main"},
                variables["devstack_plugins"],
            )
            self.assertIn(layout.CANONICAL_NAME, OURS.required_projects(name))

    def test_it_enables_all_services_of_its_settings(self) -> None:
        for name in DEVSTACK_JOBS:
            if OURS.jobs[name].abstract:
                continue
            variables = OURS.variables(name)
            settings = tree.Settings(variables["devstack_localrc"])
            enabled = {
                service
                for service, on in variables["devstack_services"].items()
                if on
            }
            self.assertEqual({*settings.services, "tempest"}, enabled, name)

    def test_it_disables_services_that_the_parent_has(self) -> None:
        for name in DEVSTACK_JOBS:
            services = OURS.variables(name)["devstack_services"]
            disabled = {service for service, on in services.items() if not on}
            self.assertLessEqual(disabled, foreign.SERVICES, name)

    def test_its_localrc_has_options_of_the_settings(self) -> None:
        options = {*tree.Settings({}).variables, *foreign.LOCALRC}
        for name in DEVSTACK_JOBS:
            localrc = OURS.variables(name).get("devstack_localrc", {})
            self.assertLessEqual(set(localrc), options, name)

    def test_a_job_of_the_listener_differs_in_the_way_in(self) -> None:
        way_in = {
            name: OURS.variables(name)["devstack_localrc"].get(
                "NOVA_DIRSVC_SOURCE"
            )
            for name in DEVSTACK_JOBS
        }
        listening = {name for name, way in way_in.items() if way == "listener"}
        self.assertEqual(
            {
                "nova-dirsvc-plugin-tempest-listener",
                "nova-dirsvc-plugin-tempest-multinode",
            },
            listening,
        )
        self.assertEqual({None, "listener"}, set(way_in.values()))

    def test_the_daemon_reconciles_by_itself_in_one_job(self) -> None:
        # In all others the scenario of lost events runs.
        alone = {
            name
            for name in DEVSTACK_JOBS
            if self._option(name, "RECONCILE_INTERVAL") != "0"
        }
        self.assertEqual({"nova-dirsvc-plugin-tempest-reconcile"}, alone)
        for name in DEVSTACK_JOBS:
            comes_first = name in alone
            self.assertEqual(
                comes_first, self._option(name, "POLL_INTERVAL") != "0", name
            )
            self.assertEqual(
                "sync" if comes_first else "",
                self._option(name, "RECONCILE_POLICY"),
            )
            # Otherwise nothing is removed, and nothing compared.
            self.assertNotEqual("nova", self._option(name, "OWNER"))
            self.assertEqual("True", self._option(name, "ASK_NOVA"))

    @staticmethod
    def _option(name: str, option: str) -> str:
        localrc = OURS.variables(name).get("devstack_localrc", {})
        return tree.Settings(localrc).variables[f"NOVA_DIRSVC_{option}"]

    def test_it_selects_scenarios_and_nothing_else(self) -> None:
        tests = list(tree.tempest_tests())
        self.assertTrue(tests, "nova_dirsvc_tempest_plugin has no test")
        for name in DEVSTACK_JOBS:
            variables = OURS.variables(name)
            # other environments of Tempest select tests by themselves
            self.assertEqual("all", variables["tox_envlist"])
            regex = re.compile(variables["tempest_test_regex"])
            self.assertTrue(any(map(regex.search, tests)), name)
            self.assertFalse(regex.search("tempest.scenario.test_x.X.test_y"))

    def test_tempest_gets_this_repository_as_a_plugin(self) -> None:
        text = (layout.ROOT / "pyproject.toml").read_text()
        project = tomllib.loads(text)["project"]
        self.assertIn("tempest.test_plugins", project["entry-points"])
        for name in DEVSTACK_JOBS:
            plugins = OURS.variables(name)["tempest_plugins"]
            self.assertEqual([layout.REPOSITORY], plugins)

    def test_what_the_playbook_collects_is_published(self) -> None:
        for name in DEVSTACK_JOBS:
            self.assertEqual(
                ["playbooks/collect-nova-dirsvc-logs.yaml"],
                OURS.playbooks(name),
            )
            self.assertEqual(
                {"{{ stage_dir }}/nova-dirsvc": "logs"},
                OURS.variables(name)["zuul_copy_output"],
            )


class SubnodeTest(testtools.TestCase):
    """A second node of a job: what it has in place of the first one's."""

    def setUp(self) -> None:
        super().setUp()
        self.jobs = [
            name
            for name in OURS.jobs
            if "two-node" in (OURS.nodeset(name) or "")
        ]

    def test_there_is_a_job_with_two_nodes(self) -> None:
        self.assertEqual(["nova-dirsvc-plugin-tempest-multinode"], self.jobs)

    def test_it_has_nothing_of_ours(self) -> None:
        for name in self.jobs:
            variables = OURS.group_variables(name, foreign.SUBNODE)
            self.assertLessEqual(set(variables), foreign.GROUP_VARIABLES)
            self.assertEqual({}, variables["devstack_plugins"])
            self.assertNotIn("devstack_services", variables)
            self.assertLessEqual(
                set(variables["devstack_localrc"]), foreign.LOCALRC
            )

    def test_it_publishes_what_the_listener_reads(self) -> None:
        for name in self.jobs:
            localrc = OURS.variables(name)["devstack_localrc"]
            self.assertEqual("listener", localrc["NOVA_DIRSVC_SOURCE"])
            settings = tree.Settings(localrc).variables
            variables = OURS.group_variables(name, foreign.SUBNODE)
            self.assertEqual(
                "both",
                variables["devstack_localrc"]["NOVA_NOTIFICATION_FORMAT"],
            )
            conf = variables["devstack_local_conf"]["post-config"]
            self.assertEqual(
                {
                    "notify_on_state_change": "vm_state",
                    "versioned_notifications_topics": settings[
                        "NOVA_DIRSVC_TOPIC"
                    ],
                },
                conf["$NOVA_CONF"]["notifications"],
            )

    def test_both_nodes_migrate_alike(self) -> None:
        for name in self.jobs:
            first = OURS.variables(name)["devstack_localrc"]
            second = OURS.group_variables(name, foreign.SUBNODE)
            for option in (
                "LIVE_MIGRATION_AVAILABLE",
                "USE_BLOCK_MIGRATION_FOR_LIVE_MIGRATION",
            ):
                self.assertIs(True, first[option], name)
                self.assertIs(True, second["devstack_localrc"][option], name)


class ToxJobTest(testtools.TestCase):
    def test_its_environments_are_in_tox_ini(self) -> None:
        for name in TOX_JOBS:
            for environment in OURS.variables(name)["tox_envlist"].split(","):
                self.assertTrue(
                    tree.has_tox_environment(environment),
                    f"{name}: tox.ini has no {environment}",
                )

    def test_tox_ini_has_not_just_any_environment(self) -> None:
        self.assertTrue(tree.has_tox_environment("nova-threads"))
        self.assertFalse(tree.has_tox_environment("nova-"))
        self.assertFalse(tree.has_tox_environment("nova-gevent"))

    def test_its_profiles_are_in_bindep_txt(self) -> None:
        bindep = (layout.ROOT / "bindep.txt").read_text()
        profiles = {
            word
            for selector in re.findall(r"\[(.*)\]", bindep)
            for word in selector.split()
        }
        for name in TOX_JOBS:
            asked = OURS.variables(name).get("bindep_profile", "").split()
            self.assertLessEqual(set(asked), profiles, name)
