# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The console scripts, which are installed with or without their libraries.

Beside Nova the package is the hook alone, and what the scripts need comes
with the extra ``sync``. A Nova has some of those libraries, too, in releases
that may be too old: so their releases are looked at, and nothing is imported
before.
"""

import sys
from collections.abc import Iterator
from importlib import metadata

from packaging import requirements

from nova_dirsvc_plugin.cmd import native_threads

#: What has the scripts, and the extra that they need.
DISTRIBUTION = "nova-dirsvc-plugin"
EXTRA = "sync"

#: As for any other command line that cannot be obeyed.
EXIT_NOT_INSTALLED = 2


def sync() -> int:
    """Run ``nova-dirsvc-sync``.

    :returns: the exit status, as documented in ``cli/nova-dirsvc-sync.rst``
    """
    if not _installed("nova-dirsvc-sync"):
        return EXIT_NOT_INSTALLED
    native_threads.use()
    from nova_dirsvc_plugin.cmd.sync import app as program

    return program.main()


def status() -> int:
    """Run ``nova-dirsvc-status``.

    :returns: the exit status, as documented in ``cli/nova-dirsvc-status.rst``
    """
    if not _installed("nova-dirsvc-status"):
        return EXIT_NOT_INSTALLED
    from nova_dirsvc_plugin.cmd import status as program

    return program.main()


def manage() -> int:
    """Run ``nova-dirsvc-manage``.

    :returns: the exit status, as documented in ``cli/nova-dirsvc-manage.rst``
    """
    if not _installed("nova-dirsvc-manage"):
        return EXIT_NOT_INSTALLED
    from nova_dirsvc_plugin.cmd.manage import app as program

    return program.main()


def missing(distribution: str, extra: str) -> Iterator[str]:
    """Return what an extra of a distribution requires and is not installed."""
    for line in metadata.requires(distribution) or ():
        wanted = requirements.Requirement(line)
        if not wanted.marker or wanted.marker.evaluate({"extra": ""}):
            continue
        if not wanted.marker.evaluate({"extra": extra}):
            continue
        try:
            release = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield wanted.name
            continue
        if not wanted.specifier.contains(release, prereleases=True):
            yield f"{wanted.name}{wanted.specifier} (there is {release})"
        for more in wanted.extras:
            yield from missing(wanted.name, more)


def _installed(script: str) -> bool:
    lacking = ", ".join(missing(DISTRIBUTION, EXTRA))
    if lacking:
        print(  # noqa: T201
            f"{script}: the extra {EXTRA} is missing, install"
            f" {DISTRIBUTION}[{EXTRA}]: it needs {lacking}",
            file=sys.stderr,
        )
    return not lacking
