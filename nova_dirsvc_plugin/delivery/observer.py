# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a dispatcher reports its work to: twice a batch, in its thread."""

from collections.abc import Sequence
from typing import Protocol

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.directories import base


class Observer(Protocol):
    """Is told what is done; does not take long, and raises nothing."""

    def answered(
        self, outcomes: Sequence[base.Outcome], seconds: float, available: bool
    ) -> None:
        """Note what a directory has answered to a batch.

        :param seconds: that it took
        :param available: whether the directory counts as available
        """

    def settled(self, settlements: Sequence[outbox.Settlement]) -> None:
        """Note what has become of entries; it is stored."""


class Nobody:
    """An observer that does not look."""

    def answered(
        self, outcomes: Sequence[base.Outcome], seconds: float, available: bool
    ) -> None:
        """Do nothing."""

    def settled(self, settlements: Sequence[outbox.Settlement]) -> None:
        """Do nothing."""
