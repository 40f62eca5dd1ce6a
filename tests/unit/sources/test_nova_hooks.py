# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the hooks of Nova 21 store, and what they make of odd calls."""

import dataclasses
import uuid

import ddt
from oslo_config import cfg

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.notifications import parse
from nova_dirsvc_plugin.sources import nova_hooks
from tests import nova21, outboxes, recordings, waiting
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
NOW = 1795343275.581715


class HooksCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.conf = cfg.ConfigOpts()
        self.conf([], default_config_files=[])
        self.create = nova_hooks.CreateInstance(self.nova_conf, lambda: NOW)
        self.delete = nova_hooks.DeleteInstance(self.nova_conf, lambda: NOW)

    def nova_conf(self):
        self.conf.register_opts(
            nova_hooks.options.SOURCE_OPTS, group=nova_hooks.options.GROUP
        )
        self.conf.set_override("outbox", str(self.path), "nova_dirsvc")
        return self.conf

    def created(self, *instances, context=None):
        rv = (list(instances), "r-1")
        self.create.post(rv, object(), context or nova21.context(), object())

    def deleted(self, instance, context=None):
        context = context or nova21.context()
        self.delete.post(None, object(), context, instance, [])

    def stored(self):
        turns = outbox.Outbox(self.path).claim("d", 100).turns
        return [entry.event for turn in turns for entry in turn.entries]

    def only(self):
        [event] = self.stored()
        return event


class RecordTest(HooksCase):
    def test_a_create_registers_what_the_api_knows(self):
        self.created(nova21.accepted(UUID))
        event = self.only()
        self.assertEqual(
            (
                "create_instance",
                events.Verb.REGISTER,
                NOW,
                nova21.context().request_id,
            ),
            (
                event.event_type,
                event.verb,
                event.occurred_at,
                event.request_id,
            ),
        )
        self.assertEqual(
            dataclasses.replace(
                recordings.RECORD,
                user_remote_address="203.0.113.7",
                availability_zone="",
                compute_host="",
                created_at="",
                launched_at="",
                addresses=None,
            ),
            event.record,
        )

    def test_of_a_running_instance_it_is_the_record_of_a_notification(self):
        notification = recordings.notification(
            "boot_delete", "instance.create.end"
        )
        event = parse.parse(*notification, self.fail)
        self.created(nova21.launched(UUID))
        self.assertEqual(
            dataclasses.replace(
                event.record, user_remote_address="203.0.113.7"
            ),
            self.only().record,
        )

    def test_a_boot_from_volume_has_no_image(self):
        self.created(nova21.accepted(UUID, image_ref=""))
        self.assertEqual("", self.only().record.image_uuid)

    def test_each_instance_of_one_request_is_registered(self):
        uuids = {str(uuid.uuid4()) for _ in range(3)}
        self.created(*map(nova21.accepted, uuids))
        self.assertEqual(uuids, {e.instance_uuid for e in self.stored()})
        self.assertEqual(3, len({e.message_id for e in self.stored()}))
        self.assertEqual(
            {"203.0.113.7"},
            {e.record.user_remote_address for e in self.stored()},
        )

    def test_a_delete_that_was_done_unregisters(self):
        self.deleted(nova21.deleted(UUID))
        event = self.only()
        self.assertEqual(
            ("delete_instance", events.Verb.UNREGISTER, UUID),
            (event.event_type, event.verb, event.instance_uuid),
        )

    def test_a_delete_that_left_the_instance_as_it_was_is_not_final(self):
        self.deleted(nova21.launched(UUID))
        self.assertIs(events.Verb.SOFT_UNREGISTER, self.only().verb)

    def test_an_admin_who_deletes_is_not_taken_for_the_owner(self):
        admin = nova21.context(user_id="a", user_name="admin")
        self.deleted(nova21.deleted(UUID), admin)
        record = self.only().record
        self.assertEqual(
            ("", "", "demo"),
            (
                record.user_name,
                record.user_remote_address,
                record.project_name,
            ),
        )

    def test_nothing_is_stored_before_it_is_done(self):
        self.create.pre(object(), nova21.context(), object())
        self.delete.pre(object(), nova21.context(), nova21.launched(UUID), [])
        self.assertFalse(self.path.exists())

    def test_the_same_news_twice_is_stored_once(self):
        again = nova_hooks.DeleteInstance(self.nova_conf)
        self.deleted(nova21.deleted(UUID))
        again.post(
            None, object(), nova21.context(), nova21.deleted(UUID), bdms=[]
        )
        self.assertEqual(1, len(self.stored()))

    def test_a_delete_that_is_tried_again_is_news(self):
        self.deleted(nova21.launched(UUID))
        self.deleted(nova21.launched(UUID), nova21.context(request_id="req-2"))
        self.assertEqual(2, len(self.stored()))


@ddt.ddt
class HarmlessTest(HooksCase):
    def test_without_users_neither_name_nor_address_is_stored(self):
        self.nova_conf().set_override("record_users", False, "nova_dirsvc")
        self.created(nova21.accepted(UUID))
        record = self.only().record
        self.assertEqual(
            ("", "", "8acf174811954db7b962293e68bae407"),
            (record.user_name, record.user_remote_address, record.user_id),
        )
        self.assertNotIn("203.0.113.7", outboxes.dump(self.path))

    def test_the_token_of_the_context_goes_nowhere(self):
        self.created(nova21.accepted(UUID), nova21.accepted("no uuid"))
        self.assertEqual(1, len(outboxes.parked(outbox.Outbox(self.path))))
        self.assertNotIn("secret", outboxes.dump(self.path) + self.log.output)

    @ddt.data(None, ([], "r-1"), (None, None), 7, "x", ([None], "r"))
    def test_whatever_create_returns_nothing_is_raised_or_stored(self, rv):
        self.create.post(rv, object(), nova21.context())
        self.assertEqual([], self.stored())

    @ddt.data((), (None,), (None, 1, 2), (None, 1, None, None))
    def test_another_novas_arguments_raise_nothing(self, args):
        self.delete.post(*args)
        self.create.post(*args)
        self.assertEqual([], self.stored())

    def test_one_odd_instance_does_not_cost_the_others_theirs(self):
        odd = nova21.launched(
            str(uuid.uuid4()), info_cache=nova21.Object(network_info=[{}])
        )
        self.created(odd, nova21.accepted(UUID))
        self.assertEqual(UUID, self.only().instance_uuid)
        self.assertIn(f"instance {odd.uuid} is lost", self.log.output)

    def test_an_outbox_that_cannot_be_written_keeps_it_in_memory(self):
        self.path = self.folder / "file" / "outbox.db"
        self.path.parent.write_text("a file in the way")
        self.created(nova21.accepted(UUID))
        self.assertIn(
            f"ERROR register instance {UUID}: not stored, kept in memory",
            self.log.output,
        )
        self.path.parent.unlink()
        waiting.until(
            lambda: self.path.exists() and self.stored(), "what is held"
        )

    def test_to_make_a_hook_opens_nothing_and_asks_for_nothing(self):
        nova_hooks.CreateInstance(self.fail)
        nova_hooks.DeleteInstance(self.fail)
        self.assertFalse(self.path.exists())

    def test_the_options_are_those_of_novas_own_global(self):
        self.assertIs(cfg.CONF, nova_hooks._conf_of_nova())
