#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Remove each file below a folder that contains a secret; fail if one did.

A secret is the content of a file; its base64 form, as LDIF has it, is as
secret. Told is the name of its file, never itself.
"""

import base64
import pathlib
import sys


def main(folder: str, *secret_files: str) -> None:
    secrets = {}
    for file in map(pathlib.Path, secret_files):
        secret = file.read_bytes().strip()
        if secret:
            secrets[secret] = secrets[base64.b64encode(secret)] = file.name
    removed = []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        names = {name for secret, name in secrets.items() if secret in content}
        if names:
            path.unlink()
            removed.append(f"{path.name}: had {', '.join(sorted(names))}")
    if removed:
        sys.exit("removed " + "; ".join(removed))


if __name__ == "__main__":
    main(*sys.argv[1:])
