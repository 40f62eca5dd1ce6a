# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Repairs among the events of random histories, at any moment.

A directory is compared with Nova, and what differs, and some of what does
not, is stored as repairs: maybe much later, maybe twice, when other events
came or the outbox was purged meanwhile. What the entries were before is
checked in passing.
"""

import dataclasses
import uuid

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import repairs

Verb = events.Verb

#: Seconds by which the time of a reading is older than the reading, at most:
#: Nova tells whole seconds.
OLDER = 1.5

#: Shares of the entries that are repaired though nothing is wrong with them.
NEEDLESS = (0.02, 0.3)

#: Seconds after which a world is repaired no more, at most: what a repair has
#: made wrong is not to be mended by the next one.
LATEST = 1500.0


@dataclasses.dataclass
class Read:
    """What a comparison found, to be stored."""

    daemon: object
    directory: str
    read_at: float
    wanted: list
    runs: int = 0


class Repairing:
    """Compares, stores, and spoils what is in the shared directory.

    :ivar stored: how many repairs were stored
    """

    def __init__(self, world, beginning):
        self.world, self.beginning = world, beginning
        self.chance = world.chance
        self.found = []
        self.stored = 0
        self.needless = self.chance.choice(NEEDLESS)
        self.ends = self.chance.uniform(0, LATEST)

    def disturb(self):
        """Do one of these things."""
        if self.world.now > self.ends:
            return
        match self.chance.randrange(4):
            case 0:
                daemon = self.chance.choice(self.world.daemons)
                name = self.chance.choice(list(daemon.directories))
                read = self.compare(daemon, name)
                if self.chance.random() < 0.7:
                    self.store(read)
            case 1 | 2 if self.found:
                self.store(self.chance.choice(self.found))
            case 3 if self.world.drifts:
                self.spoil()

    def spoil(self):
        """Lose entries, and change others, behind everybody's back."""
        content = self.world.shared.content
        for key in [*content]:
            lot = self.chance.random()
            if lot < 0.1:
                del content[key]
            elif lot < 0.2:
                record = dataclasses.replace(
                    content[key].record, display_name="spoilt"
                )
                content[key] = dataclasses.replace(content[key], record=record)

    def compare(self, daemon, name):
        """Read Nova and a directory; see what differs."""
        world, directory = self.world, daemon.directories[name]
        box = world.daemons.index(daemon)
        as_of = self.beginning + world.now - self.chance.uniform(0, OLDER)
        read = Read(daemon, name, daemon.wall(), [])
        for one in world.histories.values():
            began = one.truth[0][0] <= world.now
            if not began or one.only_box not in (None, box):
                continue
            state = one.answer(world.now, as_of)
            if self.differs(directory, state):
                read.wanted.append((state, self.before(directory, state)))
        self.found.append(read)
        return read

    def differs(self, directory, state):
        if self.chance.random() < self.needless:
            return True
        kept = directory.content.get(state.record.instance_uuid)
        if state.verb.removes or kept is None:
            return state.verb.removes != (kept is None)
        if directory.APPEND_ONLY:
            return False
        (entry,) = directory.find([state.record.instance_uuid])
        return bool(directory.differences(entry, state))

    def before(self, directory, state):
        kept = directory.content.get(state.record.instance_uuid)
        return kept and {"name": kept.record.display_name}

    def store(self, read):
        """Store what was found, in a run of its own."""
        box = repairs.Repairs(read.daemon.path, clock=read.daemon.wall)
        run_id = str(uuid.UUID(int=self.chance.getrandbits(128)))
        box.begin(
            repairs.Run(
                run_id,
                read.directory,
                "plan",
                "reconcile",
                False,
                read.daemon.wall(),
            )
        )
        wanted = [
            repairs.Repair(self.event(state, run_id), before)
            for state, before in read.wanted
        ]
        first = box.put(run_id, wanted, read.read_at)
        again = box.put(run_id, wanted, read.read_at)
        if again:
            raise AssertionError(f"{again} repairs were stored twice")
        images = [*box.before_images(run_id)]
        if not set(map(repr, images)) <= {
            repr((one.event.instance_uuid, one.event.verb, one.before))
            for one in wanted
        }:
            raise AssertionError("what was before is not what it was")
        self.stored += first
        return first

    def event(self, state, run_id):
        verb = state.verb
        if verb.removes:
            verb = Verb.SOFT_UNREGISTER
        else:
            verb = self.chance.choice((Verb.REFRESH, Verb.REGISTER))
        return events.Event(
            message_id=f"{run_id} {state.record.instance_uuid}",
            event_type=events.RECONCILE,
            verb=verb,
            occurred_at=state.as_of,
            request_id="",
            record=state.record,
        )
