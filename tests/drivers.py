# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Makes directory drivers by their options, as the daemon does."""

import pathlib
from typing import Any

import testtools
from oslo_config import cfg

from nova_dirsvc_plugin.directories import base, loading


def configured(
    name: str, conf_file: pathlib.Path | None = None, **options: Any
) -> cfg.ConfigOpts:
    """Return a configuration with the options of a driver.

    :param conf_file: a file with options; the defaults hold without it
    :param options: values that replace those of the file
    """
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(conf_file)] if conf_file else [])
    conf.register_group(cfg.OptGroup(name))
    conf.register_opts(loading.driver_class(name).OPTS, group=name)
    for option, value in options.items():
        conf.set_override(option, value, group=name)
    return conf


def load(
    test: testtools.TestCase,
    name: str,
    owner: str = "nova",
    conf_file: pathlib.Path | None = None,
    **options: Any,
) -> base.Directory:
    """Return a driver that is closed at the end of a test."""
    conf = configured(name, conf_file, **options)
    driver = loading.load(conf, name, owner)
    test.addCleanup(driver.close)
    return driver
