# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A service with other names for the fields, and without some of them."""

import dataclasses
import json
import types
import urllib.parse

import testtools

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from tests import drivers
from tests.functional import directory_contract, hostile_service


class MappedService:
    """A service of another kind: it keeps what it gets, under its names."""

    def __init__(self):
        self.documents = {}

    def __call__(self, line, request):
        path, _, query = request.target.partition("?")
        _, _, key = path.partition("/v1/instances")
        key = key.removeprefix("/")
        status, body = 200, b""
        if request.method == "PUT":
            self.documents[key] = json.loads(request.body)
        elif request.method == "DELETE":
            status = 204 if self.documents.pop(key, None) else 404
        elif key:
            status = 405
        else:
            given = dict(urllib.parse.parse_qsl(query))
            after = sorted(
                one for one in self.documents if one > given.get("marker", "")
            )
            page = [self.documents[one] for one in after]
            page = page[: int(given["limit"])]
            body = json.dumps({"instances": page}).encode()
        return hostile_service.answers(status, body)(line, request)


class MappedContractTest(
    directory_contract.DirectoryContract, testtools.TestCase
):
    """Fields have other names, and some are not sent."""

    OPTIONS = types.MappingProxyType(
        {
            "rename": {
                "instance_uuid": "id",
                "mac_address": "mac",
                "project_name": "tenant.name",
                "host_record.flavor_name": "flavor",
                "host_record.addresses": "network.ports",
            },
            "leave_out": ["verb", "host_record.compute_host"],
        }
    )

    def setUp(self):
        super().setUp()
        self.receiver = self.useFixture(hostile_service.HostileService())
        self.receiver.behaviour = MappedService()

    def driver(self, owner="nova"):
        return drivers.load(
            self,
            "rest",
            owner,
            url=self.receiver.url,
            register_method="PUT",
            **self.OPTIONS,
        )

    def test_a_difference_has_the_names_of_the_service(self):
        one = directory_contract.record()
        self.register(one)
        (entry,) = self.driver().entries()
        state = events.HostState(
            events.Verb.REFRESH,
            dataclasses.replace(
                one,
                project_name="other",
                compute_host="compute2",
                addresses=(events.Address("10.0.0.55", "fa:16:3e:00:00:01"),),
            ),
            1.0,
        )
        differences = {
            one.attribute: (one.old, one.new)
            for one in self.driver().differences(entry, state)
        }
        self.assertEqual(
            {
                "mac",
                "tenant.name",
                "network.ports",
                "host_record.project_name",
            },
            set(differences),
        )
        self.assertEqual((["demo"], ["other"]), differences["tenant.name"])

    def test_another_order_of_the_addresses_is_no_difference(self):
        addresses = (
            events.Address("10.0.0.54", directory_contract.MAC, "private"),
            events.Address("10.0.1.54", "fa:16:3e:00:00:01", "other"),
        )
        one = directory_contract.record(addresses=addresses)
        self.register(one)
        (entry,) = self.driver().entries()
        other = dataclasses.replace(one, addresses=addresses[::-1])
        state = events.HostState(events.Verb.REFRESH, other, 1.0)
        self.assertEqual([], self.driver().differences(entry, state))


class SixKeysContractTest(MappedContractTest):
    """Only the six keys are sent."""

    OPTIONS = types.MappingProxyType(
        {"leave_out": ["host_record", "owner", "verb"]}
    )

    def test_a_difference_has_the_names_of_the_service(self):
        one = directory_contract.record()
        self.register(one)
        (entry,) = self.driver().entries()
        newer = dataclasses.replace(
            one,
            flavor_name="m1.large",
            addresses=(events.Address("10.0.0.54", "fa:16:3e:00:00:01"),),
        )
        self.assertEqual(
            [
                base.Difference(
                    "mac_address",
                    [directory_contract.MAC],
                    ["fa:16:3e:00:00:01"],
                )
            ],
            self.driver().differences(
                entry, events.HostState(events.Verb.REFRESH, newer, 1.0)
            ),
        )
