# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova 21 loads our hooks by their entry points, and calls them."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from nova import hooks
from oslo_config import cfg

from nova_dirsvc_plugin import events, outbox
from tests import nova21
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
        refuse: bool = False,
    ) -> tuple[Sequence[nova21.Object], str]:
        if refuse:
            raise ApiError("Quota exceeded")
        return [nova21.accepted(str(uuid.uuid4()))], "r-1"


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

    def configure(self) -> None:
        """Have Nova read its files, as its services do when they start."""
        file = self.folder / "nova.conf"
        file.write_text(f"[nova_dirsvc]\noutbox = {self.path}\n")
        cfg.CONF([], default_config_files=[str(file)])
        self.addCleanup(cfg.CONF.reset)

    def boot(self) -> nova21.Object:
        [instance], _ = self.api.create(nova21.context(), object(), "image")
        return instance

    def delete(self, instance: nova21.Object, fail: bool = False) -> None:
        self.manager.terminate(nova21.context(), instance, fail)

    def stored(self) -> Sequence[events.Event]:
        turns = outbox.Outbox(self.path).claim("d", 100).turns
        return [entry.event for turn in turns for entry in turn.entries]

    def said(self) -> Iterable[tuple[str, str]]:
        return [(event.verb, event.instance_uuid) for event in self.stored()]

    def test_a_life_is_a_register_and_an_unregister(self):
        instance = self.boot()
        self.delete(instance)
        self.assertEqual(
            [("register", instance.uuid), ("unregister", instance.uuid)],
            self.said(),
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
        instance = self.boot()
        self.assertRaises(OSError, self.delete, instance, fail=True)
        self.assertEqual([("register", instance.uuid)], self.said())

    def test_a_call_by_keywords_is_read_as_well(self):
        self.api.create(
            context=nova21.context(), instance_type=None, image_href=""
        )
        self.assertEqual(1, len(self.stored()))
