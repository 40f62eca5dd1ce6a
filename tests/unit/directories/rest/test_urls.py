# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories.rest import urls as rest_urls
from tests import drivers
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
URL = "https://cmdb.example.org/v1/hosts"


def urls(**options):
    conf = drivers.configured("rest", **{"url": URL} | options)
    return rest_urls.Urls(conf.rest, "nova")


class UrlsTest(base.TestCase):
    def test_by_default_there_is_a_collection_and_a_resource_each(self):
        found = urls()
        self.assertEqual(URL, found.register(UUID))
        self.assertEqual(f"{URL}/{UUID}", found.unregister(UUID))
        self.assertEqual(URL, found.entries)

    def test_a_slash_at_the_end_stays_and_is_not_doubled(self):
        found = urls(url=URL + "/")
        self.assertEqual(f"{URL}/", found.register(UUID))
        self.assertEqual(f"{URL}/", found.entries)
        self.assertEqual(f"{URL}/{UUID}", found.unregister(UUID))

    def test_put_goes_to_the_resource(self):
        found = urls(register_method="PUT")
        self.assertEqual(f"{URL}/{UUID}", found.register(UUID))

    def test_templates_are_filled_in(self):
        found = urls(
            register_url="{url}/add?by={owner}",
            unregister_method="POST",
            unregister_url="https://other.example/gone/{instance_uuid}",
            entries_url="",
        )
        self.assertEqual(f"{URL}/add?by=nova", found.register(UUID))
        self.assertEqual(
            f"https://other.example/gone/{UUID}", found.unregister(UUID)
        )
        self.assertEqual("", found.entries)

    def test_plain_http_is_for_this_host(self):
        for host in ("127.0.0.1:8042", "localhost", "[::1]:80"):
            urls(url=f"http://{host}/v1")
        urls(url="http://cmdb.example.org/v1", insecure=True)

    def test_what_cannot_be_is_named(self):
        for options, word in (
            ({"url": ""}, "url"),
            ({"url": "ldap://x"}, "ldap://x"),
            ({"url": "https://"}, "url"),
            ({"url": "https://h:99999/"}, "url"),
            ({"url": "https://[::1/"}, "url"),
            ({"url": "https://h/ä"}, "url"),
            ({"url": "https://h/a\nb"}, "url"),
            ({"url": "https://h/#x"}, "fragment"),
            ({"url": "https://h/?x=1"}, "query"),
            ({"url": "https://*.example.org/"}, "host"),
            ({"url": "https://.example.org/"}, "host"),
            ({"url": "https://a..b/"}, "host"),
            ({"url": "https://h%zz/"}, "host"),
            ({"url": f"https://{'a' * 64}/"}, "host"),
            ({"url": "https://ex\\ample.org/"}, "url"),
            ({"url": "https://h/a b"}, "url"),
            ({"url": "https://[::g]/"}, "url"),
            (
                {"register_method": "PUT", "register_url": "{url}/x"},
                "register_url",
            ),
            ({"url": "http://cmdb.example.org/v1"}, "insecure"),
            ({"register_url": "http://cmdb.example.org/v1"}, "register_url"),
            ({"register_url": "{url}/{project_name}"}, "project_name"),
            ({"register_url": "{url}/{0}"}, "register_url"),
            ({"register_url": "{url!r}"}, "register_url"),
            ({"register_url": "{url.x}"}, "register_url"),
            ({"register_url": "{url"}, "register_url"),
            ({"unregister_url": "{url}/gone"}, "unregister_url"),
            ({"unregister_method": "POST"}, "unregister_url"),
            ({"entries_url": "{url}/{instance_uuid}"}, "entries_url"),
            (
                {"auth": "oauth2", "oauth2_token_url": "http://other/"},
                "oauth2_token_url",
            ),
        ):
            error = self.assertRaises(directories.WrongOption, urls, **options)
            self.assertIn(word, str(error))
            self.assertIn("[rest]", str(error))

    def test_a_password_in_an_address_is_refused_and_not_repeated(self):
        for host in ("h", "h:x", "[::1"):
            error = self.assertRaises(
                directories.WrongOption, urls, url=f"https://u:geheim@{host}/"
            )
            self.assertNotIn("geheim", str(error))

    def test_an_at_sign_elsewhere_is_no_password(self):
        found = urls(register_url="{url}?by=nova@example.org")
        self.assertEqual(f"{URL}?by=nova@example.org", found.register(UUID))
