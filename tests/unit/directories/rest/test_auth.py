# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import hmac
import json

import requests

from nova_dirsvc_plugin import untrusted_text
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories.rest import auth, response
from tests import drivers
from tests.unit import base

URL = "https://cmdb.example.org/v1/instances?x=1"
TOKEN_URL = "https://login.example.org/token"


class LoginTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.asked = []
        self.answers = []

    def login(self, **options):
        conf = drivers.configured("rest", **options)
        return auth.Auth(conf.rest, lambda: self.now)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def ask(self, request):
        self.asked.append(request)
        return self.answers.pop(0)

    def renewed(self, **options):
        login = self.login(**options)
        login.renew(self.ask)
        return login

    def headers(self, login, method="POST", body=b"{}"):
        request = requests.Request(method, URL, data=body, auth=login)
        return request.prepare().headers

    def wrong(self, **options):
        error = self.assertRaises(
            directories.WrongOption, self.login, **options
        )
        self.assertIn("[rest]", str(error))
        return str(error)


class AcceptedTest(LoginTestCase):
    def test_one_that_is_refused_is_sent_by_one_connection_again(self):
        login = self.renewed(
            auth="bearer", token_file=self.file("token", "one")
        )
        self.assertFalse(login.is_accepted)
        login.note(response.Answer(204, {}), "POST /")
        self.assertTrue(login.is_accepted)
        login.note(response.Answer(401, {}), "POST /")
        login.renew(self.ask)
        self.assertFalse(login.is_accepted)


class HeadersTest(LoginTestCase):
    def test_nothing_is_said_unless_an_option_says_so(self):
        self.assertNotIn("Authorization", self.headers(self.renewed()))

    def test_headers_come_from_the_option_and_the_file(self):
        login = self.renewed(
            header=["X-Source: nova", "X-Empty:"],
            headers_file=self.file("h", "X-Api-Key: k:1\n\nX-Two: 2\n"),
        )
        found = self.headers(login)
        self.assertEqual(
            ("nova", "", "k:1", "2"),
            tuple(
                found[name]
                for name in ("X-Source", "X-Empty", "X-Api-Key", "X-Two")
            ),
        )

    def test_those_that_cannot_be_are_named_and_no_value_is_told(self):
        for line in ("geheim", "X Y: geheim", "X-Y: geheim\nZ: 1", ": geheim"):
            self.assertNotIn("geheim", self.wrong(header=[line]))
        for name in ("Authorization", "host", "Idempotency-Key"):
            self.assertIn(name, self.wrong(header=[f"{name}: x"]))

    def test_a_file_that_cannot_be_used_waits(self):
        for text in ("geheim", "X-Y: gehe\u00efm"):
            login = self.login(headers_file=self.file("h", text))
            error = self.assertRaises(
                directories.DirectoryUnavailable, login.renew, self.ask
            )
            self.assertNotIn("gehe", str(error))


class AuthTest(LoginTestCase):
    def test_basic_is_in_utf_8(self):
        login = self.renewed(
            auth="basic",
            user="jürgen",
            password_file=self.file("p", "pä:ss\n"),
        )
        kind, text = self.headers(login)["Authorization"].split()
        self.assertEqual("Basic", kind)
        self.assertEqual("jürgen:pä:ss", base64.b64decode(text).decode())

    def test_a_new_token_in_the_file_needs_no_restart(self):
        path = self.file("t", "one\n")
        login = self.renewed(auth="bearer", token_file=path)
        self.assertEqual("Bearer one", self.headers(login)["Authorization"])
        self.file("t", "two")
        login.renew(self.ask)
        self.assertEqual("Bearer two", self.headers(login)["Authorization"])

    def test_a_file_that_is_missing_empty_or_no_text_is_named(self):
        binary = self.folder / "binary"
        binary.write_bytes(b"\xff\xfe")
        for path in ("/nowhere", self.file("empty", "\n"), str(binary)):
            login = self.login(auth="bearer", token_file=path)
            error = self.assertRaises(
                directories.DirectoryUnavailable, login.renew, self.ask
            )
            self.assertIn(f"[rest] token_file {path}", str(error))

    def test_a_token_that_would_make_a_header_of_its_own_waits(self):
        login = self.login(
            auth="bearer", token_file=self.file("t", "one\nX-Evil: 1")
        )
        error = self.assertRaises(
            directories.DirectoryUnavailable, login.renew, self.ask
        )
        self.assertNotIn("Evil", str(error))

    def test_an_option_that_goes_with_it_is_asked_for(self):
        for options, word in (
            ({"auth": "basic"}, "user"),
            ({"auth": "basic", "user": "u"}, "password_file"),
            ({"auth": "basic", "user": "a:b", "password_file": "p"}, "colon"),
            ({"auth": "bearer"}, "token_file"),
            ({"auth": "oauth2"}, "oauth2_token_url"),
        ):
            self.assertIn(word, self.wrong(**options))

    def test_no_secret_is_left_in_what_a_service_echoes(self):
        self.renewed(
            auth="basic",
            user="u",
            password_file=self.file("p", "geheim"),
            hmac_key_file=self.file("k", "schluessel"),
            headers_file=self.file("h", "X-Api-Key: dritter"),
        )
        encoded = base64.b64encode(b"u:geheim").decode()
        text = f"geheim {encoded} schluessel dritter public"
        self.assertEqual(
            "*** *** *** *** public", untrusted_text.on_one_line(text)
        )

    def test_a_secret_that_is_used_no_longer_is_not_kept(self):
        token = self.file("t", "erster-token")
        login = self.renewed(auth="bearer", token_file=token)
        self.file("t", "zweiter-token")
        login.renew(self.ask)
        self.assertEqual(
            "erster-token ***",
            untrusted_text.on_one_line("erster-token zweiter-token"),
        )


