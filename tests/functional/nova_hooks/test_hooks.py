# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova 21 loads our hooks by their entry points, and calls them."""

import concurrent.futures
import multiprocessing
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import fixtures
from nova import hooks
from oslo_config import cfg

from nova_dirsvc_plugin import events, outbox
from tests import nova21, waiting
from tests.unit import base


class ApiError(Exception):
    """What Nova's API refuses a request with."""


class Api:
    """As ``nova.compute.api.API``, as far as hooks see of it."""

    @hooks.add_hook("create_instance")
    def create(
        self,
        context: Any,
        instance_type: Any,
        image_href: str,
        min_count: int = 1,
        refuse: bool = False,
    ) -> tuple[Sequence[nova21.Object], str]:
        if refuse:
            raise ApiError("Quota exceeded")
        return [
            nova21.accepted(str(uuid.uuid4())) for _ in range(min_count)
        ], "r-1"


class Manager:
    """As ``nova.compute.manager.ComputeManager``, likewise."""

    def terminate(self, context: Any, instance: Any, fail: bool) -> None:
        self.fail = fail
        self._delete_instance(context, instance, [])

    @hooks.add_hook("delete_instance")
    def _delete_instance(self, context: Any, instance: Any, bdms: Any) -> None:
        if self.fail:
            raise OSError("the hypervisor does not answer")
        vars(instance).update(vars(nova21.deleted(instance.uuid)))


class TestHooks(base.TestCase):
    def setUp(self):
        super().setUp()
        hooks.reset()
        self.path = self.folder / "outbox" / "outbox.db"
        self.configure()
        self.api, self.manager = Api(), Manager()

    def configure(self, more: str = "") -> None:
        """Have Nova read its files, as its services do when they start."""
        file = self.folder / "nova.conf"
        file.write_text(f"[nova_dirsvc]\noutbox = {self.path}\n{more}")
        cfg.CONF([], default_config_files=[str(file)])
        self.addCleanup(cfg.CONF.reset)

    def boot(self, count: int = 1, **changes: Any) -> Sequence[nova21.Object]:
        instances, _ = self.api.create(
            nova21.context(**changes), object(), "image", min_count=count
        )
        return instances

    def delete(self, instance: nova21.Object, fail: bool = False) -> None:
        self.manager.terminate(nova21.context(), instance, fail)

    def stored(self) -> Sequence[events.Event]:
        turns = outbox.Outbox(self.path).claim("d", 100).turns
        return [entry.event for turn in turns for entry in turn.entries]

    def said(self) -> Iterable[tuple[str, str]]:
        return [(event.verb, event.instance_uuid) for event in self.stored()]

    def until_stored(self, count: int) -> None:
        """Wait for what is kept in memory."""
        waiting.until(
            lambda: self.path.exists() and len(self.stored()) == count,
            f"{count} events in the outbox",
        )

    def test_a_life_is_a_register_and_an_unregister(self):
        [instance] = self.boot()
        self.delete(instance)
        self.assertEqual(
            [("register", instance.uuid), ("unregister", instance.uuid)],
            self.said(),
        )

    def test_the_record_says_who_asked_and_from_where(self):
        self.boot(remote_address="2001:db8::7")
        [event] = self.stored()
        self.assertEqual(
            ("alice", "demo", "2001:db8::7"),
            (
                event.record.user_name,
                event.record.project_name,
                event.record.user_remote_address,
            ),
        )

    def test_the_record_does_not_say_so_when_that_is_switched_off(self):
        self.configure("record_users = false\n")
        self.boot()
        [event] = self.stored()
        self.assertEqual(
            ("", "demo", ""),
            (
                event.record.user_name,
                event.record.project_name,
                event.record.user_remote_address,
            ),
        )

    def test_each_of_many_is_registered(self):
        instances = self.boot(3)
        self.assertEqual(
            {("register", instance.uuid) for instance in instances},
            set(self.said()),
        )

    def test_a_request_that_is_refused_stores_nothing(self):
        self.assertRaises(
            ApiError,
            self.api.create,
            nova21.context(),
            object(),
            "image",
            refuse=True,
        )
        self.assertFalse(self.path.exists())

    def test_a_delete_that_fails_stores_nothing(self):
        [instance] = self.boot()
        self.assertRaises(OSError, self.delete, instance, fail=True)
        self.assertEqual([("register", instance.uuid)], self.said())

    def test_a_call_by_keywords_is_read_as_well(self):
        self.api.create(
            context=nova21.context(), instance_type=None, image_href=""
        )
        self.assertEqual(1, len(self.stored()))

    def test_an_unusable_outbox_is_no_matter_of_novas(self):
        self.path.parent.write_text("a file in the way")
        [instance] = self.boot()
        self.assertIn(
            f"register instance {instance.uuid}: not stored", self.log.output
        )
        self.assertNotIn("Exception running", self.log.output)
        self.path.parent.unlink()
        self.until_stored(1)

    def test_a_locked_outbox_holds_up_one_call_and_no_more(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                "nova_dirsvc_plugin.sources.buffered_writer.BUSY_TIMEOUT",
                0.05,
            )
        )
        self.boot()
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            self.boot()
        other.execute("ROLLBACK")
        other.close()
        self.assertEqual(1, self.log.output.count("database is locked"))
        self.until_stored(4)

    def test_many_threads_store_all_that_they_create(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: self.boot(2), range(8)))
        self.assertEqual(
            {instance.uuid for instances in made for instance in instances},
            {event.instance_uuid for event in self.stored()},
        )

    def test_a_worker_that_nova_forks_stores_its_own(self):
        self.boot()
        worker = multiprocessing.get_context("fork").Process(target=self.boot)
        worker.start()
        worker.join(waiting.LIMIT)
        self.assertEqual(0, worker.exitcode)
        self.assertEqual(2, len(self.stored()))
