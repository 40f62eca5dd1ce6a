# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What share/ has is what the code says today."""

import pathlib
import subprocess
import sys

from tests.unit import base

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


class SampleTest(base.TestCase):
    def test_the_sample_has_every_option(self):
        made = self.folder / "sample"
        subprocess.run(
            [
                pathlib.Path(sys.executable).with_name(
                    "oslo-config-generator"
                ),
                "--config-file=tools/sample-options.conf",
                f"--output-file={made}",
            ],
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
        )
        kept = CHECKOUT / "share/nova-dirsvc/nova-dirsvc.conf.sample"
        self.assertEqual(
            made.read_text(),
            kept.read_text(),
            "the options have changed: run tox -e share",
        )
