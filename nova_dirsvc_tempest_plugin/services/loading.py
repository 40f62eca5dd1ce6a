# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the reader and the writer for the kind of directory."""

from nova_dirsvc_tempest_plugin.services import host_entries


def reader(conf) -> host_entries.HostEntries:
    """Make the reader for the directory that tempest.conf names."""
    return _implementation(conf).reader(conf)


def manager(conf) -> host_entries.AnyEntries:
    """Make a writer; manager_option says what it takes."""
    return _implementation(conf).manager(conf)


def manager_option(conf) -> str:
    """Name the option of tempest.conf without which there is no writer."""
    return _implementation(conf).MANAGER_OPTION


def _implementation(conf):
    # Each imports a library that a site without such a directory may lack.
    match conf.directory:
        case "ldap":
            from nova_dirsvc_tempest_plugin.services import ldap_entries

            return ldap_entries
        case "rest":
            from nova_dirsvc_tempest_plugin.services import rest_entries

            return rest_entries
