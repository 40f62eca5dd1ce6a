# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories import conformance, memory
from tests.unit import base

Need = conformance.Need


class ConformanceTestCase(base.TestCase):
    """A run on a directory in memory that both owners share."""

    def findings(self, driver=memory.MemoryDirectory):
        self.content = {}

        def make(owner):
            made = driver(None, owner)
            made.content = self.content
            return made

        trial = conformance.Trial(make, "nova", 1795348800.0)
        return {finding.check: finding for finding in conformance.run(trial)}

    def failed(self, driver):
        return {
            check
            for check, finding in self.findings(driver).items()
            if finding.holds is False
        }


class SoundTest(ConformanceTestCase):
    def test_all_holds_of_a_directory_that_keeps_the_contract(self):
        findings = self.findings()
        self.assertEqual(
            {True}, {finding.holds for finding in findings.values()}
        )
        self.assertEqual(
            set(Need) - {Need.SPEED},
            {finding.need for finding in findings.values()},
        )

    def test_what_the_driver_measures_is_a_finding(self):
        class Slow(memory.MemoryDirectory):
            def measurements(self):
                yield directories.Measurement("it is fast", False, "9 ms")

        self.assertEqual(
            conformance.Finding("it is fast", Need.SPEED, False, "9 ms"),
            self.findings(Slow)["it is fast"],
        )

    def test_a_directory_may_round_the_time_up(self):
        class Rounds(memory.MemoryDirectory):
            def find(self, uuids):
                for entry in super().find(uuids):
                    as_of = entry.as_of + 1e-6
                    yield dataclasses.replace(entry, as_of=as_of)

        self.assertEqual(set(), self.failed(Rounds))

    def test_nothing_is_left_of_it(self):
        self.findings()
        self.assertEqual({}, self.content)

    def test_what_is_there_already_is_not_touched(self):
        kept = memory.Kept("nova", events.HostRecord(instance_uuid="x"), 1.0)

        class WithOthers(memory.MemoryDirectory):
            def apply(self, states):
                self.content.setdefault("x", kept)
                return super().apply(states)

        self.assertEqual(set(), self.failed(WithOthers))
        self.assertEqual({"x": kept}, self.content)


class UnsoundTest(ConformanceTestCase):
    """What each check is there to find."""

    def test_one_out_of_reach_is_said_to_be_so_at_once(self):
        class Out(memory.MemoryDirectory):
            def apply(self, states):
                return [directories.Unavailable("out")] * len(states)

        error = self.assertRaises(
            directories.DirectoryUnavailable, self.findings, Out
        )
        self.assertEqual("out", str(error))

    def test_one_that_loses_what_it_took_is_found(self):
        class Forgets(memory.MemoryDirectory):
            def _apply(self, state):
                return directories.Done()

        self.assertEqual(
            set(),
            {"entries are read as they were written", "all entries are read"}
            - self.failed(Forgets),
        )

    def test_one_that_never_removes_is_found(self):
        class Keeps(memory.MemoryDirectory):
            def _apply(self, state):
                if state.verb.removes:
                    return directories.Done()
                return super()._apply(state)

        self.assertEqual(
            {
                "removed entries are not read",
                "soft-unregister removes only older entries",
            },
            self.failed(Keeps) - {"entries of other owners are not changed"},
        )

    def test_one_whose_batches_last_too_long_is_found(self):
        self.patch(directories, "LONGEST_BATCH", 0.0)
        self.assertEqual(
            {"a batch ends within 60 s"}, self.failed(memory.MemoryDirectory)
        )

    def test_one_that_writes_what_it_looks_up_is_found(self):
        class Hasty(memory.MemoryDirectory):
            def apply_overlapping(self, states, meanwhile):
                meanwhile()
                return self.apply(states)

            def look_ahead(self, states):
                self.apply(states)

        self.assertEqual({"looking ahead writes nothing"}, self.failed(Hasty))

    def test_one_that_asks_for_other_work_twice_is_found(self):
        class Twice(memory.MemoryDirectory):
            def apply_overlapping(self, states, meanwhile):
                meanwhile()
                meanwhile()
                return self.apply(states)

        failed = self.findings(Twice)["looking ahead writes nothing"]
        self.assertFalse(failed.holds)
        self.assertIn("2 times", failed.detail)

    def test_one_that_refuses_a_second_time_is_found(self):
        class Once(memory.MemoryDirectory):
            def _apply(self, state):
                if state.record.instance_uuid in self.content:
                    return directories.Rejected("409 there is one")
                return super()._apply(state)

        failed = self.findings(Once)["registering twice changes nothing"]
        self.assertFalse(failed.holds)
        self.assertIn("409 there is one", failed.detail)

    def test_one_that_refuses_what_is_not_there_is_found(self):
        class Strict(memory.MemoryDirectory):
            def _apply(self, state):
                known = state.record.instance_uuid in self.content
                if state.verb.removes and not known:
                    return directories.Rejected("404 not found")
                return super()._apply(state)

        self.assertEqual(
            {"unregistering an unknown instance succeeds"}, self.failed(Strict)
        )

    def test_one_that_heeds_no_time_is_found(self):
        class Timeless(memory.MemoryDirectory):
            def _apply(self, state):
                return super()._apply(dataclasses.replace(state, as_of=4e9))

        self.assertEqual(
            {
                "a change is a difference until it is written",
                "an older state replaces nothing",
                "soft-unregister removes only older entries",
                "the time of a state is read back",
            },
            self.failed(Timeless),
        )

    def test_one_that_takes_silence_for_news_is_found(self):
        class Blank(memory.MemoryDirectory):
            def _apply(self, state):
                if not state.verb.removes:
                    self.content.pop(state.record.instance_uuid, None)
                return super()._apply(state)

        self.assertIn("what a state leaves out is kept", self.failed(Blank))

    def test_one_that_heeds_no_owner_is_found(self):
        class Ownerless(memory.MemoryDirectory):
            def __init__(self, options, owner):
                super().__init__(options, "everybody")

        self.assertEqual(
            {
                "entries of other owners are found by uuid",
                "entries of other owners are not changed",
                "entries of other owners are not listed",
            },
            self.failed(Ownerless),
        )

    def test_one_that_cannot_bear_names_is_found(self):
        class Ascii(memory.MemoryDirectory):
            def _apply(self, state):
                if not state.record.display_name.isascii():
                    return directories.Unavailable("500 oops")
                return super()._apply(state)

        self.assertEqual(
            {
                "a second comparison finds nothing",
                "any Unicode text is accepted",
            },
            self.failed(Ascii),
        )

    def test_one_that_gives_the_first_page_only_is_found(self):
        class OnePage(memory.MemoryDirectory):
            def entries(self):
                return list(super().entries())[-50:]

        self.assertIn("all entries are read", self.failed(OnePage))


