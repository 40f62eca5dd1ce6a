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
    "sync": {
        "amqp",
        "cliff",
        "keystoneauth1",
        "kombu",
        "oslo-log",
        "oslo-reports",
        "oslo-service[threading]",
        "oslo-upgradecheck",
        "prometheus-client",
        "sdnotify",
        "stevedore",
    },
    "tempest": {"python-ldap", "tempest"},
}

#: What is installed below share/.
SHARED = {
    "man/man8/nova-dirsvc-manage.8",
    "man/man8/nova-dirsvc-status.8",
    "man/man8/nova-dirsvc-sync.8",
    "nova-dirsvc/logrotate.d/nova-dirsvc",
    "nova-dirsvc/nova-dirsvc.conf.sample",
    "nova-dirsvc/openapi.yaml",
    "nova-dirsvc/schema.ldif",
    "nova-dirsvc/systemd/nova-dirsvc-sync.service",
    "nova-dirsvc/sysusers.d/nova-dirsvc.conf",
    "nova-dirsvc/tmpfiles.d/nova-dirsvc.conf",
}


def build(source, **environment):
    """Build a wheel by the build back end itself, which is what pip calls.

    :returns: its path
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PBR_", "GIT_"))
    }
    # Nor may an option of git's own files trust what is another's.
    kept |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    target = source.with_name("wheels")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from pbr import build; build.build_wheel({str(target)!r})",
        ],
        cwd=source,
        env=kept | environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    [wheel] = target.glob("*.whl")
    return wheel


class SourceTest(base.TestCase):
    """What it is built of need not be a clone of one's own."""

    def setUp(self):
        super().setUp()
        if not (CHECKOUT / ".git").exists():
            self.skipTest("this is no clone")
        self.origin = self.folder / "origin"
        self.git("clone", "-q", "--depth", "1", f"file://{CHECKOUT}", "origin")
        # What is not committed yet is to be built, too.
        for name in ("setup.py", ".gitattributes", ".git_archival.txt"):
            shutil.copy(CHECKOUT / name, self.origin / name)
        self.in_origin("add", "--all")
        self.in_origin("commit", "-q", "--allow-empty", "-m", "a change")
        self.head = self.in_origin("rev-parse", "--short", "HEAD")

    def git(self, *words):
        return subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=m", *words],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def in_origin(self, *words):
        return self.git("-C", "origin", *words)

    def version_of_archive(self):
        """Return the version of the wheel of an archive, without git."""
        self.git("-C", "origin", "archive", "--output=../a.tar", "HEAD")
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        shutil.unpack_archive(self.folder / "a.tar", folder / "x")
        return build(folder / "x").name.split("-")[1]

    def test_an_archive_is_of_its_commit_or_tag(self):
        self.assertEqual(f"0.0.0+g{self.head}", self.version_of_archive())
        self.in_origin("tag", "-a", "-m", "t", "3.1.0")
        self.assertEqual("3.1.0", self.version_of_archive())
        self.in_origin("commit", "-q", "--allow-empty", "-m", "another")
        self.assertEqual("3.1.0.post1", self.version_of_archive())

    def test_a_copy_without_any_of_that_is_built_as_well(self):
        shutil.rmtree(self.origin / ".git")
        (self.origin / ".git_archival.txt").unlink()
        self.assertIn("-0.0.0-", build(self.origin).name)

    def test_a_clone_of_another_account_has_its_own_version(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give a clone to another account")
        self.in_origin("tag", "-a", "-m", "t", "3.1.0")
        for path in (self.origin, *self.origin.rglob("*")):
            os.chown(path, 65534, 65534, follow_symlinks=False)
        self.assertIn("-3.1.0-", build(self.origin).name)


def build_sdist(source):
    """Build a source distribution, and unpack it.

    :returns: its folder
    """
    target = source.with_name("sdists")
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"from pbr import build; build.build_sdist({str(target)!r})",
        ],
        cwd=source,
        env=os.environ | {"PBR_VERSION": "1.2.3"},
        check=True,
        capture_output=True,
    )
    [archive] = target.glob("*.tar.gz")
    shutil.unpack_archive(archive, target)
    return target / archive.name.removesuffix(".tar.gz")


class InstallationTest(base.TestCase):
    """An empty environment has what the wheel of an sdist brings."""

    def test_an_operator_finds_what_he_needs_below_the_prefix(self):
        source = self.folder / "source"
        shutil.copytree(CHECKOUT, source, ignore=NO_SOURCES)
        wheel = build(build_sdist(source), PBR_VERSION="1.2.3")
        prefix = self.folder / "prefix"
        subprocess.run([sys.executable, "-m", "venv", prefix], check=True)
        subprocess.run(
            [prefix / "bin/pip", "install", "--no-deps", "--no-index", wheel],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        found = {
            str(path.relative_to(prefix / "share"))
            for path in prefix.glob("share/**/*")
            if path.is_file()
        }
        self.assertEqual(SHARED, found)
        for program in ("nova-dirsvc-manage", "nova-dirsvc-sync"):
            self.assertTrue((prefix / "bin" / program).exists(), program)


class WheelTest(base.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        source = folder / "source"
        shutil.copytree(CHECKOUT, source, ignore=NO_SOURCES)
        wheel = build(source, PBR_VERSION="1.2.3")
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
                "nova_dirsvc_plugin-1.2.3.data",
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
