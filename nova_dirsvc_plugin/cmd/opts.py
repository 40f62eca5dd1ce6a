# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""All options, for ``oslo-config-generator``."""

from typing import Any

from nova_dirsvc_plugin import conf
from nova_dirsvc_plugin.directories import loading


def list_opts() -> list[tuple[str, list[Any]]]:
    """Give every group with its options.

    :raises loading.DirectoryNotLoaded: a driver's library is missing
    """
    own = [(conf.GROUP, [*conf.SOURCE_OPTS, *conf.SYNC_OPTS])]
    return own + [
        (name, list(loading.driver_class(name).OPTS))
        for name in loading.names()
    ]
