# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import bz2
import dataclasses
import gzip
import json
import lzma
import os
import pathlib
import re
import resource
import stat
import time

import fixtures
import hypothesis
import testtools
from hypothesis import strategies

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base, log
from tests import drivers
from tests.functional import directory_contract

#: 2015-03-22 06:53:00 UTC
MOMENT = 1427007180
REGISTERING = "Registering instance with directory service at"
UNREGISTERING = "Unregistering instance from directory service at"
KEYS = [
    "image_uuid",
    "instance_uuid",
    "mac_address",
    "project_name",
    "user_name",
    "user_remote_address",
]
#: All that there is, halves of UTF-16 pairs and control characters included,
#: and what the lines themselves are made of.
ANYTHING = strategies.text(strategies.characters(exclude_categories=()))
NAMES = ANYTHING | strategies.builds(
    "{}\n{} 2015-03-22 06:53:45.064330: {{\"{}\"}}\n{}".format,
    ANYTHING,
    strategies.sampled_from([REGISTERING, UNREGISTERING]),
    ANYTHING,
    ANYTHING,
)
RECORDS = strategies.builds(
    events.HostRecord,
    instance_uuid=strategies.uuids().map(str),
    **dict.fromkeys(
        (
            "display_name",
            "host_name",
            "project_name",
            "user_name",
            "user_remote_address",
            "image_uuid",
        ),
        NAMES,
    ),
    addresses=strategies.none()
    | strategies.lists(
        strategies.builds(events.Address, NAMES, NAMES, NAMES), max_size=3
    ).map(tuple),
)


