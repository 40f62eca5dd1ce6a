# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A CA for one test, and certificates for the names that it wants."""

import pathlib
import subprocess

import fixtures


class Certificates(fixtures.Fixture):
    """Made by openssl, good for a day.

    :ivar ca: path of the CA's certificate
    """

    def _setUp(self) -> None:
        self._folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.ca = str(self._folder / "ca.pem")
        self._ca_key = self._folder / "ca.key"
        self._openssl(
            *("req", "-x509", "-nodes", "-days", "1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-subj", "/CN=CA of a test", "-keyout", self._ca_key),
            *("-out", self.ca),
        )

    def of(self, name: str) -> tuple[str, str]:
        """Make a certificate. :returns: its path, and that of its key"""
        certificate = self._folder / f"{name}.pem"
        key = self._folder / f"{name}.key"
        kind = "IP" if name[0].isdigit() else "DNS"
        self._openssl(
            *("req", "-x509", "-nodes", "-days", "1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-CA", self.ca, "-CAkey", self._ca_key),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", certificate),
            *("-addext", f"subjectAltName={kind}:{name}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
        )
        return str(certificate), str(key)

    def _openssl(self, *words: object) -> None:
        subprocess.run(
            ["openssl", *map(str, words)], check=True, capture_output=True
        )
