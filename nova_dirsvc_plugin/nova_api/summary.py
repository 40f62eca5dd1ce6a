# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a reading of all instances is worth. Pure."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """A reading of all instances, in short.

    :ivar started_at: epoch seconds before the first request
    :ivar instances: how many were read
    :ivar why_not_whole: sentences; empty if the reading is whole, so that
        removals may be concluded from it
    :ivar cloud: what identifies the cloud: the URL of its compute endpoint,
        without secrets
    """

    started_at: float
    instances: int
    why_not_whole: Sequence[str]
    cloud: str

    @property
    def whole(self) -> bool:
        """Whether an instance that was not read may be gone."""
        return not self.why_not_whole


@dataclasses.dataclass(frozen=True, slots=True)
class Undecided:
    """An instance of which the reading does not show the state.

    :ivar reason: why: it is being built, or its cell is down
    """

    instance_uuid: str
    reason: str
