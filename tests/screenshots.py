"""The pictures of the README, from a real run: `make screenshots`.

A picture that was posed shows what the program should be. These are taken of a demo that runs, and of a report that
was written, in the browser that the tests use too.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.deploy.programs import ROOT, Running, csstream
from tests.wall.test_page import CHROMIUM, FLAGS

FOLDER = ROOT / "docs/pictures"
SIZE = {"width": 1280, "height": 720}
WATCHED_S = 20
"""How long the demo runs before it is looked at, so that its hour has alerts and waits in it."""


def wall(browser: Browser, folder: Path) -> None:
    """The wall of a demo, in both languages and both lights."""
    with Running("demo", csstream("demo", "--plain", "--port", "0", "--speed", "10"), folder) as demo:
        address = demo.wait_to_say(
            lambda said: re.search(r"the wall is on (\S+)", said), "where the wall is"
        )[1]
        time.sleep(WATCHED_S)
        for name, fragment in (("wall", "lang=en&theme=dark"), ("wall-zh", "lang=zh&theme=light")):
            page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            page.goto(f"{address}#{fragment}")
            page.wait_for_timeout(3_000)
            page.screenshot(path=FOLDER / f"{name}.png")
            page.close()


def report(browser: Browser, folder: Path) -> None:
    """The report of a simulated evening."""
    log, audit = folder / "evening.jsonl", folder / "audit"
    evening = ("--messages", "10000", "--start", "2026-11-21T18:00:00+08:00", "-o", str(log))
    for words in (("simulate", *evening), ("replay", str(log), "--out", str(audit), "--quiet")):
        subprocess.run(csstream(*words), cwd=ROOT, check=True)
    page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
    page.goto((audit / "report.html").as_uri())
    page.wait_for_timeout(1_000)
    page.screenshot(path=FOLDER / "report.png")


def main() -> int:
    """Take all of them."""
    if CHROMIUM is None:
        print("there is no chromium: make tools", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        wall(browser, Path(folder))
        report(browser, Path(folder))
        browser.close()
    for picture in sorted(FOLDER.glob("*.png")):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
