# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""openapi.yaml is valid, and the service of examples/rest does as it says."""

import os
import pathlib
import subprocess
import sys
import tempfile

import openapi_spec_validator
import testtools
import yaml
from testtools.content import text_content

from tests import waiting
from tests.functional.rest_service import EXAMPLE, RestService

# The example is a program, not an installed package.
sys.path.insert(0, str(EXAMPLE))
from dirsvcrest import contract

OPENAPI = EXAMPLE / "openapi.yaml"
EXAMPLES = 25
SECONDS = 900  # a busy machine takes a minute or two


class ContractTest(testtools.TestCase):
    """One document says what is right."""

    def setUp(self) -> None:
        super().setUp()
        self.document = yaml.safe_load(OPENAPI.read_text())

    def test_it_is_valid_openapi(self) -> None:
        openapi_spec_validator.validate(self.document)

    def test_its_examples_fit(self) -> None:
        body = self.document["components"]["requestBodies"]["Registration"]
        [media] = body["content"].values()
        for example in media["examples"].values():
            contract.Contract().check_body("Registration", example["value"])


class SchemathesisTest(testtools.TestCase):
    """Whatever is sent, the service does as the document says."""

    def run_schemathesis(self, mode: str) -> None:
        service = self.useFixture(RestService())
        folder = tempfile.TemporaryDirectory(prefix="schemathesis-")
        self.addCleanup(folder.cleanup)
        # In a file: an argument can be seen by everybody on the machine.
        pathlib.Path(folder.name, "schemathesis.toml").write_text(
            '[headers]\nAuthorization = "Bearer ${DIRSVC_TOKEN}"\n'
            '[warnings]\nfail-on = ["missing_auth"]\n'
        )
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", str(OPENAPI),
                "--url", service.origin,
                "--mode", mode,
                "--checks", "all",
                "--max-examples", str(EXAMPLES),
                "--seed", "1",
                "--request-timeout", str(waiting.LIMIT),
                "--generation-database", "none",
                "--no-color",
            ],
            cwd=folder.name,
            env=os.environ
            | {"DIRSVC_TOKEN": service.service_token_file.read_text()},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )  # fmt: skip
        self.addDetail("schemathesis", text_content(done.stdout + done.stderr))
        self.assertEqual(0, done.returncode)

    # Not in one run: there schemathesis 4.32 takes 0 for a positive value of
    # an optional header whose pattern it cannot make a text of.

    def test_what_fits_is_accepted(self) -> None:
        self.run_schemathesis("positive")

    def test_what_does_not_fit_is_refused(self) -> None:
        self.run_schemathesis("negative")
