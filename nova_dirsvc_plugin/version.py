# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The version that is installed."""

from importlib import metadata

PRODUCT = "nova-dirsvc-plugin"


def release() -> str:
    """Return the installed distribution's version."""
    return metadata.version(PRODUCT)
