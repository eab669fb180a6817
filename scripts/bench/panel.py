#!/usr/bin/env python3
"""The moderators' queue in Chromium, with 100,000 items that wait: first paint, scrolling, a decision's round trip.

    .venv/bin/python scripts/bench/panel.py [--size 120000] [--pending 100000] [--rounds 5]

Starts a daemon of its own with a fresh embedded PostgreSQL, makes the comments as `moderation.py` does, and opens the
panel as a moderator. First paint is counted from the start of the navigation until an item stands in the page, with an
empty cache of the browser and with a full one. Scrolling goes through 1,000 items; a frame is late when it comes more
than 50 ms after the one before. A decision is counted from the key until the server's answer has come. Beside the clock
stands the CPU time of the page's main thread, which a busy machine changes little: 16 ms of it for a frame are a smooth
scroll at 60 Hz. Aim: an item in the page within a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# Beside this file lies one called dns.py.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import psycopg2  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from cackled.database import stale_files  # noqa: E402
from scripts.bench.harness import Daemon  # noqa: E402
from scripts.bench.moderation import fill  # noqa: E402

# Milliseconds from the start of the navigation to the first frame with an item in it.
WATCH = """
new MutationObserver((_, watch) => {
  if (!document.querySelector('.item')) return;
  watch.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.first = performance.now(); }));
}).observe(document, {childList: true, subtree: true});
"""
# Scroll as a wheel does, until so many items went by: frames, late ones, the longest, nodes in the page.
SCROLL = """async () => {
  const cards = new Set(), times = [];
  let before = performance.now();
  while (cards.size < 1000 && times.length < 2000) {
    scrollBy(0, 400);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - before);
    before = now;
    for (const one of document.querySelectorAll('.item')) cards.add(one.dataset.item);
  }
  return {items: cards.size, frames: times.length, late: times.filter(one => one > 50).length,
    longest: Math.max(...times), nodes: document.querySelectorAll('*').length};
}"""
DECIDE = """() => new Promise(done => {
  const began = performance.now();
  new PerformanceObserver((list, watch) => {
    if (!list.getEntries().some(one => one.name.endsWith('/moderation/actions'))) return;
    watch.disconnect();
    done(performance.now() - began);
  }).observe({type: 'resource'});
  document.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true}));
})"""


def median(values: list[float]) -> str:
    """The median and the largest, in milliseconds."""
    values = sorted(values)
    return f"{values[len(values) // 2]:.0f} ms median, {values[-1]:.0f} slowest"


def busy(session: Any) -> float:
    """Milliseconds of CPU that the main thread used since the page was opened."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration")) * 1e3


def measure(browser: Any, link: str, rounds: int) -> None:
    """Sign in, and print the figures."""
    queue = link.partition("/panel")[0] + "/panel/sites/1/queue"
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Your sites").wait_for()
    page.add_init_script(WATCH)
    cold = context.new_cdp_session(page)
    cold.send("Performance.enable", {"timeDomain": "threadTicks"})
    for name, empty in (("empty", True), ("full", False)):
        cold.send("Network.setCacheDisabled", {"cacheDisabled": empty})
        first, used = [], []
        for _ in range(rounds):
            page.goto(queue)
            # The page's policy lets nothing evaluate in it that waits.
            while not page.evaluate("window.first ?? 0"):
                page.wait_for_timeout(50)
            first.append(page.evaluate("window.first"))
            used.append(busy(cold))
        print(f"first paint of the queue, {name} cache: {median(first)}; main thread {median(used)}; "
              f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"decision, key to answer: {median([page.evaluate(DECIDE) for _ in range(rounds * 2)])}")
    before = busy(cold)
    seen = page.evaluate(SCROLL)
    each = (busy(cold) - before) / seen["frames"]
    print(f"scrolling: {seen['items']} items in {seen['frames']} frames, {seen['late']} late, the longest "
          f"{seen['longest']:.0f} ms; main thread {each:.1f} ms a frame; {seen['nodes']} nodes in the page; "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=120_000)
    parser.add_argument("--pending", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        daemon = Daemon(folder, "[demo]\nenabled = true\n")
        try:
            where = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
            connection = psycopg2.connect(where)
            connection.autocommit = True
            fill(connection, args.size, args.pending)
            connection.close()
            cackled, config = Path(sys.executable).parent / "cackled", Path(folder) / "c.toml"
            command = [str(cackled), "admin", "-c", str(config), "--json",
                       "account", "add", "ann@example.com", "--role", "moderator", "--site", "1"]  # fmt: skip
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=args.browser, args=["--no-sandbox"])
                measure(browser, json.loads(told)["link"], args.rounds)
                browser.close()
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
