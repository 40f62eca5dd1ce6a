# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What Tempest asks of a plugin."""

import pathlib

from tempest.test_discover import plugins

from nova_dirsvc_tempest_plugin import config


class NovaDirsvcTempestPlugin(plugins.TempestPlugin):
    """Brings the scenarios and their options."""

    def load_tests(self):
        package = pathlib.Path(__file__).resolve().parent
        return str(package / "tests"), str(package.parent)

    def register_opts(self, conf):
        conf.register_opts(config.SERVICE_OPTS, group="service_available")
        conf.register_group(config.GROUP)
        conf.register_opts(config.OPTS, group=config.GROUP)

    def get_opt_lists(self):
        return [
            ("service_available", config.SERVICE_OPTS),
            (config.GROUP.name, config.OPTS),
        ]
