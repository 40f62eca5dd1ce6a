# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Random histories of instances, and the world in which they are delivered.

The outboxes, dispatchers, checkers and directories are the product's. What is
not: the clocks, the draws, what Nova answers, and what a directory refuses.
"""

import dataclasses
import pathlib
import uuid

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import clock, dispatcher, nova_check, retry
from nova_dirsvc_plugin.directories import base, memory
from nova_dirsvc_plugin.nova_api import server
from tests.unit.delivery import repairing

Verb = events.Verb

#: Epoch seconds at which a world begins; its own times are seconds since.
BEGINNING = 1.8e9

#: Seconds that an outbox keeps what is delivered: longer than a second removal
#: waits, shorter than some delays. Where a clock was ahead, its events are
#: kept for as long as they may count as ahead.
RETENTION = 1500.0

#: Seconds: the longest delays of the events of an instance.
DELAYS = (0.1, 5.0, 30.0, 60.0, 1200.0, 4000.0)

#: Seconds between two things that happen to an instance.
PAUSES = (0.0, 0.01, 1.0, 20.0, 70.0, 400.0)

#: Seconds by which the clock of a Nova host was ahead: more than an instance
#: lives, and more than the daemon's own is. Less cannot be told from an event
#: that was under way for as long.
LEADS = (1e6, 1e9)

#: Seconds by which the clock of a daemon's host is stepped, for five minutes.
STEPS = (-86400.0, -3000.0, -600.0, -61.0, -5.0, 5.0, 61.0, 3000.0, 86400.0)

#: A value that a directory refuses for good; Nova's answers never have it.
REFUSED = "refused"


@dataclasses.dataclass
class History:
    """What happened to one instance.

    :ivar only_box: its events take one way; the clock of a host may be ahead
    :ivar told: when Nova said it, and the event
    :ivar truth: since when, the verb that Nova would answer, the name
    """

    instance_uuid: str
    only_box: int | None
    told: list[tuple[float, events.Event]] = dataclasses.field(
        default_factory=list
    )
    truth: list[tuple[float, Verb, str]] = dataclasses.field(
        default_factory=list
    )

    def answer(self, moment: float, clock_says: float) -> events.HostState:
        """Return what Nova would answer at a moment."""
        _, verb, name = [so for so in self.truth if so[0] <= moment][-1]
        if verb is Verb.UNREGISTER:
            return server.gone(self.instance_uuid, clock_says)
        record = events.HostRecord(
            instance_uuid=self.instance_uuid, display_name=name, addresses=()
        )
        return events.HostState(verb, record, clock_says)

    def names(self) -> set[str]:
        """Return the names that the entry may have in the end."""
        allowed = {self.truth[-1][2]}
        latest = None
        for at, event in reversed(self.told):
            # Of two changes of one time, either may be the later one.
            if latest is not None and at < latest:
                break
            allowed.add(event.record.display_name)
            if not event.record.flavor_name and latest is None:
                latest = at
        return allowed


def fast_folder():
    """Return a folder in memory, where there is one: a sync costs nothing."""
    memory_disk = pathlib.Path("/dev/shm")
    return memory_disk if memory_disk.is_dir() else None


def history(chance, now, clocks_agree):
    """Draw what happens to an instance from now on."""
    only_box = None
    if not clocks_agree and chance.random() < 0.2:
        only_box = chance.randrange(2)
    one = History(str(uuid.UUID(int=chance.getrandbits(128))), only_box)
    verb, name = Verb.REGISTER, "0"
    for step in range(chance.randint(1, 7)):
        said, flavor = verb, ""
        if step and verb is Verb.SOFT_UNREGISTER:
            said = verb = chance.choice((Verb.RESTORE, Verb.UNREGISTER))
        elif step:
            said = chance.choice(
                (Verb.REFRESH,) * 4
                + (Verb.SOFT_UNREGISTER,) * 3
                + (Verb.UNREGISTER,)
            )
            if said is Verb.SOFT_UNREGISTER and chance.random() < 0.3:
                # A delete that fails, though Nova says that it ended.
                verb = Verb.REFRESH
            else:
                verb = said
            if said is Verb.REFRESH:
                name = str(step)
                flavor = REFUSED if chance.random() < 0.1 else ""
        answered = verb if verb.removes else Verb.REFRESH
        one.truth.append((now, answered, name))
        record = events.HostRecord(
            instance_uuid=one.instance_uuid,
            display_name=name,
            flavor_name=flavor,
            addresses=(),
        )
        ahead = chance.choice(LEADS) if chance.random() < 0.3 else 0.0
        for _ in range(chance.choice((1, 1, 2))):
            event = events.Event(
                message_id=str(uuid.UUID(int=chance.getrandbits(128))),
                event_type="instance.update",
                verb=said,
                occurred_at=BEGINNING
                + now
                + (0.0 if only_box is None else ahead),
                request_id="",
                record=record,
            )
            one.told.append((now, event))
        if verb is Verb.UNREGISTER:
            break
        now += chance.choice(PAUSES) * (0.01 + chance.random())
    return one


class Picky(memory.MemoryDirectory):
    """A directory in memory that is out at times, and refuses some values."""

    def __init__(self, chance):
        super().__init__(None, "nova")
        self.chance = chance
        self.out = False

    def apply_overlapping(self, states, meanwhile):
        # Most drivers wait for answers, and some have no time to.
        if self.chance.random() < 0.8:
            meanwhile()
        return self.apply(states)

    def _apply(self, state):
        if self.out:
            return base.Unavailable("out")
        if state.record.flavor_name == REFUSED and not state.verb.removes:
            return base.Rejected("that flavor")
        outcome = super()._apply(state)
        if self.chance.random() < 0.03:
            return base.Unavailable("the answer was lost")
        return outcome


class Lines(Picky):
    """A directory that appends; the last line of each instance is kept."""

    APPEND_ONLY = True

    def _apply(self, state):
        if not self.out:
            self.content[state.record.instance_uuid] = state
            return base.Done()
        return base.Unavailable("out")


class Daemon:
    """One host: its clock, its outbox, and what delivers from there."""

    def __init__(self, world, path, directories, batch_size):
        chance = world.chance
        self.skew = chance.uniform(-20, 20)
        self.step_ends = 0.0
        self.world = world
        self.put_in = outbox.Outbox(path, clock=self.wall)
        self.path, self.directories = path, directories
        self.batch_size = batch_size
        self.outbox = None
        self.start()

    def wall(self):
        """Return what the host's clock shows."""
        step = self.step if self.world.now < self.step_ends else 0.0
        return BEGINNING + self.world.now + self.skew + step

    def set_clock(self):
        """Step the host's clock, for some minutes."""
        self.step = self.world.chance.choice(STEPS)
        self.step_ends = self.world.now + 300

    def start(self):
        """Start the daemon, or start it again."""
        self.close()
        uniform = self.world.chance.uniform
        steady = clock.SteadyClock(self.wall, lambda: self.world.now)
        self.outbox = outbox.Outbox(self.path, clock=steady)
        self.steady = steady
        checker = nova_check.NovaChecker(
            lambda uuids: self.world.ask(uuids, self.wall()),
            lambda: self.world.now,
            uniform,
        )
        self.workers = [
            dispatcher.Dispatcher(
                name,
                directory,
                self.outbox,
                retry.Settings(batch_size=self.batch_size),
                steady,
                uniform,
                checker,
            )
            for name, directory in self.directories.items()
        ]
        self.workers.append(checker)

    def close(self):
        if self.outbox:
            self.outbox.close()


