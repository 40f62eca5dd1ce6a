# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

extensions = ["openstackdocstheme", "reno.sphinxext"]
project = "nova-dirsvc-plugin release notes"
copyright = "the nova-dirsvc-plugin authors"
html_theme = "openstackdocs"
openstackdocs_auto_name = False
