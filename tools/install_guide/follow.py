# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Follow an installation page: run its commands, write its files.

A block of the page is run where it stands, unless its class says otherwise:
``not-run`` is for another case than this one, ``after-a-boot`` and
``at-the-end`` are run then. Runs as root in the container, from a clone.
"""

import pathlib
import re
import subprocess
import sys
import time

BLOCK = re.compile(
    r"^\.\. code-block:: (?P<kind>console|ini)\n"
    r"(?P<options>(?:   :.*\n)*)\n"
    r"(?P<body>(?:(?:   .*)?\n)+)",
    re.M,
)
UNIT = "nova-dirsvc-sync.service"
UUID = "66666666-6666-4666-8666-666666666666"
NOTIFY = pathlib.Path(__file__).with_name("notify.py")
AS_NOVA = ("runuser", "-u", "nova", "--", "/opt/nova/bin/python")
LDAPSEARCH = (
    *("ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL"),
    *("-H", "ldapi://%2frun%2fslapd-dirsvc.socket"),
    *("-b", "dc=cloud,dc=example"),
)
#: As a root shell of Debian has them; a shell ends at the first failure.
SHELL = ("bash", "-o", "errexit", "-o", "pipefail", "-c")


def blocks(page):
    """Return kind, options and lines of each block, in the page's order."""
    for match in BLOCK.finditer(page):
        options = dict(re.findall(r":(\w+): (.*)", match["options"]))
        lines = [line[3:] for line in match["body"].rstrip().split("\n")]
        yield match["kind"], options, lines


def run(command):
    """Run a command of the page, and show it, its output and its time."""
    print(f"# {command}", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        [*SHELL, command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in done.stdout.splitlines()[-12:]:
        print(f"  {line}")
    print(f"  ({time.monotonic() - started:.1f} s)", flush=True)
    if done.returncode:
        sys.exit(f"exit status {done.returncode}")
    return done.stdout


def follow(found):
    """Run the commands of blocks, write their files."""
    for kind, options, lines in found:
        if kind == "ini":
            path = pathlib.Path(options["caption"])
            print(f"# (into {path})", flush=True)
            with path.open("a") as file:
                file.write("\n".join(lines) + "\n")
            continue
        for command in "\n".join(lines).replace("\\\n", " ").split("\n"):
            if not command.startswith("# "):
                sys.exit(f"no command of root's: {command}")
            run(command[2:])


def notify(event_type):
    """Have Nova's own notifier say something of the instance."""
    subprocess.run(
        [*AS_NOVA, NOTIFY, event_type, UUID],
        check=True,
    )


def wait_for(what, condition, limit=30):
    """Wait until a condition holds, for some seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.1)
    print(f"= {what}", flush=True)


def entry():
    """Return the entry of the instance as LDIF; empty: there is none."""
    return subprocess.run(
        [*LDAPSEARCH, f"(novaInstanceUuid={UUID})"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def main(path):
    found = list(blocks(pathlib.Path(path).read_text()))
    by_class = {}
    for block in found:
        by_class.setdefault(block[1].get("class"), []).append(block)
    started = time.monotonic()
    follow(by_class[None])
    notify("instance.create.end")
    wait_for("the entry is there", entry)
    print(f"= {time.monotonic() - started:.0f} s from nothing to an entry")
    print(entry())
    follow(by_class["after-a-boot"])
    secure = run(f"systemd-analyze security --no-pager {UNIT}")
    [exposure] = re.findall(r"exposure level for \S+: ([\d.]+)", secure)
    if float(exposure) >= 5:  # from there on it is not "OK" any more
        sys.exit(f"the unit is exposed: {exposure}")
    run("man --where nova-dirsvc-sync nova-dirsvc-manage || [[ $? == 127 ]]")
    notify("instance.delete.end")
    wait_for("the entry is gone", lambda: not entry())
    follow(by_class["at-the-end"])


if __name__ == "__main__":
    main(*sys.argv[1:])
