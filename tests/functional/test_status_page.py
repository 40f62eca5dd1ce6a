# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser, and the operator's tool beside it."""

import html
import pathlib
import platform
import re
import shutil
import subprocess
import threading
import zlib

from nova_dirsvc_plugin.monitoring import page, server, web
from tests import ports, status_example, waiting
from tests.functional import test_monitoring
from tests.unit import base

#: What the browser is told, and the colours that the page then has.
MODES = {"1": b"\xff\xff\xff", "0": b"\x0d\x11\x17"}

#: Puts the page into a frame of some width, and says how wide it is.
FRAME = """<!DOCTYPE html><iframe id="one" style="width:{width}px;height:800px"
srcdoc="{page}"></iframe><p id="seen"></p><script>
one.onload = () => {{
  const root = one.contentDocument.documentElement;
  seen.textContent = "seen " + root.scrollWidth + " of " + root.clientWidth;
}};
</script>"""


class BrowserTest(base.TestCase):
    def setUp(self):
        super().setUp()
        if not shutil.which("chromium"):
            # bindep.txt has it installed on Debian.
            system = platform.freedesktop_os_release()["ID"]
            self.assertNotEqual("debian", system, "chromium is missing")
            self.skipTest(f"chromium is no package of {system}")
        self.cloud = status_example.Cloud(self.folder, minutes=15)
        self.addCleanup(self.cloud.close)

    def serve(self):
        """Return the address of the page, served as a daemon serves it."""
        port = ports.free_port()
        one = server.Server(
            ("127.0.0.1", port), web.Application(self.cloud.facts)
        )
        thread = threading.Thread(target=one.serve_forever, args=(0.05,))
        thread.start()
        self.addCleanup(one.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(one.shutdown)
        return f"http://127.0.0.1:{port}/"

    def browse(self, url, *arguments):
        """Let Chromium open an address; return what it prints."""
        done = subprocess.run(
            [
                "chromium",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={self.folder / 'chromium'}",
                "--window-size=1240,900",
                *arguments,
                url,
            ],
            capture_output=True,
            text=True,
            timeout=waiting.LIMIT,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_a_tenants_script_is_text(self):
        seen = self.browse(self.serve(), "--dump-dom")
        self.assertNotIn("<script", seen)
        self.assertIn(html.escape(status_example.HOSTILE), seen)
        self.assertIn("things need an operator", seen)

    def test_it_is_light_or_dark_as_its_reader_likes_it(self):
        url = self.serve()
        for mode, colour in MODES.items():
            picture = self.folder / f"{mode}.png"
            self.browse(
                url,
                f"--blink-settings=preferredColorScheme={mode}",
                f"--screenshot={picture}",
            )
            self.assertEqual(colour, first_pixel(picture))

    def test_it_is_no_wider_than_a_telephone_or_a_wall(self):
        source = html.escape(page.html(self.cloud.facts()))
        for width in (320, 390, 768, 1240, 2560):
            frame = self.folder / "frame.html"
            frame.write_text(FRAME.format(width=width, page=source))
            seen = self.browse(
                frame.as_uri(), "--dump-dom", f"--window-size={width + 99},900"
            )
            [found] = re.findall(r"seen (\d+) of (\d+)", seen)
            self.assertEqual(found[0], found[1], width)


class StatusTest(test_monitoring.MonitoringTestCase):
    def status(self, status):
        return self.manage("status", status=status)

    def test_the_tool_asks_the_daemon_and_does_without_it(self):
        daemon = self.start()
        one = base.event()
        self.outbox.put(one)
        self.wait_for_line(one.instance_uuid)
        waiting.until(
            lambda: "up: last written" in self.status(0), "the delivery"
        )
        said = self.status(0)
        self.assertIn("All well", said)
        self.assertRegex(said, r"nova-dirsvc-sync \S+, process \d+, runs for")
        code, content = self.answers("/")
        self.assertEqual(200, code)
        self.assertIn("All well", content)
        daemon.terminate()
        daemon.wait(waiting.LIMIT)
        said = self.status(4)
        self.assertIn("no daemon answers here", said)
        self.assertIn("! log: nobody delivers to it", said)

    def test_a_daemon_of_another_outbox_is_not_asked(self):
        self.start()
        self.options["outbox"] = str(self.folder / "other.db")
        self.write_options()
        self.assertIn("no daemon answers here", self.status(4))


def first_pixel(path: pathlib.Path) -> bytes:
    """Return red, green and blue of the upper left of a PNG."""
    content, place, packed = path.read_bytes(), 8, b""
    while place < len(content):
        size = int.from_bytes(content[place : place + 4])
        if content[place + 4 : place + 8] == b"IDAT":
            packed += content[place + 8 : place + 8 + size]
        place += size + 12
    # After the number of its filter: the first pixel has no neighbours.
    return zlib.decompressobj().decompress(packed, 4)[1:]