class UnsoundComparisonTest(ConformanceTestCase):
    """Faults that make each run write again, or make none write."""

    def test_one_that_compares_what_it_does_not_keep_is_found(self):
        class DropsMacs(memory.MemoryDirectory):
            def _apply(self, state):
                addresses = state.record.addresses
                if addresses and len({one.mac for one in addresses}) > 1:
                    addresses = [
                        dataclasses.replace(one, mac="") for one in addresses
                    ]
                record = dataclasses.replace(
                    state.record, addresses=addresses and tuple(addresses)
                )
                return super()._apply(
                    dataclasses.replace(state, record=record)
                )

        self.assertEqual(
            {"a second comparison finds nothing"}, self.failed(DropsMacs)
        )
        failed = self.findings(DropsMacs)["a second comparison finds nothing"]
        self.assertIn("two NICs: addresses is", failed.detail)

    def test_one_whose_record_changes_what_it_was_read_from_is_found(self):
        class ReadsNoImage(memory.MemoryDirectory):
            def find(self, uuids):
                for entry in super().find(uuids):
                    record = dataclasses.replace(entry.record, image_uuid="")
                    yield dataclasses.replace(entry, record=record)

        failed = self.findings(ReadsNoImage)
        failed = failed["a second comparison finds nothing"]
        self.assertFalse(failed.holds)
        self.assertIn("as it is read: image_uuid", failed.detail)

    def test_one_that_sees_no_difference_is_found(self):
        class Blind(memory.MemoryDirectory):
            def differences(self, entry, state):
                return []

        self.assertEqual(
            {
                "a change is a difference until it is written",
                "an older state is no difference",
            },
            self.failed(Blind),
        )

    def test_one_that_finds_its_own_alone_is_found(self):
        class OwnOnly(memory.MemoryDirectory):
            def find(self, uuids):
                for entry in super().find(uuids):
                    if entry.owner == self._owner:
                        yield entry

        self.assertEqual(
            {"entries of other owners are found by uuid"}, self.failed(OwnOnly)
        )

    def test_one_that_finds_whatever_it_has_is_found(self):
        class All(memory.MemoryDirectory):
            def find(self, uuids):
                return super().find(list(self.content))

        self.assertIn("entries are found by uuid", self.failed(All))


class PeaceTest(ConformanceTestCase):
    def test_one_that_asks_to_be_left_alone_is_waited_for(self):
        slept = []

        class Limited(memory.MemoryDirectory):
            asked = 0

            def _apply(self, state):
                Limited.asked += 1
                if Limited.asked % 30 == 0:
                    return directories.Unavailable("429", 3.0)
                return super()._apply(state)

        def make(owner):
            made = Limited(None, owner)
            made.content = content
            return made

        content = {}
        trial = conformance.Trial(make, "nova", 1795348800.0, slept.append)
        findings = list(conformance.run(trial))
        self.assertEqual({True}, {finding.holds for finding in findings})
        self.assertEqual({}, content)
        self.assertIn(3.0, slept)


class LeastPrivilegeTest(ConformanceTestCase):
    def test_where_nobody_may_write_for_others_that_is_not_tried(self):
        class Ours(memory.MemoryDirectory):
            def _apply(self, state):
                if self._owner != "nova":
                    return directories.Rejected("insufficient access")
                return super()._apply(state)

        for finding in self.findings(Ours).values():
            if finding.need is Need.OWNERS:
                self.assertIsNone(finding.holds)
                self.assertIn("another owner mark is refused", finding.detail)
            else:
                self.assertTrue(finding.holds, finding)


class UnreadableTest(ConformanceTestCase):
    def test_what_cannot_be_read_is_not_tried_and_the_rest_holds(self):
        class Sink(memory.MemoryDirectory):
            def entries(self):
                raise directories.EntriesNotKept("no list")

            def find(self, uuids):
                raise directories.EntriesNotKept("no list")

        for finding in self.findings(Sink).values():
            if finding.need is Need.ALWAYS:
                self.assertTrue(finding.holds, finding)
            elif finding.check != "entries of other owners are not changed":
                self.assertIsNone(finding.holds, finding)
                self.assertEqual("no list", finding.detail)

    def test_a_record_of_events_has_no_time_and_no_owners(self):
        class Record(memory.MemoryDirectory):
            APPEND_ONLY = True

            def differences(self, entry, state):
                return []

        for finding in self.findings(Record).values():
            if (
                finding.need in (Need.WRITERS, Need.OWNERS)
                or "is a difference" in finding.check
            ):
                self.assertIsNone(finding.holds)
            else:
                self.assertTrue(finding.holds)
