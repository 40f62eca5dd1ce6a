# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova's API, Keystone and the clock, by the account of ``[nova]``."""

from collections.abc import Iterator
from typing import Any

from nova_dirsvc_plugin import errors
from nova_dirsvc_plugin.checks import finding
from nova_dirsvc_plugin.nova_api import client, examination

SUBJECT = "Nova API"


def check(conf: Any) -> Iterator[finding.Finding]:
    """Ask Nova and Keystone what the daemon asks.

    :param conf: what has read the options
    """
    try:
        nova = client.from_conf(conf)
    except errors.WrongOption:
        yield finding.not_checked(SUBJECT, "see the options of [nova]")
        return
    if nova is None:
        yield finding.warning(
            "nova-account-missing",
            SUBJECT,
            "there is no account in [nova]: late events are not checked, and"
            " nothing can be compared",
            "write the section [nova]",
        )
        return
    for fault in examination.faults(nova):
        make = finding.error if fault.severe else finding.warning
        yield make(fault.name, fault.whose, fault.finding, fault.remedy)
