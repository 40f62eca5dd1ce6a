# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Tests in a real Nova, which runs in the test's own process.

They need the packages nova and openstack-placement, and a process of their
own: Nova chooses between native threads and eventlet once a process, from
``OS_NOVA_DISABLE_EVENTLET_PATCHING``, and before all else is imported.
"""

import importlib.util
import unittest

if importlib.util.find_spec("nova") is None:
    raise unittest.SkipTest("nova is not installed")

from nova import monkey_patch

# Up to Nova 31, to import it is to patch.
if hasattr(monkey_patch, "patch"):
    monkey_patch.patch()
