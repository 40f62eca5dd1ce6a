# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands that compare directories with Nova work with."""

import dataclasses
import functools
import gc
import pathlib
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.cmd import guard_limits
from nova_dirsvc_plugin.cmd.manage import config, progress
from nova_dirsvc_plugin.directories import base, loading
from nova_dirsvc_plugin.nova_api import client, names
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.reconcile import apply, guard, run
from nova_dirsvc_plugin.reconcile import plan as plans

#: Objects, and collections, between two collections of garbage. A comparison
#: makes many objects and no cycles: with Python's own numbers, a fifth of its
#: time goes into looking for some.
_COLLECT_AFTER = 50_000, 50, 100


@dataclasses.dataclass(frozen=True)
class Work:
    """What a command works with.

    :ivar directories: those to compare, by their names
    :ivar nova: whom to ask
    :ivar limits: those of the guard
    """

    conf: Any
    directories: Mapping[str, base.Directory]
    nova: client.NovaClient
    repairs: outbox_repairs.Repairs
    owner: str
    limits: guard.Limits
    show: progress.Progress

    @functools.cached_property
    def reconciler(self) -> run.Reconciler:
        return run.Reconciler(
            self.nova,
            names.Names(self.nova, self.conf[options.GROUP].record_users),
            self.repairs,
            self.owner,
            self.limits,
            self.show,
        )

    def applier(self, patience: float) -> apply.Applier:
        """Return what stores repairs.

        :param patience: seconds to wait while nothing is delivered
        """
        return apply.Applier(
            self.repairs,
            self.limits,
            patience,
            threading.Event().wait,
            self.show,
        )


def load(
    conf: Any,
    wanted: Iterable[str],
    outbox: pathlib.Path,
    show: progress.Progress,
) -> Work:
    """Load some directories, and what else the options name.

    :param wanted: names of directories
    :raises WrongUse: an option cannot be used
    """
    gc.set_threshold(*_COLLECT_AFTER)
    owner = conf[options.GROUP].owner
    try:
        nova = client.from_conf(conf)
        directories = {
            name: loading.load(conf, name, owner) for name in wanted
        }
        limits = guard_limits.from_conf(conf)
    except (
        cfg.Error,
        base.WrongOption,
        loading.DirectoryNotLoaded,
    ) as error:
        raise config.WrongUse(str(error)) from error
    if nova is None:
        raise config.WrongUse(
            "there is no account for Nova: the section [nova] of the options"
            " needs auth_type and what belongs to it"
        )
    return Work(
        conf=conf,
        directories=directories,
        nova=nova,
        repairs=outbox_repairs.Repairs(outbox),
        owner=owner,
        limits=limits,
        show=show,
    )


def policy(conf: Any, given: str | None) -> plans.Policy:
    """Return what a reconcile may do.

    :param given: on the command line
    :raises WrongUse: it is given nowhere
    """
    try:
        chosen = given or conf[options.GROUP].reconcile_policy
    except (cfg.Error, ValueError) as error:
        raise config.WrongUse(str(error)) from error
    if not chosen:
        raise config.WrongUse(
            "there is no policy: give --policy, or [nova_dirsvc]"
            f" reconcile_policy: {', '.join(plans.Policy)}"
        )
    return plans.Policy(chosen)
