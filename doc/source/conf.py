# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

extensions = [
    "cliff.sphinxext",
    "openstackdocstheme",
    "oslo_config.sphinxext",
]
project = "nova-dirsvc-plugin"
copyright = "the nova-dirsvc-plugin authors"
html_theme = "openstackdocs"
openstackdocs_auto_name = False
