# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import sys

if sys.version_info < (3, 11):
    sys.exit("pocket: this is Python %d.%d, and 3.11 is needed"
             % sys.version_info[:2])

from pocket.cli import main

sys.exit(main())
