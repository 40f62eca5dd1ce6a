# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The one error that the command line turns into one line on stderr."""


class PocketError(Exception):
    """What went wrong and what to do about it; *log* ends the report."""

    def __init__(self, message, log=None):
        super().__init__(message)
        self.log = log
