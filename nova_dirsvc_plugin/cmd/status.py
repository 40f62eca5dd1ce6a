# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``nova-dirsvc-status``: whether this release can be started here."""

import pathlib
import sys
from collections.abc import Iterable
from typing import Any

from oslo_config import cfg
from oslo_log import log
from oslo_upgradecheck import upgradecheck

from nova_dirsvc_plugin import conf as own_options
from nova_dirsvc_plugin.checks import directory, finding, options, outbox_file

_PROJECT = "nova-dirsvc"
_DAEMON = "nova-dirsvc-sync"


class Checks(upgradecheck.UpgradeCommands):
    """What an upgrade needs."""

    def __init__(self, conf: Any) -> None:
        super().__init__()
        self._conf = conf

    def _options(self) -> upgradecheck.Result:
        return _result(options.check(self._conf))

    def _outbox(self) -> upgradecheck.Result:
        path = pathlib.Path(self._conf[own_options.GROUP].outbox)
        return _result(outbox_file.check_release(path))

    def _directories(self) -> upgradecheck.Result:
        return _result(
            one
            for name in self._conf[own_options.GROUP].directories
            for one in directory.check_faults(self._conf, name)
        )

    _upgrade_checks = (
        ("Options", _options),
        ("Outbox", _outbox),
        ("Directories", _directories),
    )


def main() -> int:
    """Run ``nova-dirsvc-status upgrade check``.

    :returns: the exit status: 0, 1 for warnings, 2 for failures, 255 for an
        error
    """
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf.register_opts(own_options.DAEMON_OPTS, group=own_options.GROUP)
    folders = [
        word
        for folder in cfg.find_config_dirs(_PROJECT, _DAEMON)
        for word in ("--config-dir", folder)
    ]
    status: int = upgradecheck.main(
        conf,
        _PROJECT,
        Checks(conf),
        argv=[*folders, *sys.argv[1:]],
        default_config_files=cfg.find_config_files(_PROJECT, _DAEMON),
    )
    return status


def _result(found: Iterable[finding.Finding]) -> upgradecheck.Result:
    """Return what was found, the worst of it."""
    found = [one for one in found if one.name]
    levels = {one.level for one in found}
    code = upgradecheck.Code.SUCCESS
    if finding.Level.ERROR in levels:
        code = upgradecheck.Code.FAILURE
    elif finding.Level.WARNING in levels:
        code = upgradecheck.Code.WARNING
    return upgradecheck.Result(code, "\n".join(map(str, found)) or None)
