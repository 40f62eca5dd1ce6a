# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""All options, for ``oslo-config-generator``."""

import logging
from typing import Any

from nova_dirsvc_plugin import conf
from nova_dirsvc_plugin.directories import loading
from nova_dirsvc_plugin.nova_api import client

LOG = logging.getLogger(__name__)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Give every group with its options.

    A driver whose library is not installed is left out, and named.
    """
    ours = [*conf.SOURCE_OPTS, *conf.SYNC_OPTS, *conf.LISTENER_OPTS]
    groups = [
        (conf.GROUP, ours),
        (client.GROUP, client.options()),
    ]
    for name in loading.names():
        try:
            groups.append((name, list(loading.driver_class(name).OPTS)))
        except loading.DirectoryNotLoaded as error:
            LOG.warning("No options of %s: %s", name, error)
    return groups
