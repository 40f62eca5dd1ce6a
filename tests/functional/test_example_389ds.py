# SPDX-License-Identifier: Apache-2.0
"""The server that examples/389ds deploys keeps what its README promises."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import uuid
from collections.abc import Iterable

import ldap
import ldap.modlist
import ldap.schema

from tests import waiting
from tests.functional import certificates
from tests.functional.directory389 import SharedDirectoryTestCase
from tests.functional.golden389 import SUFFIX

HOSTS = f"ou=hosts,{SUFFIX}"
SERVICES = f"ou=services,{SUFFIX}"
ARC = "2.25.36199140851286243524998743818156237791"
A_RULE = (
    '(targetattr = "*")(version 3.0; acl "all"; '
    'allow (all) userdn = "ldap:///anyone";)'
)
REFUSED = ldap.INSUFFICIENT_ACCESS

Entry = dict[str, list[bytes]]


def host_entry(instance_uuid: str, **changes: Iterable[str]) -> Entry:
    """Return a host record as the daemon writes it, with changes."""
    values: dict[str, Iterable[str]] = {
        "objectClass": [
            "top", "device", "novaInstance", "ipHost", "ieee802Device",
        ],
        "cn": ["web1"],
        "novaInstanceUuid": [instance_uuid],
        "novaOwnerMark": ["nova"],
        "novaProjectId": ["0f4c5be6c0b54f7aa3b2a1f7d2b9a7c1"],
        "novaProjectName": ["demo"],
        "novaUserId": ["8d2f1d6ea55b4a8b8b7de9f3d8e0a001"],
        "novaUserName": ["alice"],
        "novaUserRemoteAddress": ["192.0.2.7"],
        "novaImageUuid": ["2b1f6a0e-6f0b-4c79-9d0e-2d7a35a3d1b5"],
        "novaFlavorName": ["m1.tiny"],
        "novaAvailabilityZone": ["nova"],
        "novaComputeHost": ["compute1"],
        "novaDisplayName": ["Web 1"],
        "novaCreatedAt": ["20260102030405Z"],
        "novaLaunchedAt": ["20260102030415Z"],
        "ipHostNumber": ["10.0.0.54", "2001:db8::54"],
        "macAddress": ["fa:16:3e:00:00:54"],
        **changes,
    }  # fmt: skip
    return {
        name: [value.encode() for value in wanted]
        for name, wanted in values.items()
        if wanted
    }


def host_dn(instance_uuid: str) -> str:
    return f"novaInstanceUuid={instance_uuid},{HOSTS}"


class Directory389TestCase(SharedDirectoryTestCase):
    """Has a connection of the service account, and one of the manager."""

    def setUp(self) -> None:
        super().setUp()
        self.service = self.directory.connect()
        self.addCleanup(self.service.unbind_s)
        self.manager = self.directory.connect_as_manager()
        self.addCleanup(self.manager.unbind_s)

    def add(self, instance_uuid: str | None = None, **changes) -> str:
        """Add a host record as the service account; return its DN."""
        instance_uuid = instance_uuid or str(uuid.uuid4())
        dn = host_dn(instance_uuid)
        self._add(self.service, dn, host_entry(instance_uuid, **changes))
        return dn

    def add_foreign(self) -> str:
        """Add a host record of another cloud; return its DN."""
        instance_uuid = str(uuid.uuid4())
        dn = host_dn(instance_uuid)
        entry = host_entry(instance_uuid, novaOwnerMark=["elsewhere"])
        self._add(self.manager, dn, entry)
        return dn

    def read(self, dn: str) -> Entry:
        [(_, entry)] = self.manager.search_s(dn, ldap.SCOPE_BASE)
        return entry

    @staticmethod
    def _add(connection, dn: str, entry: Entry) -> None:
        connection.add_s(dn, ldap.modlist.addModlist(entry))


class ServiceAccountTestCase(Directory389TestCase):
    """The daemon's account does its work and can do nothing else."""

    def modify(self, dn: str, *mods) -> None:
        self.service.modify_s(dn, list(mods))

    def refuses(self, function, *arguments, **named) -> bool:
        """Return whether the server refuses what a function asks for."""
        try:
            function(*arguments, **named)
        except REFUSED:
            return True
        return False

    def cannot_modify(self, *changes: tuple[str, int, str, bytes]) -> None:
        """Check that each change is refused: DN, kind, attribute, value."""
        taken = [
            (dn, name)
            for dn, change, name, value in changes
            if not self.refuses(self.modify, dn, (change, name, [value]))
        ]
        self.assertEqual([], taken)

    def test_it_adds_a_host_and_reads_it_back(self) -> None:
        dn = self.add("5f0a7e3c-60c3-4c8b-8a5b-9f3f3f1c2d10")
        [(found, entry)] = self.service.search_s(dn, ldap.SCOPE_BASE)
        self.assertEqual(dn, found)
        self.assertEqual(
            host_entry("5f0a7e3c-60c3-4c8b-8a5b-9f3f3f1c2d10"), entry
        )

    def test_it_adds_a_host_that_has_no_address_yet(self) -> None:
        dn = self.add(
            objectClass=["top", "device", "novaInstance"],
            ipHostNumber=[],
            macAddress=[],
        )
        self.assertNotIn("ipHostNumber", self.read(dn))

    def test_it_gives_a_host_its_addresses_later(self) -> None:
        dn = self.add(
            objectClass=["top", "device", "novaInstance"],
            ipHostNumber=[],
            macAddress=[],
        )
        self.modify(
            dn,
            (ldap.MOD_ADD, "objectClass", [b"ipHost", b"ieee802Device"]),
            (ldap.MOD_ADD, "ipHostNumber", [b"10.0.0.54"]),
            (ldap.MOD_ADD, "macAddress", [b"fa:16:3e:00:00:54"]),
        )
        self.assertEqual([b"10.0.0.54"], self.read(dn)["ipHostNumber"])

    def test_it_takes_the_addresses_of_a_host_away(self) -> None:
        dn = self.add()
        self.modify(
            dn,
            (ldap.MOD_DELETE, "objectClass", [b"ipHost"]),
            (ldap.MOD_DELETE, "ipHostNumber", None),
        )
        self.assertNotIn("ipHostNumber", self.read(dn))

    def test_it_renews_every_attribute_but_the_name(self) -> None:
        dn = self.add()
        wanted = host_entry(
            "unused", cn=["web2"], novaComputeHost=["compute2"]
        )
        del wanted["novaInstanceUuid"]
        self.modify(
            dn,
            *((ldap.MOD_REPLACE, name, vs) for name, vs in wanted.items()),
        )
        self.assertEqual([b"compute2"], self.read(dn)["novaComputeHost"])

    def test_it_deletes_its_own_host(self) -> None:
        dn = self.add()
        self.service.delete_s(dn)
        self.assertRaises(ldap.NO_SUCH_OBJECT, self.read, dn)

    def test_it_reads_the_hosts_of_other_clouds(self) -> None:
        dn = self.add_foreign()
        [(found, _)] = self.service.search_s(dn, ldap.SCOPE_BASE)
        self.assertEqual(dn, found)

    def test_it_reads_more_hosts_than_others_may(self) -> None:
        for _ in range(3):
            self.add()
        self.manager.modify_s(
            "cn=config", [(ldap.MOD_REPLACE, "nsslapd-sizelimit", [b"1"])]
        )
        self.addCleanup(
            self.manager.modify_s,
            "cn=config",
            [(ldap.MOD_REPLACE, "nsslapd-sizelimit", [b"2000"])],
        )
        found = self.service.search_s(HOSTS, ldap.SCOPE_ONELEVEL)
        self.assertEqual(3, len(found))

    def test_adding_a_host_twice_answers_already_exists(self) -> None:
        instance_uuid = str(uuid.uuid4())
        self.add(instance_uuid)
        self.assertRaises(ldap.ALREADY_EXISTS, self.add, instance_uuid)

    def test_a_host_that_is_gone_is_told_from_a_foreign_one_by_reading(
        self,
    ) -> None:
        gone = host_dn(str(uuid.uuid4()))
        self.assertRaises(REFUSED, self.service.delete_s, gone)
        self.assertRaises(
            ldap.NO_SUCH_OBJECT, self.service.search_s, gone, ldap.SCOPE_BASE
        )

    def test_it_cannot_delete_what_is_not_its_host(self) -> None:
        for dn in (self.add_foreign(), HOSTS, self.directory.bind_dn):
            self.assertTrue(self.refuses(self.service.delete_s, dn), dn)
            self.assertTrue(self.read(dn))

    def test_it_cannot_change_what_is_not_its_own(self) -> None:
        foreign, account = self.add_foreign(), self.directory.bind_dn
        self.cannot_modify(
            (foreign, ldap.MOD_REPLACE, "novaDisplayName", b"mine"),
            (foreign, ldap.MOD_REPLACE, "novaOwnerMark", b"nova"),
            (HOSTS, ldap.MOD_ADD, "aci", A_RULE.encode()),
            (account, ldap.MOD_REPLACE, "userPassword", b"correct horse"),
        )

    def test_it_cannot_make_its_own_host_something_else(self) -> None:
        own = self.add()
        self.cannot_modify(
            (own, ldap.MOD_REPLACE, "novaOwnerMark", b"elsewhere"),
            (own, ldap.MOD_ADD, "userPassword", b"correct horse"),
            (own, ldap.MOD_ADD, "aci", A_RULE.encode()),
            (own, ldap.MOD_ADD, "objectClass", b"extensibleObject"),
        )

    def test_it_cannot_add_a_host_that_is_something_else(self) -> None:
        classes = ["top", "device", "novaInstance", "ipHost", "ieee802Device"]
        account = {
            "uid": ["root"],
            "uidNumber": ["0"],
            "gidNumber": ["0"],
            "homeDirectory": ["/"],
        }
        for what, changes in (
            ("of another cloud", {"novaOwnerMark": ["elsewhere"]}),
            (
                "of nobody",
                {
                    "objectClass": ["top", "device", "ipHost"],
                    "novaOwnerMark": [],
                },
            ),
            (
                "an account",
                {"objectClass": [*classes, "posixAccount"]} | account,
            ),
            ("anything", {"objectClass": [*classes, "extensibleObject"]}),
            ("with a password", {"userPassword": ["correct horse"]}),
            ("with an access rule", {"aci": [A_RULE]}),
        ):
            self.assertTrue(self.refuses(self.add, **changes), what)

    def test_it_cannot_add_an_account_among_the_hosts(self) -> None:
        intruder = {
            "objectClass": [b"top", b"person"],
            "cn": [b"intruder"],
            "sn": [b"intruder"],
            "userPassword": [b"correct horse"],
        }
        self.assertRaises(
            REFUSED, self._add, self.service, f"cn=intruder,{HOSTS}", intruder
        )

    def test_it_cannot_add_a_host_elsewhere_or_by_another_name(self) -> None:
        for dn in (
            f"novaInstanceUuid=stray,{SUFFIX}",
            f"novaInstanceUuid=stray,{SERVICES}",
            f"novaInstanceUuid=stray,{self.add()}",
            f"cn=web1,{HOSTS}",
        ):
            stray = host_entry("stray")
            self.assertTrue(self.refuses(self._add, self.service, dn, stray))

    def test_it_cannot_rename_or_move_a_host(self) -> None:
        own = self.add()
        name = own.partition(",")[0]
        for new, *above in (
            (f"novaInstanceUuid={uuid.uuid4()}",),
            (name, SERVICES),
        ):
            moved = (self.service.rename_s, own, new, *above)
            self.assertTrue(self.refuses(*moved), new)

    def test_it_cannot_see_the_accounts(self) -> None:
        self.assertEqual(
            [], self.service.search_s(SERVICES, ldap.SCOPE_SUBTREE)
        )


