# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The wheel that is built of this checkout: what pip would read of it."""

import collections
import email
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

from packaging import requirements, utils

from tests.unit import base

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]

#: What is made in a checkout, perhaps at this moment.
NO_SOURCES = shutil.ignore_patterns(
    ".*", "*.egg-info", "__pycache__", "build", "cover"
)

#: Extra -> what it requires; by none, what a Nova must have.
REQUIRED = {
    "": {"oslo-config", "oslo-messaging", "packaging"},
    "ldap": {"python-ldap"},
    "rest": {"oauthlib", "requests", "urllib3"},
    "sync": {"cliff", "keystoneauth1", "oslo-log", "oslo-service[threading]"},
    "tempest": {"python-ldap", "tempest"},
}


class WheelTest(base.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        source = folder / "source"
        shutil.copytree(CHECKOUT, source, ignore=NO_SOURCES)
        # By the build back end itself, which is what pip calls.
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from pbr import build; build.build_wheel('..')",
            ],
            cwd=source,
            env=os.environ | {"PBR_VERSION": "1.2.3"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        [wheel] = folder.glob("*.whl")
        cls.wheel = cls.enterClassContext(zipfile.ZipFile(wheel))

    def test_each_role_requires_its_libraries_and_no_more(self):
        metadata = self.metadata()
        self.assertEqual(
            REQUIRED.keys() - {""}, set(metadata.get_all("Provides-Extra"))
        )
        required = collections.defaultdict(set)
        for line in metadata.get_all("Requires-Dist"):
            wanted = requirements.Requirement(line)
            name = utils.canonicalize_name(wanted.name)
            for more in wanted.extras:
                name += f"[{more}]"
            for extra in REQUIRED:
                # What has no marker is for whoever asks for no extra, too.
                if (extra == "") == (wanted.marker is None) and (
                    not extra or wanted.marker.evaluate({"extra": extra})
                ):
                    required[extra].add(name)
        self.assertEqual(REQUIRED, dict(required))

    def test_it_has_the_two_packages_and_nothing_of_the_equipment(self):
        folders = {name.partition("/")[0] for name in self.wheel.namelist()}
        self.assertEqual(
            {
                "nova_dirsvc_plugin",
                "nova_dirsvc_plugin-1.2.3.dist-info",
                "nova_dirsvc_tempest_plugin",
            },
            folders,
        )

    def test_it_says_that_the_package_has_types(self):
        # PEP 561
        self.assertIn("nova_dirsvc_plugin/py.typed", self.wheel.namelist())

    def metadata(self):
        [name] = (
            name
            for name in self.wheel.namelist()
            if name.endswith(".dist-info/METADATA")
        )
        return email.message_from_bytes(self.wheel.read(name))
