# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

from docutils import nodes

extensions = [
    "cliff.sphinxext",
    "openstackdocstheme",
    "oslo_config.sphinxext",
]
project = "nova-dirsvc-plugin"
copyright = "the nova-dirsvc-plugin authors"
html_theme = "openstackdocs"
openstackdocs_auto_name = False

# The manual pages, share/man/man8
man_pages = [
    (f"cli/{name}", name, title, ["the nova-dirsvc-plugin authors"], 8)
    for name, title in (
        ("nova-dirsvc-manage", "the outbox and the directories"),
        ("nova-dirsvc-status", "whether an upgrade may begin"),
        ("nova-dirsvc-sync", "delivery of instances to directory services"),
    )
]


def leave_out_release(app):
    """A manual page is kept in the repository: its text alone changes it."""
    if app.builder.name == "man":
        app.config.release = app.config.version = app.config.today = " "


def leave_out_links(app, doctree, _name):
    """Keep the text of links between pages: a manual page has no others."""
    if app.builder.name == "man":
        for link in list(doctree.findall(nodes.reference)):
            if link.get("internal"):
                link.replace_self(link.children)


def setup(app):
    app.connect("builder-inited", leave_out_release, priority=900)
    app.connect("doctree-resolved", leave_out_links)