class ReaderTestCase(Directory389TestCase):
    """The second account reads and nothing else; strangers do not read."""

    def setUp(self) -> None:
        super().setUp()
        self.reader = self.directory.connect(
            self.directory.reader_dn, self.directory.reader_password
        )
        self.addCleanup(self.reader.unbind_s)

    def test_the_reader_finds_who_has_an_address(self) -> None:
        dn = self.add()
        [(found, entry)] = self.reader.search_s(
            HOSTS, ldap.SCOPE_SUBTREE, "(ipHostNumber=10.0.0.54)"
        )
        self.assertEqual(dn, found)
        self.assertEqual([b"demo"], entry["novaProjectName"])

    def test_the_reader_cannot_add_a_host(self) -> None:
        instance_uuid = str(uuid.uuid4())
        self.assertRaises(
            REFUSED,
            self._add,
            self.reader,
            host_dn(instance_uuid),
            host_entry(instance_uuid),
        )

    def test_the_reader_cannot_delete_a_host(self) -> None:
        self.assertRaises(REFUSED, self.reader.delete_s, self.add())

    def test_a_stranger_reads_no_host(self) -> None:
        self.add()
        stranger = self.directory.connect_anonymously()
        self.addCleanup(stranger.unbind_s)
        self.assertRaises(
            ldap.INAPPROPRIATE_AUTH,
            stranger.search_s,
            HOSTS,
            ldap.SCOPE_SUBTREE,
        )

    def test_the_server_keeps_a_hash_of_the_password(self) -> None:
        entry = self.read(self.directory.bind_dn)
        [stored] = entry["userPassword"]
        self.assertRegex(stored.decode(), r"^\{PBKDF2")


