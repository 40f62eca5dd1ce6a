# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``nova-dirsvc-manage check-directory`` on real directory services."""

import json
import pathlib
import sys

import ldap
import testtools

from tests import processes
from tests.functional import directory389, hostile_service, rest_service
from tests.functional.test_sync import command

PROGRAM = pathlib.Path(sys.executable).with_name("nova-dirsvc-manage")


class CheckDirectoryTest(testtools.TestCase):
    def check(self, *arguments, file=None, before=None):
        """Run the program; give its exit status and check -> its line.

        :param before: a file of which *file* replaces some options
        """
        program = command([PROGRAM], filter(None, (before, file)))
        words = ("check-directory", *arguments, "-f", "json")
        done = processes.run(*program, *words)
        self.addDetail(
            "said", testtools.content.text_content(done.stdout + done.stderr)
        )
        self.assertNotIn("Traceback", done.stderr)
        lines = json.loads(done.stdout) if done.stdout else []
        return done.returncode, {line["Check"]: line for line in lines}

    def answers(self, lines, needed=None):
        return {
            line["Result"]
            for line in lines.values()
            if needed in (None, line["Required for"])
        }

    def test_all_holds_of_the_example_and_nothing_is_left(self):
        service = self.useFixture(rest_service.RestService())
        status, lines = self.check("rest", "--all", file=service.conf_file)
        self.assertEqual((0, {"yes"}), (status, self.answers(lines)))
        with service.session("reader") as session:
            found = session.get(service.url).json()
        self.assertEqual({"instances": []}, found)

    def test_what_one_cloud_needs_holds_of_389_ds(self):
        server = self.useFixture(directory389.Directory389())
        status, lines = self.check("ldap", file=server.conf_file)
        self.assertEqual(0, status)
        for needed in (
            "always",
            "comparing with Nova",
            "several daemons",
            "speed",
        ):
            self.assertEqual({"yes"}, self.answers(lines, needed))

    def test_a_389_ds_that_pays_dearly_for_a_refusal_is_named(self):
        server = self.useFixture(directory389.Directory389())
        manager = server.connect_as_manager()
        manager.modify_s(
            "cn=userRoot,cn=ldbm database,cn=plugins,cn=config",
            [(ldap.MOD_REPLACE, "nsslapd-cachememsize", [b"%d" % (8 << 30)])],
        )
        manager.unbind_s()
        server.stop()
        server.start()
        status, lines = self.check("ldap", file=server.conf_file)
        seen = lines["a refused write costs little"]
        # 1 to 17 ms: by how the kernel maps tables that nothing has touched.
        is_dear = directory389.is_dear(seen["Detail"])
        self.assertEqual(
            (0, "NO" if is_dear else "yes"), (status, seen["Result"])
        )
        self.assertEqual(is_dear, "caches are too large" in seen["Detail"])

    def test_of_a_receiver_of_posts_is_said_what_it_lacks(self):
        receiver = self.useFixture(hostile_service.HostileService())
        status, lines = self.check("rest", "--url", receiver.url)
        self.assertEqual(0, status)
        self.assertEqual({"yes"}, self.answers(lines, "always"))
        self.assertNotIn("yes", self.answers(lines, "several daemons"))
        self.assertEqual(
            1, self.check("rest", "--all", "--url", receiver.url)[0]
        )

    def test_one_that_refuses_what_is_not_there_fails(self):
        receiver = self.useFixture(hostile_service.HostileService())

        def behave(line, request):
            status = 409 if request.method == "DELETE" else 204
            return hostile_service.answers(status, b"no")(line, request)

        receiver.behaviour = behave
        status, lines = self.check("rest", "--url", receiver.url)
        self.assertEqual(1, status)
        self.assertIn("409", lines["an instance is unregistered"]["Detail"])

    def test_the_owner_mark_that_the_directory_refuses_is_named(self):
        server = self.useFixture(directory389.Directory389())
        own = server.folder / "nova-dirsvc.conf"
        own.write_text("[nova_dirsvc]\nowner = my-cloud\n")
        status, lines = self.check("ldap", file=own, before=server.conf_file)
        self.assertEqual(1, status)
        seen = lines["an instance is registered"]["Detail"]
        self.assertIn("owner mark 'my-cloud'", seen)
        self.assertIn("[nova_dirsvc] owner", seen)
        self.assertIn("dirsvc-389ds deploy --owner", seen)
