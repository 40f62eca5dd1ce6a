# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""All options, for ``oslo-config-generator``."""

import logging
from typing import Any

from nova_dirsvc_plugin import conf
from nova_dirsvc_plugin.directories import loading

LOG = logging.getLogger(__name__)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return every group with its options.

    Groups whose library is not installed are left out, with a warning.
    """
    groups = [(conf.GROUP, list(conf.DAEMON_OPTS))]
    try:
        from nova_dirsvc_plugin.nova_api import client
    except ImportError as error:
        LOG.warning(
            "No options of nova: %s; install nova-dirsvc-plugin[sync], which"
            " brings what it needs",
            error,
        )
    else:
        groups.append((client.GROUP, client.options()))
    for name in loading.names():
        try:
            groups.append((name, list(loading.driver_class(name).OPTS)))
        except loading.DirectoryNotLoaded as error:
            LOG.warning("No options of %s: %s", name, error)
    return groups
