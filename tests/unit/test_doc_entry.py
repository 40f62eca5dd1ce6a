# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of a host entry in the documentation, against the code.

Each name of the table is given a value of its own; the code has to read that
name into that field, and write that field under that name.
"""

import dataclasses
import pathlib
import re

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories.ldap import entry
from nova_dirsvc_plugin.directories.rest import document
from nova_dirsvc_plugin.notifications import parse, unversioned
from nova_dirsvc_plugin.nova_api import server
from tests import recordings
from tests.unit import base

ROOT = pathlib.Path(__file__).parents[2]
DOC = ROOT / "doc/source/reference/entry.rst"
SCHEMA = ROOT / "examples/389ds/schema.ldif"

#: Read for the state of an instance, and in no record.
NOT_RECORDED = {"terminated_at", "deleted_at", "state", "task_state"}

INSTANCE = "0c0fd2e7-2b1b-4d20-93f0-1a1d51c01c8e"
IMAGE = "9d1c8c6a-60a6-4f0e-8d3b-6f5c3d1f2b11"

#: Field -> a value that no other field has.
VALUES = {
    "instance_uuid": INSTANCE,
    "display_name": "a display name",
    "host_name": "a-host-name",
    "project_id": "a project id",
    "project_name": "a project name",
    "user_id": "a user id",
    "user_name": "a user name",
    "user_remote_address": "192.0.2.77",
    "image_uuid": IMAGE,
    "flavor_name": "a flavor",
    "availability_zone": "a zone",
    "compute_host": "a compute host",
    "created_at": "2001-02-03T04:05:06Z",
    "launched_at": "2002-03-04T05:06:07Z",
    "addresses.ip": "192.0.2.99",
    "addresses.mac": "fa:16:3e:00:00:99",
    "addresses.network": "a network",
}
RECORD = events.HostRecord(
    **{name: value for name, value in VALUES.items() if "." not in name},
    addresses=(
        events.Address(
            VALUES["addresses.ip"],
            VALUES["addresses.mac"],
            VALUES["addresses.network"],
        ),
    ),
)

#: What parse() and state_of() need besides the names of the table.
CREATE = "instance.create.end"
UNVERSIONED = "compute.instance.create.end"


def table(name):
    """Return the rows of a table as dicts, header -> cell."""
    text = DOC.read_text()
    text = text.partition(f".. the table of {name}\n")[2]
    text = text.partition(f".. end of {name}\n")[0]
    rows = [
        [
            " ".join(cell.split())
            for cell in re.split(r"^ {5}- ?", row, flags=re.MULTILINE)
        ]
        for row in re.split(r"^ {3}\* - ", text, flags=re.MULTILINE)[1:]
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def names(column):
    """Return field -> name of a column, of the fields that have one."""
    return {
        unquoted(row["field"]): unquoted(row[column])
        for row in table("fields")
        if row[column] != "none"
    }


def unquoted(cell):
    return cell.replace("`", "")


def in_record(column):
    """Return the record that a source with the names of a column makes."""
    fields = names(column)
    addresses = {
        part: VALUES[f"addresses.{part}"]
        if f"addresses.{part}" in fields
        else ""
        for part in ("ip", "mac", "network")
    }
    return events.HostRecord(
        **{
            name: VALUES[name] if name in fields else ""
            for name in VALUES
            if "." not in name
        },
        addresses=(events.Address(**addresses),),
    )


def source(column, item, wrap):
    """Return context and data with a value under each name of a column.

    :param item: the name of the list of addresses
    :param wrap: makes an item of that list, or an object, of a dict
    """
    context, data, address = {}, {}, {}
    for field, name in names(column).items():
        value = VALUES[field]
        if name.startswith("context: "):
            context[name.removeprefix("context: ")] = value
        elif name.startswith(f"{item}."):
            address[name.partition(".")[2]] = value
        elif "." in name:
            outer, inner = name.split(".")
            data[outer] = wrap({inner: value})
        else:
            data[name] = value
    context |= {"user_id": VALUES["user_id"]}
    context |= {"project_id": VALUES["project_id"]}
    return context, data, address


def wrapped(data):
    return {"nova_object.data": data}


def message(event_type, payload):
    return {
        "event_type": event_type,
        "message_id": "one",
        "timestamp": "2026-11-22 10:27:55.250000",
        "payload": payload,
    }


class FieldsTest(base.TestCase):
    def test_each_field_of_a_record_has_a_row(self):
        fields = {item.name for item in dataclasses.fields(events.HostRecord)}
        fields.remove("addresses")
        fields |= {
            f"addresses.{item.name}"
            for item in dataclasses.fields(events.Address)
        }
        rows = [unquoted(row["field"]) for row in table("fields")]
        self.assertEqual(sorted(fields), sorted(rows))

    def test_versioned_names_are_those_that_are_read(self):
        context, data, address = source("versioned", "ip_addresses", wrapped)
        data["ip_addresses"] = [wrapped(address)]
        _, recorded = recordings.create_end()
        payload = recorded["payload"] | wrapped(data)
        event = parse.parse(context, message(CREATE, payload), self.fail)
        self.assertEqual(in_record("versioned"), event.record)

    def test_unversioned_names_are_those_that_are_read(self):
        context, data, address = source("unversioned", "fixed_ips", dict)
        data["fixed_ips"] = [address]
        data["image_ref_url"] = f"http://glance/images/{IMAGE}"
        event = parse.parse(context, message(UNVERSIONED, data), self.fail)
        self.assertEqual(in_record("unversioned"), event.record)

    def test_each_unversioned_name_that_is_read_is_there(self):
        read = {
            theirs
            for theirs, ours in unversioned.NAMES.items()
            if ours not in NOT_RECORDED
        }
        read |= {f"fixed_ips.{name}" for name in unversioned.ADDRESS_NAMES}
        self.assertEqual(set(), read - set(names("unversioned").values()))
        text = DOC.read_text()
        for theirs, ours in unversioned.NAMES.items():
            if ours in NOT_RECORDED:
                self.assertIn(f"``{theirs}``", text)
                self.assertIn(f"``{ours}``", text)

    def test_names_of_the_api_are_those_that_are_read(self):
        _, data, address = source("API", "addresses", dict)
        network = data.pop("addresses")
        address["OS-EXT-IPS:type"] = "fixed"
        data |= {"status": "ACTIVE", "addresses": {network: [address]}}
        state = server.state_of(INSTANCE, data, 0.0, self.fail)
        self.assertEqual(in_record("API"), state.record)

    def test_names_in_ldap_are_those_that_are_written(self):
        made = entry.attributes(RECORD, "nova", 0.0)
        columns = names("LDAP")
        for field, name in columns.items():
            value = VALUES[field]
            if field.endswith("_at"):
                value = re.sub("[-:T]", "", value)
            self.assertEqual([value.encode()], made[name], name)
        self.assertEqual(
            {"objectClass", entry.OWNER_MARK, entry.AS_OF},
            made.keys() - set(columns.values()),
        )

    def test_names_in_json_are_those_that_are_written(self):
        state = events.HostState(events.Verb.REGISTER, RECORD)
        made = document.document(state, "nova")["host_record"]
        [address] = made.pop("addresses")
        made |= {f"addresses.{name}": address[name] for name in address}
        self.assertEqual(
            {name: VALUES[field] for field, name in names("JSON").items()},
            made,
        )


class AttributesTest(base.TestCase):
    def test_each_attribute_of_the_schema_and_of_an_entry_has_a_row(self):
        schema = re.findall(
            r"attributeTypes: .*?NAME '(\w+)'", SCHEMA.read_text(), re.DOTALL
        )
        rows = [unquoted(row["attribute"]) for row in table("attributes")]
        self.assertEqual(
            sorted({*schema, *entry.MANAGED, entry.AS_OF}), sorted(rows)
        )

    def test_each_row_has_a_meaning_and_an_example(self):
        for row in table("attributes"):
            self.assertTrue(row["meaning"] and row["example"], row)
