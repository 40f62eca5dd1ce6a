# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Tests with the hook manager of Nova 21; it is gone from Nova since 22."""

import importlib.util
import unittest

if not importlib.util.find_spec("nova") or not importlib.util.find_spec(
    "nova.hooks"
):
    raise unittest.SkipTest("nova 21 is not installed")
