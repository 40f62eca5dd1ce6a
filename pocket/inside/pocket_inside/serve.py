# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""python -m pocket_inside.serve MODULE PORT: one OpenStack API on loopback."""

import importlib
import sys

import waitress


def main():
    module, port = sys.argv[1:]
    sys.argv = [module]  # the APIs parse it as their own
    application = importlib.import_module(module).application
    waitress.serve(application, host="127.0.0.1", port=int(port), threads=8)


if __name__ == "__main__":
    main()