class World:
    """Nova, two daemons, a directory of both, and maybe a log of the first."""

    def __init__(self, chance, folder, count):
        self.chance, self.now = chance, 0.0
        self.nova_is_silent = False
        self.clocks_agree = chance.random() < 0.5
        self.histories = {}
        for _ in range(count):
            one = history(chance, chance.uniform(0, 600), self.clocks_agree)
            self.histories[one.instance_uuid] = one
        self.shared, self.log = Picky(chance), Lines(chance)
        # Seconds that Nova takes for each answer at least.
        self.nova_takes = 20.0 if chance.random() < 0.2 else 0.0
        batch_size = 128 if self.nova_takes else chance.choice((2, 3, 7, 128))
        self.daemons = [
            Daemon(
                self, folder / f"{n}.db", {"shared": self.shared}, batch_size
            )
            for n in range(2)
        ]
        if chance.random() < 0.3:
            self.daemons[0].directories["log"] = self.log
            self.daemons[0].start()
        self.repairing = repairing.Repairing(self, BEGINNING)
        # Where a clock was ahead, an entry has that time.
        self.drifts = self.clocks_agree and chance.random() < 0.5

    def close(self):
        for daemon in self.daemons:
            daemon.put_in.close()
            daemon.close()

    def ask(self, uuids, clock_says):
        """Answer as Nova would: not at all, late, or at once."""
        chance = self.chance
        answers = {
            one: events.StateUnknown("silent")
            if self.nova_is_silent or chance.random() < 0.05
            else self.histories[one].answer(self.now, clock_says)
            for one in uuids
        }
        takes = self.nova_takes
        if chance.random() < 0.1:
            takes = chance.uniform(takes, nova_check.ASK_LIMIT)
        self.now += takes
        return answers

    def deliveries(self):
        """Draw when and where each event arrives: once, or several times."""
        chance = self.chance
        for one in self.histories.values():
            longest = chance.choice(DELAYS)
            for at, event in one.told:
                for _ in range(chance.choice((1, 1, 1, 2, 3))):
                    box = one.only_box
                    if box is None:
                        box = chance.randrange(2)
                    yield at + chance.uniform(0, longest), box, event

    def play(self):
        """Let all happen and be delivered, and wait until nothing waits."""
        chance = self.chance
        for at, box, event in sorted(
            self.deliveries(), key=lambda item: item[:2]
        ):
            self.now = max(self.now, at)
            self.put(box, event)
            if chance.random() < 0.02:
                self.disturb()
            if chance.random() < 0.05:
                self.repairing.disturb()
            if chance.random() < 0.4:
                worker = chance.choice(chance.choice(self.daemons).workers)
                worker.step()
        self.end()

    def put(self, box, event):
        self.daemons[box].put_in.put(event)

    def disturb(self):
        """Let something go wrong, or right again."""
        chance = self.chance
        daemon = chance.choice(self.daemons)
        match chance.randrange(6):
            case 0:
                self.nova_is_silent = not self.nova_is_silent
            case 1 | 2:
                directory = chance.choice((self.shared, self.log))
                directory.out = not directory.out
            case 3:
                daemon.set_clock()
            case 4 if self.now > daemon.step_ends:
                daemon.start()
            case 5 if self.clocks_agree:
                names = list(daemon.directories)
                daemon.outbox.purge(names, daemon.steady() - RETENTION)

    def end(self):
        """Let all be well until nothing waits, and removals are confirmed."""
        self.nova_is_silent = self.shared.out = self.log.out = False
        for _ in range(60):
            self.settle()
            if not self.pending():
                break
            # Others are taken meanwhile: a refusal is about the entry.
            for box in (0, 1):
                one = history(self.chance, self.now, True)
                one.told, one.truth = one.told[:1], one.truth[:1]
                self.histories[one.instance_uuid] = one
                self.put(box, one.told[0][1])
            self.now += 30
        for _ in range(2):
            self.now += retry.OLDEST_ANSWER + base.LONGEST_BATCH + 1
            self.settle()
        if self.drifts:
            self.reconcile()

    def reconcile(self):
        """Have one daemon repair what is wrong; there is nothing after."""
        for _ in range(2):
            read = self.repairing.compare(self.daemons[1], "shared")
            self.repairing.store(read)
            for _ in range(60):
                self.now += 30
                self.settle()
                if not self.pending():
                    break

    def settle(self):
        for _ in range(50):
            busy = [
                worker.step()
                for daemon in self.daemons
                for worker in daemon.workers
            ]
            if not any(busy):
                return

    def pending(self):
        return sum(
            daemon.outbox.pending(name)
            for daemon in self.daemons
            for name in daemon.directories
        )

    def wrong(self):
        """Return what is not as it should be in the end."""
        found = {} if not self.pending() else {"pending": self.pending()}
        for one in self.histories.values():
            kept = self.shared.content.get(one.instance_uuid)
            alive = not one.truth[-1][1].removes
            if (kept is not None) != alive or (
                kept and kept.record.display_name not in one.names()
            ):
                found[one.instance_uuid] = (one, kept)
        return found
