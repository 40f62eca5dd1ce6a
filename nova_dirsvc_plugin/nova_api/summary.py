# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a reading of all instances is worth. Pure."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """What a reading was.

    :ivar started_at: epoch seconds, before Nova was asked for anything
    :ivar instances: that Nova has listed
    :ivar why_not_whole: sentences; empty if the reading is whole
    :ivar cloud: the URL of the compute API, without secrets
    """

    started_at: float
    instances: int
    why_not_whole: Sequence[str]
    cloud: str

    @property
    def whole(self) -> bool:
        """Whether no instance is known to be left out."""
        return not self.why_not_whole


@dataclasses.dataclass(frozen=True, slots=True)
class Undecided:
    """An instance that Nova lists, and whose state the list does not show.

    :ivar reason: a sentence
    """

    instance_uuid: str
    reason: str
