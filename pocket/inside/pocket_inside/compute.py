# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""nova-compute with our virt driver.

Nova looks for drivers in its own package alone (nova/virt/driver.py,
load_compute_driver), so ours is made known there under the name `pocket`.
"""

import sys

from nova.cmd import compute  # first: it chooses the kind of threads

from pocket_inside import virt


def main():
    sys.modules["nova.virt.pocket"] = virt
    compute.main()


if __name__ == "__main__":
    main()