class SignatureTest(LoginTestCase):
    def test_the_whole_request_is_signed(self):
        login = self.renewed(hmac_key_file=self.file("k", "key\n"))
        found = self.headers(login)["Dirsvc-Signature"]
        signed = b"1000\nPOST\n/v1/instances?x=1\n{}"
        digest = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
        self.assertEqual(f"t=1000,v1={digest}", found)
        others = {
            self.headers(login, "DELETE", b"")["Dirsvc-Signature"],
            self.headers(login, body=b"{ }")["Dirsvc-Signature"],
        }
        self.now += 1
        others.add(self.headers(login)["Dirsvc-Signature"])
        self.assertEqual(3, len(others - {found}))

    def test_or_its_body_as_receivers_of_webhooks_know_it(self):
        login = self.renewed(
            hmac_key_file=self.file("k", "key"),
            hmac_signs="body",
            unregister_method="POST",
        )
        digest = hmac.new(b"key", b"{}", hashlib.sha256).hexdigest()
        self.assertEqual(
            f"sha256={digest}", self.headers(login)["X-Hub-Signature-256"]
        )

    def test_a_delete_has_no_body_to_sign(self):
        path = self.file("k", "key")
        self.assertIn(
            "unregister_method",
            self.wrong(hmac_key_file=path, hmac_signs="body"),
        )


class OAuth2Test(LoginTestCase):
    def options(self):
        return {
            "auth": "oauth2",
            "oauth2_token_url": TOKEN_URL,
            "oauth2_client_id": "nova",
            "oauth2_client_secret_file": self.file("s", "geheim"),
            "oauth2_scope": "hosts:write",
        }

    def answer(self, status=200, **body):
        self.answers.append(
            response.Answer(status, {}, json.dumps(body).encode())
        )

    def token(self, login):
        login.renew(self.ask)
        return self.headers(login)["Authorization"]

    def test_a_token_is_got_by_the_clients_credentials(self):
        self.answer(access_token="one", token_type="Bearer", expires_in=100)
        self.assertEqual(
            "Bearer one", self.token(self.login(**self.options()))
        )
        (request,) = self.asked
        self.assertEqual(TOKEN_URL, request.url)
        self.assertIn("grant_type=client_credentials", request.body)
        self.assertIn("scope=hosts%3Awrite", request.body)
        self.assertNotIn("geheim", request.body)
        self.assertEqual(
            "Basic " + base64.b64encode(b"nova:geheim").decode(),
            request.headers["Authorization"],
        )

    def test_it_is_used_until_shortly_before_its_end(self):
        self.answer(access_token="one", token_type="Bearer", expires_in=100)
        self.answer(access_token="two", token_type="Bearer", expires_in=100)
        login = self.login(**self.options())
        self.token(login)
        self.now += 69
        self.assertEqual("Bearer one", self.token(login))
        self.now += 2
        self.assertEqual("Bearer two", self.token(login))

    def test_one_that_was_refused_is_not_used_again(self):
        self.answer(access_token="one", token_type="Bearer", expires_in=100)
        self.answer(access_token="two", token_type="Bearer")
        login = self.login(**self.options())
        self.token(login)
        login.note(response.Answer(401, {}), "POST /")
        self.assertEqual("Bearer two", self.token(login))

    def test_no_token_is_an_outage_that_says_why(self):
        for status, body, word in (
            (401, b'{"error": "invalid_client"}', "invalid_client"),
            (200, b"<html>", "oauth2_"),
            (200, b"{}", "oauth2_"),
            (200, b"\xff", "oauth2_"),
            (200, b'{"access_token": "x", "expires_in": "soon"}', "expires"),
            (500, b"geheim", "500"),
            (307, b'{"access_token": "x", "token_type": "b"}', "moved to"),
            (200, b"5", "oauth2_"),
            (200, b"null", "oauth2_"),
            (200, b"[" * 100_000, "oauth2_"),
            (200, b'{"access_token": null}', "oauth2_"),
            (200, b'{"access_token": 5}', "access_token"),
            (200, b'{"access_token": ["x"]}', "oauth2_"),
            (200, b'{"access_token": "x", "expires_in": 1e999}', "oauth2_"),
            (
                200,
                b'{"access_token": "x", "expires_in": 1' + b"0" * 400 + b"}",
                "oauth2_",
            ),
            (200, b'{"access_token": "x", "scope": 5}', "oauth2_"),
            (
                400,
                json.dumps(
                    {
                        "error": "invalid_client",
                        "error_description": "you said geheim, "
                        + base64.b64encode(b"nova:geheim").decode()
                        + "\nforged line"
                        + "x" * 3000,
                    }
                ).encode(),
                "you said ***, *** forged line",
            ),
        ):
            self.answers.append(response.Answer(status, {}, body))
            login = self.login(**self.options())
            error = self.assertRaises(
                directories.DirectoryUnavailable, login.renew, self.ask
            )
            self.assertIn(word, str(error))
            self.assertIn(TOKEN_URL, str(error))
            self.assertNotIn("geheim", str(error))
            self.assertNotIn("\n", str(error))
            self.assertLess(len(str(error)), 400)

    def test_times_that_make_no_sense_do_not_hurt(self):
        for lasts in (-5, 0, None):
            self.answer(
                access_token="one", token_type="Bearer", expires_in=lasts
            )
            login = self.login(**self.options())
            self.assertEqual("Bearer one", self.token(login))
