# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Checks whether a directory service keeps the contract of a driver."""

from nova_dirsvc_plugin.directories.conformance.checks import (
    Finding,
    Need,
    run,
)
from nova_dirsvc_plugin.directories.conformance.trial import (
    Trial,
    fictitious_record,
)

__all__ = ["Finding", "Need", "Trial", "fictitious_record", "run"]
