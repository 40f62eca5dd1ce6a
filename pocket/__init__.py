# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
