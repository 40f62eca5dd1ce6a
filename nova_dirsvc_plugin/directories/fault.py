# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a driver tells an operator who checks an installation. Pure."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What a driver sees to be wrong with its directory or its options.

    :ivar name: of the fault, the same in each release
    :ivar finding: what is wrong; it may quote what a server said
    :ivar remedy: what an operator does about it
    :ivar severe: nothing can be delivered as long as it lasts
    """

    name: str
    finding: str
    remedy: str
    severe: bool = True
