# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - so that it says why
    sys.exit("pocket: Python 3.11 or newer is needed")

from pocket.cli import main

sys.exit(main())
