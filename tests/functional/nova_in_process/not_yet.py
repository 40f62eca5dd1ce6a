# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a condition gives that does not hold yet: false, and still telling."""


class NotYet:
    """Is false, and reads as what was seen instead.

    ``waiting.until`` quotes it when its limit is over.
    """

    def __init__(self, seen: object) -> None:
        self._seen = seen

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return str(self._seen)
