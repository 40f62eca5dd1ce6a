# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from pocket import configuration, errors
from tests.unit import base


class TheFilterTest(base.TestCase):
    def test_it_comes_after_keystonecontext_in_each_pipeline(self):
        paste = configuration.with_filter(
            "keystone = authtoken keystonecontext app\n"
            "noauth2 = noauth2 app\n"
            "keystone = authtoken keystonecontext legacy app\n"
        )
        self.assertEqual(
            [
                "keystone = authtoken keystonecontext remote_address app",
                "noauth2 = noauth2 app",
                "keystone = authtoken keystonecontext remote_address legacy"
                " app",
            ],
            paste.splitlines()[:3],
        )
        self.assertIn("[filter:remote_address]", paste)

    def test_an_api_without_a_place_for_it_is_refused(self):
        self.assertRaises(
            errors.PocketError, configuration.with_filter, "noauth2 = app\n"
        )