class LogDirectoryTest(directory_contract.OutageContract, testtools.TestCase):
    OVERLAPS = 0

    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(folder) / "log" / "nova_dirsvc_plugin.log"
        self.path.parent.mkdir()
        self.time_zone = "utc"
        self.now = MOMENT

    def driver(self, owner="nova"):
        conf = drivers.configured(
            "log", path=str(self.path), time_zone=self.time_zone
        )
        return log.LogDirectory(conf.log, owner, clock=lambda: self.now)

    def lines(self):
        return self.path.read_bytes().decode("ascii").splitlines()

    def break_directory(self):
        moved = self.path.parent.with_name("moved")
        self.path.parent.rename(moved)
        return lambda: moved.rename(self.path.parent)

    def test_the_two_kinds_of_line_read_as_promised(self):
        one = directory_contract.record(
            "2cb805cf-debe-43ae-a555-28a4a5d84694",
            image_uuid="035c2bc7-f2be-4607-afcf-c3b6237e9fe5",
            project_name="admin",
            user_name="admin",
            user_remote_address="192.168.122.97",
            addresses=(events.Address("10.0.0.2", "fa:16:3e:56:50:29"),),
        )
        self.now = MOMENT + 0.510936
        self.register(one)
        self.now = MOMENT + 45.06433
        self.unregister(one)
        self.assertEqual(
            [
                "Registering instance with directory service at"
                " 2015-03-22 06:53:00.510936:"
                ' {"image_uuid": "035c2bc7-f2be-4607-afcf-c3b6237e9fe5",'
                ' "instance_uuid": "2cb805cf-debe-43ae-a555-28a4a5d84694",'
                ' "mac_address": "fa:16:3e:56:50:29",'
                ' "project_name": "admin", "user_name": "admin",'
                ' "user_remote_address": "192.168.122.97"}',
                "Unregistering instance from directory service at"
                " 2015-03-22 06:53:45.064330:"
                ' {"instance_uuid": "2cb805cf-debe-43ae-a555-28a4a5d84694"}',
            ],
            self.lines(),
        )

    def test_each_verb_is_one_of_the_two_kinds(self):
        one = directory_contract.record()
        for verb in events.Verb:
            self.apply(verb, one)
        self.assertEqual(
            {
                events.Verb.REGISTER: "Registering",
                events.Verb.REFRESH: "Registering",
                events.Verb.RESTORE: "Registering",
                events.Verb.UNREGISTER: "Unregistering",
                events.Verb.SOFT_UNREGISTER: "Unregistering",
            },
            dict(
                zip(
                    events.Verb,
                    (line.split()[0] for line in self.lines()),
                    strict=True,
                )
            ),
        )

    def test_microseconds_are_shown_even_if_there_are_none(self):
        self.register(directory_contract.record())
        [line] = self.lines()
        self.assertIn(" at 2015-03-22 06:53:00.000000: {", line)

    def test_the_time_is_local_where_one_says_so(self):
        self.addCleanup(time.tzset)
        self.useFixture(fixtures.EnvironmentVariable("TZ", "Asia/Kolkata"))
        time.tzset()
        one, two = directory_contract.record(), directory_contract.record()
        self.register(one)
        self.time_zone = "local"
        self.register(two)
        utc, local = self.lines()
        self.assertIn(" at 2015-03-22 06:53:00.000000: {", utc)
        self.assertIn(" at 2015-03-22 12:23:00.000000: {", local)
        self.assert_held(one, two)

    @hypothesis.settings(
        deadline=None,  # each writes to the disk
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    @hypothesis.given(
        records=strategies.lists(
            RECORDS, max_size=4, unique_by=lambda item: item.instance_uuid
        ),
        now=strategies.floats(0, 4e9),
    )
    def test_whatever_names_say_each_change_is_one_line_of_print(
        self, records, now
    ):
        self.path.unlink(missing_ok=True)
        self.now = now
        self.register(*records)
        self.assert_held(*records)
        self.unregister(*records)
        self.assert_held()
        text = self.path.read_bytes().decode("ascii")
        self.assertEqual("", re.sub("[ -~\n]", "", text))
        lines = text.splitlines()
        self.assertEqual(2 * len(records), len(lines))
        for item, line in zip(records * 2, lines, strict=True):
            removes = line.startswith("Un")
            words, _, said = line.partition(": ")
            self.assertRegex(
                words,
                f"^{UNREGISTERING if removes else REGISTERING}"
                r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$",
            )
            said = json.loads(said)
            if removes:
                self.assertEqual({"instance_uuid": item.instance_uuid}, said)
            else:
                self.assertEqual(KEYS, list(said))
                self.assertEqual(item.essentials(), said)

    def test_of_several_addresses_the_first_mac_is_written(self):
        one = directory_contract.record(
            addresses=(
                events.Address("10.0.0.54"),
                events.Address("10.0.0.54", "fa:16:3e:00:00:02"),
                events.Address("10.0.1.54", "fa:16:3e:00:00:01"),
            )
        )
        self.register(one)
        [line] = self.lines()
        self.assertIn('"mac_address": "fa:16:3e:00:00:02"', line)

    def test_what_is_not_known_is_an_empty_text(self):
        self.register(events.HostRecord(instance_uuid="u"))
        [line] = self.lines()
        said = json.loads(line.partition(": ")[2])
        self.assertEqual(
            dict.fromkeys(KEYS, "") | {"instance_uuid": "u"}, said
        )

    def test_lines_of_an_earlier_release_are_still_read(self):
        stays, goes, comes_back = (
            directory_contract.record(user_name=directory_contract.HOSTILE)
            for _ in range(3)
        )

        def old(words, item, address="ldaps://directory.example: {x}: {"):
            return (
                f"2026-11-22T10:27:55.812Z {words} {address}:"
                f" {json.dumps(item.essentials())}\n"
            )

        self.path.write_text(
            old(REGISTERING, stays)
            + old(REGISTERING, goes, str(self.path))
            + old(REGISTERING, comes_back)
            + old(UNREGISTERING, comes_back)
        )
        self.unregister(goes)
        newer = dataclasses.replace(comes_back, user_name="bob")
        self.apply(events.Verb.RESTORE, newer)
        self.assert_held(stays, newer)

    def test_lines_that_are_none_of_ours_are_passed_over(self):
        one = directory_contract.record()
        self.register(one)
        start = f"{REGISTERING} 2015-03-22 06:53:00.510936: "
        with self.path.open("ab") as file:
            file.writelines(
                line + b"\n"
                for line in (
                    b"",
                    b"\xff\xfe",
                    f'{start}{{"instance_uuid": "a}}'.encode(),
                    f"{start}{{}}".encode(),
                    f'{start}{{"instance_uuid": "a", "b": 1}}'.encode(),
                    f"{REGISTERING} today: {{}}".encode(),
                )
            )
        self.assert_held(one)

    def test_a_line_that_a_crash_cut_off_spoils_no_other(self):
        one, cut, two = (directory_contract.record() for _ in range(3))
        self.register(one)
        self.register(cut)
        self.path.write_text(self.path.read_text()[:-20])
        self.register(two)
        self.assert_held(one, two)

    def test_a_batch_that_does_not_fit_leaves_nothing_of_it(self):
        self.register(directory_contract.record())
        before = self.path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (len(before) + 400, limits[1])
        )
        outcomes = self.register(*(directory_contract.record() for _ in "abc"))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        for outcome in outcomes:
            self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual(before, self.path.read_bytes())

    def test_a_new_file_is_not_for_all_and_one_that_is_there_stays(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.register(directory_contract.record())
        self.assertEqual(0o640, stat.S_IMODE(self.path.stat().st_mode))
        self.path.chmod(0o604)
        self.register(directory_contract.record())
        self.assertEqual(0o604, stat.S_IMODE(self.path.stat().st_mode))

    def test_nothing_is_written_or_read_through_a_link(self):
        target = self.path.with_name("target")
        for link in (self.path.symlink_to, self.path.hardlink_to):
            self.register(directory_contract.record())
            self.path.rename(target)
            content = target.read_bytes()
            link(target)
            self.check_refused()
            self.assertEqual(content, target.read_bytes())
            self.path.unlink()
        self.path.symlink_to(self.path.with_name("missing"))
        self.check_refused()
        self.assertFalse(self.path.exists())

    def test_a_pipe_in_the_place_of_the_file_stops_nothing(self):
        os.mkfifo(self.path)
        self.check_refused()

    def check_refused(self):
        (outcome,) = self.register(directory_contract.record())
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertRegex(outcome.reason, f"^{self.path}: is .*: remove ")
        error = self.assertRaises(
            base.DirectoryUnavailable, list, self.driver().entries()
        )
        self.assertEqual(outcome.reason, str(error))

    def test_a_rotated_file_is_made_again(self):
        driver = self.driver()
        self.register(directory_contract.record(), driver=driver)
        self.path.rename(self.path.with_suffix(".1"))
        one = directory_contract.record()
        self.register(one, driver=driver)
        self.assert_held(one)

    def test_what_a_rotated_file_says_is_found_and_no_longer_listed(self):
        ways = {
            "nova_dirsvc_plugin.log.1": pathlib.Path.write_bytes,
            "nova_dirsvc_plugin.log.2.gz": compressed(gzip),
            "nova_dirsvc_plugin.log-20150321.xz": compressed(lzma),
            "nova_dirsvc_plugin-20150320.log.bz2": compressed(bz2),
        }
        rotated = []
        for name, write in ways.items():
            rotated.append(directory_contract.record())
            self.register(rotated[-1])
            write(self.path.with_name(name), self.path.read_bytes())
            self.path.unlink()
        one = directory_contract.record()
        self.register(one)
        self.assert_held(one)
        absent = directory_contract.record()
        self.assertEqual(
            {
                item.instance_uuid: {**item.essentials()}
                for item in [*rotated, one]
            },
            self.told(*rotated, one, absent),
        )

    def told(self, *records):
        return {
            entry.record.instance_uuid: entry.record.essentials()
            for entry in self.driver().find(
                [item.instance_uuid for item in records]
            )
        }

    def test_what_was_unregistered_is_found_and_not_listed(self):
        one = directory_contract.record()
        self.register(one)
        self.now += 60
        self.unregister(one)
        self.assert_held()
        (entry,) = self.driver().find([one.instance_uuid])
        self.assertEqual(MOMENT + 60, entry.as_of)
        self.assertEqual(str(self.path), entry.name)
        self.assertEqual({"instance_uuid": [one.instance_uuid]}, entry.content)

    def test_a_rotated_file_that_cannot_be_read_is_no_end(self):
        cut = gzip.compress(b"x" * 1000)[:-9]
        for name, content in (
            ("nova_dirsvc_plugin.log.1.gz", b"no gzip"),
            ("nova_dirsvc_plugin.log.1.gz", cut),
            ("nova_dirsvc_plugin.log.1.xz", b"no xz"),
            ("nova_dirsvc_plugin.log.1.bz2", b"no bzip2"),
            ("nova_dirsvc_plugin.log.1.zst", b"(\xb5/\xfd"),
        ):
            path = self.path.with_name(name)
            path.write_bytes(content)
            one = directory_contract.record()
            self.register(one)
            error = self.assertRaises(
                base.DirectoryUnavailable, self.told, one
            )
            self.assertIn(str(path), str(error))
            self.assert_held(one)
            path.unlink()
            self.path.unlink()

    def test_an_entry_has_the_time_of_its_line(self):
        one = directory_contract.record()
        self.register(one)
        old = directory_contract.record()
        with self.path.open("a") as file:
            file.write(
                f"2015-03-22T06:53:00.812Z {REGISTERING} somewhere:"
                f" {json.dumps(old.essentials())}\n"
            )
        self.assertEqual(
            {one.instance_uuid: MOMENT, old.instance_uuid: MOMENT + 0.812},
            {
                entry.record.instance_uuid: entry.as_of
                for entry in self.driver().entries()
            },
        )

    def test_nothing_is_a_difference(self):
        one = directory_contract.record()
        self.register(one)
        (entry,) = self.driver().entries()
        newer = dataclasses.replace(one, user_name="bob")
        state = events.HostState(events.Verb.REFRESH, newer, MOMENT + 60)
        self.assertEqual([], self.driver().differences(entry, state))


def compressed(how):
    return lambda path, data: path.write_bytes(how.compress(data))
