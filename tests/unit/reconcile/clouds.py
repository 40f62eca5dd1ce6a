# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A small cloud and its directory, in memory; the driver is the product's."""

import dataclasses
import uuid

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base, memory
from nova_dirsvc_plugin.nova_api import server, summary
from nova_dirsvc_plugin.reconcile import (
    comparison,
    item,
    items,
    plan,
    reading,
)

Kind = item.Kind
Policy = plan.Policy
Verb = events.Verb

OWNER = "my-cloud"
URL = "http://nova.example/v2.1"

#: Epoch seconds at which a reading begins.
READ_AT = 1.8e9


def new_uuid(chance=None):
    """Return a uuid, drawn if there is something to draw from."""
    if chance:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return str(uuid.uuid4())


class Cloud:
    """Instances as Nova knows them, and a directory.

    :ivar states: uuid -> state, as of which is left to the reading
    :ivar undecided: uuid -> why
    :ivar unlisted: uuids of instances that a list leaves out
    :ivar why_not_whole: as the reading says it
    """

    def __init__(self, owner=OWNER):
        self.owner = owner
        self.directory = memory.MemoryDirectory(None, owner)
        self.states, self.undecided = {}, {}
        self.unlisted, self.why_not_whole = set(), ()

    def boot(self, key=None, register=False, **fields):
        """Add an instance; return its uuid."""
        key = key or new_uuid()
        fields = {
            "display_name": "web",
            "project_id": "p1",
            "addresses": (events.Address("192.0.2.1", "02:00:00:00:00:01"),),
        } | fields
        record = events.HostRecord(instance_uuid=key, **fields)
        self.states[key] = events.HostState(Verb.REFRESH, record)
        if register:
            self.register(key)
        return key

    def register(self, key, seconds=-60.0, by=None, **fields):
        """Have the directory hold an instance's record, as an event would.

        :param seconds: from the beginning of the reading
        """
        record = events.HostRecord(instance_uuid=key)
        if key in self.states:
            record = self.states[key].record
        state = events.HostState(
            Verb.REGISTER,
            dataclasses.replace(record, **fields),
            READ_AT + seconds,
        )
        (outcome,) = (by or self.directory).apply([state])
        assert isinstance(outcome, base.Done), outcome
        return key

    def register_for(self, owner, key):
        """Have the same directory hold an entry with another's mark."""
        other = memory.MemoryDirectory(None, owner)
        other.content = self.directory.content
        return self.register(key, by=other)

    def read(self, as_of=READ_AT):
        """Read all instances."""
        made = reading.Reading()
        for key, state in self.states.items():
            if key not in self.unlisted:
                made.add(dataclasses.replace(state, as_of=as_of))
        for key, why in self.undecided.items():
            made.add(summary.Undecided(key, why))
        made.summary = summary.Summary(
            as_of, len(self.states), self.why_not_whole, URL
        )
        return made

    def compare(self, made, policy=Policy.SYNC, entries=None):
        """Compare a reading with the directory.

        :param entries: what it returns; all, if that is not given
        """
        compared = comparison.Comparison(
            made, "memory", self.owner, policy, self.directory.differences
        )
        if entries is None:
            entries = self.directory.entries()
        for entry in entries:
            compared.add(entry)
        found = self.directory.find(compared.to_find())
        return compared.finish(found, READ_AT)

    def plan(self, policy=Policy.SYNC):
        """Read Nova, and compare that with the directory."""
        return self.compare(self.read(), policy)

    def ask(self, keys):
        """Answer for each instance, as Nova's client does."""
        return {key: self.answer(key) for key in keys}

    def answer(self, key):
        """Answer for one instance."""
        if key in self.undecided:
            return events.StateUndecided(self.undecided[key])
        if key not in self.states:
            return server.gone(key, READ_AT + 1)
        return dataclasses.replace(self.states[key], as_of=READ_AT + 1)

    def apply(self, made):
        """Write what a plan would write."""
        states = [one.state for one in made.writes()]
        for outcome in self.directory.apply(states):
            assert isinstance(outcome, base.Done), outcome
        return len(states)


def made_of(*some, **fields):
    """Make a plan of some items."""
    fields = {
        "directory": "memory",
        "owner": OWNER,
        "policy": Policy.SYNC,
        "made_at": READ_AT,
        "reading": summary.Summary(READ_AT, 500, (), URL),
        "entries": 500,
        "fitting": 400,
        "items": items.Items(some),
    } | fields
    return plan.Plan(**fields)
