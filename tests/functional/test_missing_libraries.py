# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The programs where not every directory driver's library is installed."""

import os
import pathlib
import subprocess
import sys

import fixtures
import testtools

#: The library of each driver that needs one.
LIBRARIES = {"ldap": "ldap", "rest": "oauthlib"}

#: Python's own way to have an import fail, then the program in the process.
RUN = """
import sys

missing, module, function, *sys.argv = sys.argv[1:]
for library in missing.split():
    sys.modules[library] = None
sys.exit(getattr(__import__(module, fromlist=["*"]), function)())
"""


class MissingLibrariesTest(testtools.TestCase):
    def run_without(self, libraries, module, function, *arguments):
        """Run a program; give its exit status and what it printed."""
        known = os.environ.keys() - {"PYTHONWARNINGS"}  # tox sets it
        done = subprocess.run(
            [
                *(sys.executable, "-c", RUN, " ".join(libraries)),
                *(module, function, "program", *arguments),
            ],
            env={name: os.environ[name] for name in known},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def check_directory(self, libraries, name):
        return self.run_without(
            libraries,
            *("nova_dirsvc_plugin.cmd.scripts", "manage"),
            *("check-directory", name),
        )

    def sync(self, libraries, name):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        file = folder / "sync.conf"
        file.write_text(
            f"[nova_dirsvc]\noutbox = {folder}/outbox.db\n"
            f"directories = {name}\n"
        )
        return self.run_without(
            libraries,
            *("nova_dirsvc_plugin.cmd.scripts", "sync"),
            *("--config-file", str(file)),
        )

    def test_a_name_that_there_is_not_is_one_line(self):
        said = (
            "there is no directory driver 'nope'; installed are: ldap, log,"
            " memory, rest\n"
        )
        for libraries in ((), *zip(LIBRARIES.values()), LIBRARIES.values()):
            self.assertEqual(
                (2, "", said), self.check_directory(libraries, "nope")
            )
            self.assertEqual(
                (2, "", refusal("nope", said)),
                self.sync(libraries, "nope"),
            )

    def test_a_library_that_is_missing_is_named_in_one_line(self):
        for name, library in LIBRARIES.items():
            said = (
                f"directory driver '{name}' cannot be loaded: import of"
                f" {library} halted; None in sys.modules; install"
                f" nova-dirsvc-plugin[{name}], which brings what it needs\n"
            )
            self.assertEqual(
                (2, "", said), self.check_directory([library], name)
            )
            self.assertEqual(
                (2, "", refusal(name, said)),
                self.sync([library], name),
            )

    def test_options_of_the_others_are_generated(self):
        for name, library in LIBRARIES.items():
            status, out, err = self.run_without(
                [library],
                *("oslo_config.generator", "main"),
                *("--namespace", "nova_dirsvc_plugin"),
            )
            self.assertEqual(0, status, err)
            groups = [
                line for line in out.splitlines() if line.startswith("[")
            ]
            self.assertNotIn(f"[{name}]", groups)
            for other in {"ldap", "log", "rest"} - {name}:
                self.assertIn(f"[{other}]", groups)
            self.assertEqual(1, err.count("\n"), err)
            self.assertIn(f"No options of {name}: ", err)


def refusal(name, said):
    """Return how the daemon says it, with what to do."""
    return (
        f"nova-dirsvc-sync: directory {name}: {said.rstrip()}: correct"
        " [nova_dirsvc] directories, or install what is missing\n"
    )
