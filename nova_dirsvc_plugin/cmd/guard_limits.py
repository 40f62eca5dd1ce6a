# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The limits of the guard, from the options."""

from typing import Any

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.reconcile import guard


def from_conf(conf: Any) -> guard.Limits:
    """Return the limits that the options name.

    :param conf: a :class:`oslo_config.cfg.ConfigOpts`
    :raises cfg.Error: a value cannot be used
    """
    group = conf[options.GROUP]
    return guard.Limits(
        removals=group.guard_max_removals,
        removals_percent=group.guard_max_removals_percent,
        changes=group.guard_max_changes,
        changes_percent=group.guard_max_changes_percent,
    )
