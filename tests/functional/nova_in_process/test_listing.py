# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the lists of a real Nova show, and what they leave out."""

import datetime
import time
import uuid
from collections.abc import Sequence
from unittest import mock

from nova import context, objects
from nova.tests import fixtures as nova_fixtures
from nova.tests.unit.objects import test_instance_info_cache

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import client, connection, listing, summary
from tests.functional.nova_in_process import cloud, test_nova_client

NOW = test_nova_client.NOW


class ListingTestCase(cloud.NovaTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.nova = self.admin()

    def admin(self) -> client.NovaClient:
        return self.client_of("admin", "member,admin", NOW)

    def in_pages_of(self, size: int) -> None:
        self.enterContext(mock.patch.object(listing, "PAGE", size))

    def read(
        self, expected: int = 0, nova: client.NovaClient | None = None
    ) -> summary.Summary:
        self.reading = listing.read(nova or self.nova, expected)
        self.items = list(self.reading)
        return self.reading.summary()

    def listed(self) -> dict[str, listing.Item]:
        return {
            item.instance_uuid
            if isinstance(item, summary.Undecided)
            else item.record.instance_uuid: item
            for item in self.items
        }


class TestListing(ListingTestCase):
    def test_all_pages_have_what_single_answers_have(self):
        self.in_pages_of(2)
        servers = [
            self.boot(f"web-{number}", networks=networks)
            for number, networks in enumerate(
                ([{"uuid": cloud.NETWORK}], "none", [{"uuid": cloud.NETWORK}])
            )
        ]
        told = self.read(expected=3)
        self.assertEqual((), told.why_not_whole)
        self.assertEqual(3, told.instances)
        self.assertEqual(self.api_fixture.base_url, told.cloud)
        self.assertEqual(
            self.nova.ask([one["id"] for one in servers]), self.listed()
        )

    def test_novas_own_limit_of_a_page_ends_no_reading(self):
        self.flags(max_limit=1, group="api")
        uuids = {self.boot()["id"] for _ in range(3)}
        self.assertTrue(self.read().whole)
        self.assertEqual(uuids, set(self.listed()))

    def test_a_boot_from_volume_has_no_image(self):
        volume = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL
        server = self.boot(
            imageRef="",
            block_device_mapping_v2=[
                {
                    "boot_index": 0,
                    "uuid": volume,
                    "source_type": "volume",
                    "destination_type": "volume",
                }
            ],
        )
        self.assertTrue(self.read().whole)
        state = self.listed()[server["id"]]
        self.assertEqual("", state.record.image_uuid)
        self.assertEqual(self.nova.ask([server["id"]]), self.listed())

    def test_a_soft_deleted_one_is_listed_and_a_deleted_one_is_not(self):
        self.flags(reclaim_instance_interval=3600)
        waiting, gone = self.boot(), self.boot()
        self.api.delete_server(waiting["id"])
        self.in_state(waiting, "SOFT_DELETED")
        self.admin_api.post_server_action(gone["id"], {"forceDelete": {}})
        self.until_gone(gone)
        self.assertTrue(self.read().whole)
        self.assertEqual([waiting["id"]], list(self.listed()))
        self.assertIs(
            events.Verb.SOFT_UNREGISTER, self.listed()[waiting["id"]].verb
        )

    def test_changes_have_the_deleted_ones_and_not_for_ever(self):
        old = self.boot("old")
        with_old = {old["id"]}
        self.assertEqual(
            with_old, {s.record.instance_uuid for s in self.changes(0)}
        )
        gone, alive = self.boot("gone"), self.boot("alive")
        self.delete(gone)
        verbs = {s.record.instance_uuid: s.verb for s in self.changes(0)}
        self.assertEqual(
            {
                old["id"]: events.Verb.REFRESH,
                alive["id"]: events.Verb.REFRESH,
                gone["id"]: events.Verb.SOFT_UNREGISTER,
            },
            verbs,
        )
        self.assertEqual([], self.changes(time.time() + 60))

    def changes(self, since: float) -> Sequence[events.HostState]:
        found = listing.changed_since(self.nova, since)
        states = list(found)
        self.assertEqual((), found.summary().why_not_whole)
        return states

    def test_an_account_without_the_role_admin_reads_nothing(self):
        self.boot()
        stranger = self.client_of("mallory", "member", NOW)
        told = self.read(nova=stranger)
        self.assertEqual([], self.items)
        self.assertIn("the role admin", told.why_not_whole[0])

    def test_one_that_may_list_all_but_not_see_all_is_doubted(self):
        self.boot()
        # As a cloud may have it that lets auditors list.
        self.policy.set_rules(
            {
                "os_compute_api:os-services:list": "@",
                "os_compute_api:servers:detail:get_all_tenants": "@",
                "os_compute_api:servers:detail": "@",
            },
            overwrite=False,
        )
        stranger = self.client_of("mallory", "member", NOW)
        told = self.read(nova=stranger)
        self.assertIn("the role admin", told.why_not_whole[0])
        [item] = self.items
        self.assertIsInstance(item, summary.Undecided)

    def test_a_deleted_marker_ends_no_reading(self):
        self.in_pages_of(1)
        uuids = [self.boot()["id"] for _ in range(3)]
        reading = listing.read(self.nova)
        found = []
        for item in reading:
            found.append(item.record.instance_uuid)
            if len(found) == 1:
                self.delete({"id": found[0]})
        self.assertEqual((), reading.summary().why_not_whole)
        self.assertEqual(set(uuids), set(found))


class TestTwoCells(ListingTestCase):
    """Nova with two cells, of which the second can be down."""

    NUMBER_OF_CELLS = 2
    #: Who may choose the host, and so the cell.
    ADMIN_API = True

    def setUp(self) -> None:
        super().setUp()
        self.start_service("compute", host="host2", cell_name="cell2")
        self.admin_context = context.get_admin_context()
        self.down = objects.CellMappingList(
            objects=[self.cell_mappings["cell2"]]
        )

    def cell_is_down(self) -> None:
        self.useFixture(nova_fixtures.DownCellFixture(self.down))

    def instances(self, count: int) -> tuple[set[str], set[str]]:
        """Make rows of so many instances, half of them in each cell.

        :returns: the uuids of each cell
        """
        flavor = objects.Flavor.get_by_flavor_id(self.admin_context, "1")
        cache = objects.InstanceInfoCache(self.admin_context)
        objects.InstanceInfoCache._from_db_object(
            self.admin_context,
            cache,
            test_instance_info_cache.fake_info_cache,
        )
        uuids: tuple[set[str], set[str]] = (set(), set())
        for number in range(count):
            name = f"cell{number % 2 + 1}"
            created = objects.Instance(
                uuid=str(uuid.uuid4()),
                project_id="a",
                user_id="b",
                host="compute",
                vm_state="active",
                launched_at=datetime.datetime.now(datetime.UTC),
                instance_type_id=flavor.id,
                flavor=flavor,
                info_cache=cache,
                hostname=f"web-{number}",
                display_name=f"web-{number}",
                availability_zone="nova",
            )
            mapping = self.cell_mappings[name]
            with context.target_cell(self.admin_context, mapping) as target:
                created._context = target
                created.create()
            objects.InstanceMapping(
                context=self.admin_context,
                instance_uuid=created.uuid,
                cell_mapping=mapping,
                project_id="a",
                queued_for_delete=False,
            ).create()
            uuids[number % 2].add(created.uuid)
        return uuids

    def test_one_that_is_down_is_left_out_of_a_list_and_doubted(self):
        # More than Nova has on a page.
        count = 1200
        first, second = self.instances(count)
        told = self.read(expected=count)
        self.assertEqual((), told.why_not_whole)
        self.assertEqual(first | second, set(self.listed()))

        self.cell_is_down()
        told = self.read(expected=count)
        self.assertEqual(first, set(self.listed()))
        [why] = told.why_not_whole
        self.assertIn("is down", why)
        self.assertIn("host2", why)

    def test_one_that_is_down_says_404_of_some_and_none_is_gone(self):
        # These have no request specification: Nova takes them for archived.
        _, second = self.instances(10)
        self.cell_is_down()
        one = next(iter(second))
        answer = self.nova.connection.get(f"/servers/{one}")
        self.assertEqual(404, answer.status)
        for told in self.nova.ask(list(second)).values():
            self.assertIsInstance(told, events.StateUndecided)
            self.assertIn("is down", str(told))

    def test_one_that_is_down_says_unknown_of_what_was_booted_in_it(self):
        server = self.boot(availability_zone="nova:host2")
        self.cell_is_down()
        answer = self.nova.connection.get(f"/servers/{server['id']}")
        self.assertEqual("UNKNOWN", answer.body["server"]["status"])
        [told] = self.nova.ask([server["id"]]).values()
        self.assertIsInstance(told, events.StateUndecided)

    def test_one_that_is_down_says_404_of_a_soft_deleted_one(self):
        self.flags(reclaim_instance_interval=3600)
        server = self.boot(availability_zone="nova:host2")
        self.api.delete_server(server["id"])
        self.in_state(server, "SOFT_DELETED")
        self.cell_is_down()
        answer = self.nova.connection.get(f"/servers/{server['id']}")
        self.assertEqual(404, answer.status)
        [told] = self.nova.ask([server["id"]]).values()
        self.assertIsInstance(told, events.StateUndecided)

    def test_one_that_is_down_has_no_changes_and_is_doubted(self):
        server = self.boot(availability_zone="nova:compute")
        self.boot(availability_zone="nova:host2")
        self.cell_is_down()
        changes = listing.changed_since(self.nova, 0)
        [change] = changes
        self.assertEqual(server["id"], change.record.instance_uuid)
        self.assertFalse(changes.summary().whole)

    def test_one_that_goes_down_in_between_fails_a_page_or_is_doubted(self):
        self.in_pages_of(1)
        self.instances(6)
        reading = listing.read(self.nova)
        for number, _ in enumerate(reading):
            if number == 2:
                self.cell_is_down()
        self.assertFalse(reading.summary().whole)

    def test_a_marker_in_one_that_is_down_is_an_error_of_novas(self):
        _, second = self.instances(4)
        self.cell_is_down()
        query = {
            "all_tenants": "1",
            "limit": "1",
            "marker": next(iter(second)),
        }
        answer = self.nova.connection.get("/servers/detail", query)
        self.assertEqual(500, answer.status)

    def test_nova_before_2_69_does_not_say_that_one_is_down(self):
        self.cell_is_down()
        with mock.patch.object(connection, "MICROVERSIONS", ("2.47",)):
            told = self.read(nova=self.admin())
        [why] = told.why_not_whole
        self.assertIn("older than 2.69", why)