class TlsTestCase(Directory389TestCase):
    """Passwords travel encrypted and clients can know the server."""

    def test_the_certificate_is_verified_by_address_and_name(self) -> None:
        for host in ("127.0.0.1", "localhost", socket.gethostname()):
            connection = self.connection(
                f"ldap://{host}:{self.directory.port}"
            )
            connection.start_tls_s()
            connection.unbind_s()

    def test_the_certificate_is_verified_by_ldaps(self) -> None:
        connection = self.connection(self.directory.secure_url)
        connection.simple_bind_s(
            self.directory.bind_dn, self.directory.password
        )
        self.assertEqual(
            f"dn: {self.directory.bind_dn}", connection.whoami_s()
        )
        connection.unbind_s()

    def test_a_client_that_trusts_another_ca_refuses(self) -> None:
        other = self.useFixture(certificates.Certificates())
        connection = self.connection(self.directory.url, other.ca)
        self.assertRaises(ldap.CONNECT_ERROR, connection.start_tls_s)

    def test_a_password_in_the_clear_is_refused(self) -> None:
        connection = self.connection(self.directory.url)
        self.assertRaises(
            ldap.CONFIDENTIALITY_REQUIRED,
            connection.simple_bind_s,
            self.directory.bind_dn,
            self.directory.password,
        )

    def test_ldapsearch_takes_the_password_file_as_it_is(self) -> None:
        dn = self.add()
        done = subprocess.run(
            [
                "ldapsearch", "-LLL", "-x", "-ZZ", "-o", "ldif-wrap=no",
                "-H", self.directory.url,
                "-D", self.directory.bind_dn,
                "-y", str(self.directory.password_file),
                "-b", HOSTS, "(ipHostNumber=10.0.0.54)", "1.1",
            ],
            env={**os.environ, "LDAPTLS_CACERT": str(self.directory.ca_file)},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        self.assertEqual(f"dn: {dn}\n\n", done.stdout, done.stderr)

    def connection(self, url: str, ca_file: str | None = None):
        connection = ldap.initialize(url)
        for option, value in (
            (ldap.OPT_NETWORK_TIMEOUT, 10),
            (ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND),
            (
                ldap.OPT_X_TLS_CACERTFILE,
                str(ca_file or self.directory.ca_file),
            ),
            (ldap.OPT_X_TLS_NEWCTX, 0),
        ):
            connection.set_option(option, value)
        return connection


class SchemaAndIndexTestCase(Directory389TestCase):
    """The schema has its numbers, and the usual questions use an index."""

    names = (
        "novaInstanceUuid", "novaProjectId", "novaProjectName", "novaUserId",
        "novaUserName", "novaUserRemoteAddress", "novaImageUuid",
        "novaFlavorName", "novaAvailabilityZone", "novaComputeHost",
        "novaDisplayName", "novaCreatedAt", "novaLaunchedAt",
        "novaOwnerMark", "novaAsOf",
    )  # fmt: skip

    def test_an_attribute_has_the_number_that_it_was_given(self) -> None:
        [(_, definitions)] = self.manager.search_s(
            "cn=schema", ldap.SCOPE_BASE, attrlist=["*", "attributeTypes"]
        )
        schema = ldap.schema.SubSchema(definitions)
        found = {
            name: schema.getoid(ldap.schema.AttributeType, name)
            for name in self.names
        }
        wanted = {
            name: f"{ARC}.1.{number}"
            for number, name in enumerate(self.names, start=1)
        }
        self.assertEqual(wanted, found)

    def test_an_attribute_has_one_value_at_most(self) -> None:
        self.assertRaises(
            (ldap.OBJECT_CLASS_VIOLATION, ldap.CONSTRAINT_VIOLATION),
            self.add,
            novaProjectId=["one", "two"],
        )

    def add_one_among_many(self) -> None:
        """Add a host, and more others than the server would just read.

        Below ten candidates it looks at each and uses no index at all.
        """
        self.add()
        for _ in range(20):
            instance_uuid = str(uuid.uuid4())
            other = host_entry(
                instance_uuid,
                cn=["other"],
                ipHostNumber=["10.9.9.9"],
                macAddress=["fa:16:3e:99:99:99"],
                novaDisplayName=["other"],
                novaOwnerMark=["elsewhere"],
                novaProjectId=["other"],
            )
            self._add(self.manager, host_dn(instance_uuid), other)

    def test_a_question_by_an_indexed_attribute_uses_the_index(self) -> None:
        self.add_one_among_many()
        for question in (
            "(ipHostNumber=10.0.0.54)", "(macAddress=fa:16:3e:00:00:54)",
            "(cn=web1)", "(novaOwnerMark=nova)", "(novaDisplayName=Web 1)",
            "(novaProjectId=0f4c5be6c0b54f7aa3b2a1f7d2b9a7c1)",
        ):  # fmt: skip
            result = self.logged_result(question)
            self.assertIn("nentries=1", result, question)
            self.assertNotIn("notes=", result, question)

    def test_the_log_tells_of_a_question_that_uses_no_index(self) -> None:
        self.add_one_among_many()
        for question in ("(novaFlavorName=m1.tiny)", "(cn=*web*)"):
            self.assertRegex(self.logged_result(question), r"notes=[AU]")

    def logged_result(self, question: str) -> str:
        """Return what the access log says about a search of ours.

        With the buffering off come lines of what was asked before, and
        others ask meanwhile: ours is told by the attribute that it wants,
        and its result by its connection and operation.
        """
        self.manager.modify_s(
            "cn=config",
            [(ldap.MOD_REPLACE, "nsslapd-accesslog-logbuffering", [b"off"])],
        )
        mark = f"x-{uuid.uuid4()}"
        self.service.search_s(HOSTS, ldap.SCOPE_SUBTREE, question, [mark])

        def result() -> str | None:
            text = self.directory.access_log.read_text()
            asked = re.search(rf'(conn=\d+ op=\d+) SRCH .*"{mark}"', text)
            told = asked and re.search(rf"{asked[1]} (RESULT .*)\n", text)
            return told[1] if told else None

        return waiting.until(result, f"the result of {question} in the log")
