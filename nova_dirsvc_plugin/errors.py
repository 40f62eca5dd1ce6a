# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The error that every stage raises for its options."""


class WrongOption(ValueError):
    """An option that cannot be used; the message names it."""
