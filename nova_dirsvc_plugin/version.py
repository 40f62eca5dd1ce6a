# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The version that is installed."""

from importlib import metadata


def release() -> str:
    """Return the installed distribution's version."""
    return metadata.version("nova-dirsvc-plugin")
