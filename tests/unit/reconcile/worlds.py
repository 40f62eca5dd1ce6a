# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Random clouds with a directory, and random faults of what is asked.

The reading, the comparison, the proof and the directory are the product's.
What is not: what Nova and the directory answer.
"""

import dataclasses

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.reconcile import guard, proof
from tests.unit.reconcile import clouds

Kind = clouds.Kind
Verb = events.Verb

THEIRS = "their-cloud"

#: Seconds from the beginning of a reading at which an entry was written; a
#: clock may be wrong by an hour. The last is at no known time.
MOMENTS = (-86400.0, -3600.0, -60.0, -0.001, 0.0, 0.5, 3600.0, -clouds.READ_AT)

NAMES = ("", "web", " web ", "\x00\n", "\u202etxt", "a" * 300, ":x", "é")


class Tree(memory.MemoryDirectory):
    """A directory that may hold several entries of one instance.

    :ivar others: entries elsewhere
    :ivar cut: uuids that its list leaves out
    :ivar doubled: uuids that its list repeats
    """

    def __init__(self, owner):
        super().__init__(None, owner)
        self.others = []
        self.cut, self.doubled = set(), set()

    def apply(self, states):
        """Write to an entry elsewhere if there is only that one."""
        for state in states:
            key = state.record.instance_uuid
            for entry in list(self.others):
                if (
                    entry.record.instance_uuid == key
                    and key not in self.content
                    and entry.owner == self._owner
                    and not entry.conflict
                ):
                    self.others.remove(entry)
                    self.content[key] = memory.Kept(
                        entry.owner, entry.record, entry.as_of
                    )
        return super().apply(states)

    def entries(self):
        for entry in super().entries():
            key = entry.record.instance_uuid
            if key not in self.cut:
                yield entry
            if key in self.doubled:
                yield entry
        for entry in self.others:
            if entry.owner == self._owner:
                yield entry

    def find(self, uuids):
        yield from super().find(uuids)
        for entry in self.others:
            if entry.record.instance_uuid in uuids:
                yield entry


class World(clouds.Cloud):
    """A cloud with instances and entries of all kinds.

    :ivar living: uuids of instances that Nova has, or may have
    """

    def __init__(self, chance):
        super().__init__("nova" if chance.random() < 0.1 else clouds.OWNER)
        self.chance = chance
        self.directory = Tree(self.owner)
        self.policy = chance.choice((*clouds.Policy, clouds.Policy.SYNC))
        self.silent = self.unsure = 0.0
        for _ in range(chance.choice((0, 1, 5, 40))):
            self.add_instance()
        for _ in range(chance.choice((0, 1, 5, 40))):
            self.add_entry(clouds.new_uuid(chance), "gone")

    # -- what there is -----------------------------------------------------

    def add_instance(self):
        chance = self.chance
        key = self.boot(clouds.new_uuid(chance), **self.fields())
        fate = chance.random()
        if fate < 0.1:
            self.states[key] = dataclasses.replace(
                self.states[key], verb=Verb.SOFT_UNREGISTER
            )
        elif fate < 0.2:
            del self.states[key]
            self.undecided[key] = "being built"
        self.add_entry(key, chance.choice(("none", "same", "same", "other")))

    def add_entry(self, key, what):
        """Have the directory hold something of an instance, or not."""
        chance = self.chance
        seconds = chance.choice(MOMENTS)
        if what == "none":
            return
        fields = self.fields() if what != "same" else {}
        if chance.random() < 0.15:
            other = memory.MemoryDirectory(None, chance.choice(("", THEIRS)))
            other.content = self.directory.content
            self.register(key, seconds, other, **fields)
            return
        self.register(key, seconds, **fields)
        (entry,) = memory.MemoryDirectory.find(self.directory, [key])
        if chance.random() < 0.05:
            self.directory.others.append(
                dataclasses.replace(
                    entry,
                    name=f"{key}-2",
                    owner=chance.choice((self.owner, THEIRS)),
                    conflict=chance.choice(("", "put aside")),
                )
            )

    def fields(self):
        chance = self.chance
        return {
            "display_name": chance.choice(NAMES),
            "project_name": chance.choice(("", "demo")),
            "user_remote_address": chance.choice(("", "192.0.2.9")),
            "addresses": chance.choice(
                (
                    None,
                    (),
                    (events.Address("192.0.2.1", "02:00:00:00:00:01"),),
                    (
                        events.Address("192.0.2.1", "02:00:00:00:00:01"),
                        events.Address("2001:db8::1", "02:00:00:00:00:01"),
                    ),
                )
            ),
        }

    @property
    def living(self):
        return {
            *self.undecided,
            *(
                key
                for key, state in self.states.items()
                if not state.verb.removes
            ),
        }

    def of_others(self):
        """Return all that is not ours to change."""
        return [
            *(
                entry
                for entry in self.directory.others
                if entry.owner != self.owner or entry.conflict
            ),
            *(
                kept
                for kept in self.directory.content.values()
                if kept.owner != self.owner
            ),
        ]

    # -- what goes wrong, and what happens meanwhile -----------------------

    def fail(self):
        """Begin some faults."""
        chance = self.chance
        keys = list(self.states)
        if keys and chance.random() < 0.5:
            self.unlisted = set(
                chance.sample(keys, chance.randint(0, len(keys)))
            )
        if chance.random() < 0.3:
            self.why_not_whole = ("a cell is down",)
        self.silent = chance.choice((0.0, 0.0, 0.2, 1.0))
        self.unsure = chance.choice((0.0, 0.0, 0.2, 1.0))
        entries = list(self.directory.content)
        for keys in (self.directory.cut, self.directory.doubled):
            if entries and chance.random() < 0.3:
                keys |= set(chance.sample(entries, len(entries) // 2))

    def mend(self):
        """End all faults."""
        self.unlisted, self.why_not_whole = set(), ()
        self.silent = self.unsure = 0.0
        self.directory.cut.clear()
        self.directory.doubled.clear()

    def live_on(self):
        """Boot and delete, with events, while Nova has been read."""
        chance = self.chance
        for _ in range(chance.randrange(3)):
            key = self.boot(clouds.new_uuid(chance), **self.fields())
            if chance.random() < 0.8:
                # A host's clock may be behind that of the reading.
                self.register(key, chance.choice((-5.0, 1.0)))
        for key in list(self.states):
            if chance.random() < 0.05:
                del self.states[key]
                kept = self.directory.content.get(key)
                if kept and kept.owner == self.owner and chance.random() < 0.8:
                    del self.directory.content[key]

    def answer(self, key):
        if self.chance.random() < self.silent:
            return events.StateUnknown("no answer")
        if key in self.unlisted and self.chance.random() < self.unsure:
            return events.StateUndecided("its cell is down")
        return super().answer(key)

    def planned(self, made):
        """Compare a reading, and have the candidates proven."""
        return proof.prove(
            self.compare(made, self.policy),
            self.ask,
            guard.Limits(),
            sample=self.chance.sample,
        )

    # -- what is to be so --------------------------------------------------

    def wrongly_removed(self, plan):
        return {
            item.instance_uuid
            for item in plan.writes()
            if item.state.verb.removes
        } & self.living

    def unequal(self):
        """Return the instances whose entry is not as it should be.

        Those with an entry that is newer than the reading, or in conflict,
        are left out; and what the policy does not write.
        """
        wrong = {}
        odd = {entry.record.instance_uuid for entry in self.directory.others}
        for key, kept in self.directory.content.items():
            newest = clouds.READ_AT
            if key not in self.living:
                newest -= 0.001
            if kept.owner != self.owner or kept.as_of > newest:
                odd.add(key)
        for key in self.states.keys() | self.directory.content.keys():
            if key in odd or key in self.undecided:
                continue
            state = self.states.get(key)
            kept = self.directory.content.get(key)
            if state is None or state.verb.removes:
                if kept and self.removes:
                    wrong[key] = ("is there", kept)
            elif kept is None:
                wrong[key] = ("is not there", state)
            elif self.policy is not clouds.Policy.CREATE_ONLY:
                (entry,) = memory.MemoryDirectory.find(self.directory, [key])
                state = dataclasses.replace(state, as_of=clouds.READ_AT)
                found = self.directory.differences(entry, state)
                if found:
                    wrong[key] = found
        return wrong

    @property
    def removes(self):
        return self.policy is clouds.Policy.SYNC and self.owner == clouds.OWNER
