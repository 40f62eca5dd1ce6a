# SPDX-License-Identifier: Apache-2.0
"""The server's certificate, issued by lib389's own small CA.

dscreate's certificate carries one DNS name. Ours carries the addresses too,
so that a client which speaks to 127.0.0.1 can verify it.
"""

import datetime
import ipaddress
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lib389 import DirSrv
from lib389.nss_ssl import CERT_NAME, PWD_TXT, NssSsl

from dirsvc389.settings import is_address

CA_MONTHS = 120
CERTIFICATE_MONTHS = 24
RENEW_BEFORE = datetime.timedelta(days=60)
KEY_BITS = 3072


def is_current(server: DirSrv, names: Iterable[str]) -> bool:
    """Say whether the certificate stands for the names and lasts."""
    database = NssSsl(dirsrv=server)
    if not database._rsa_key_and_cert_exists():
        return False
    details = database.display_cert_details(CERT_NAME)
    found = re.findall(r'(?:DNS name|IP Address): "?([^"\n]+)"?', details)
    expires = datetime.datetime.fromisoformat(
        database.get_cert_details(CERT_NAME)[3]
    )
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    wanted = {name.lower() for name in names}
    return wanted <= {_plain(name) for name in found} and (
        expires - now > RENEW_BEFORE
    )


def issue(server: DirSrv, names: tuple[str, ...]) -> None:
    """Return the server a certificate; it is read at the next start."""
    authority = _authority(server)
    database = NssSsl(dirsrv=server)
    if database._rsa_key_and_cert_exists():
        database.del_cert(CERT_NAME)
    ca, certificate = authority.rsa_ca_sign_csr(
        str(_request(database, names)), months=CERTIFICATE_MONTHS
    )
    database.import_rsa_crt(ca, certificate)
    _hand_over(server)


def ca_certificate(server: DirSrv) -> str:
    return Path(server.get_cert_dir(), "ca.crt").read_text()


def _authority(server: DirSrv) -> NssSsl:
    authority = NssSsl(dbpath=server.get_ssca_dir())
    if not authority._db_exists():
        authority.reinit()
        authority.create_rsa_ca(months=CA_MONTHS)
    return authority


def _request(database: NssSsl, names: tuple[str, ...]) -> Path:
    """Make a key and a signing request, as lib389 does but for addresses."""
    folder = Path(database._certdb)
    request = folder / f"{CERT_NAME}.csr"
    noise = folder / "noise.txt"
    database._generate_noise(str(noise))
    alternatives = ",".join(
        f"{'ip' if is_address(name) else 'dns'}:{name}" for name in names
    )
    subprocess.run(
        [
            "certutil", "-R",
            "--keyUsage", "digitalSignature,keyEncipherment",
            "--extKeyUsage", "serverAuth,clientAuth",
            "-s", database.generate_cert_subject([names[0]]),
            "--extSAN", alternatives,
            "-g", str(KEY_BITS),
            "-d", str(folder),
            "-z", str(noise),
            "-f", str(folder / PWD_TXT),
            "-a", "-o", str(request),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return request


def _hand_over(server: DirSrv) -> None:
    """Let the server's account read the key database that root has made."""
    folder = Path(server.get_cert_dir())
    owner = folder.stat()
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            shutil.chown(path, owner.st_uid, owner.st_gid)


def _plain(name: str) -> str:
    """certutil writes ::1 as 0:0:0:0:0:0:0:1."""
    if is_address(name):
        return str(ipaddress.ip_address(name))
    return name.lower()
