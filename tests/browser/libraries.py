"""Other people's style sheets and scripts, as they are published, for tests of the widget in their pages.

scripts/test installs those of ``hosts/package-lock.json`` by npm (into ``hosts`` beside the interpreter, or where
CACKLED_HOSTS says), and those of the system by apt. None is in the repository; what is missing is skipped with a word.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

HOSTS = Path(os.environ.get("CACKLED_HOSTS") or Path(sys.prefix) / "hosts")

# Reset or framework -> its files. Some dress classes, some whole elements, some by [type=..] and [role=..].
STYLES = {
    "bootstrap": ["bootstrap/dist/css/bootstrap.css"],
    "bootstrap-reboot": ["bootstrap/dist/css/bootstrap-reboot.css"],
    "bulma": ["bulma/css/bulma.css"],
    "foundation": ["foundation-sites/dist/css/foundation.css"],
    "materialize": ["materialize-css/dist/css/materialize.css"],
    "milligram": ["milligram/dist/milligram.css"],
    "modern-normalize": ["modern-normalize/modern-normalize.css"],
    "mvp": ["mvp.css/mvp.css"],
    "normalize": ["normalize.css/normalize.css"],
    "pico": ["@picocss/pico/css/pico.css"],
    "sanitize": ["sanitize.css/sanitize.css", "sanitize.css/forms.css", "sanitize.css/typography.css"],
    "simple": ["simpledotcss/simple.css"],
    "tailwind-3": ["tailwind-3/src/css/preflight.css"],
    "tailwind-4": ["tailwind-4/preflight.css"],
    "tailwind-forms": ["tailwind-3/src/css/preflight.css"],
    "the-new-css-reset": ["the-new-css-reset/css/reset.css"],
    "water": ["water.css/out/water.css"],
}
# Library that changes JavaScript's own objects -> its files.
SCRIPTS = {
    "prototype": ["/usr/share/javascript/prototype/prototype.js"],
    "mootools": [
        "/usr/share/javascript/mootools/mootools-core-nc.js",
        "/usr/share/javascript/mootools/mootools-more-nc.js",
    ],
    "datejs": ["datejs/lib/date.js"],
    "zone.js": ["zone.js/bundles/zone.umd.js"],
    "core-js": ["core-js-bundle/minified.js"],
    "sugar": ["sugar/dist/sugar.js"],
    "es6-promise": ["es6-promise/dist/es6-promise.js"],
    "whatwg-fetch": ["whatwg-fetch/dist/fetch.umd.js"],
}


def text(paths: list[str]) -> str:
    """The files one behind another.

    Raises:
        SkipTest: one is not installed.
    """
    found = []
    for path in paths:
        file = HOSTS / "node_modules" / path
        if not file.is_file():
            raise SkipTest(f"{path} is not installed (scripts/test does that where npm and apt are)")
        found.append(file.read_text())
    return "\n".join(found)


def style(name: str) -> str:
    """The CSS of one of `STYLES`."""
    css = text(STYLES[name])
    if name in ("tailwind-3", "tailwind-forms"):
        # What its build tool fills in: the value that stands there for pages without a theme.
        css = re.sub(r"theme\('[^']*',\s*((?:[^()]|\([^()]*\))*)\)", r"\1", css)
    if name == "tailwind-forms":
        css += _forms()
    if name == "tailwind-4":
        css = (
            "@layer theme, base, components, utilities;\n@layer base {" + css.replace("--theme(", "var(--none, ") + "}"
        )
    return css


def _forms() -> str:
    """The plugin is no style sheet: it makes one."""
    text(["@tailwindcss/forms/src/index.js"])
    node = shutil.which("node")
    if node is None:
        raise SkipTest("there is no node")
    made = [node, str(Path(__file__).parent / "hosts" / "forms.cjs")]
    environ = {**os.environ, "NODE_PATH": str(HOSTS / "node_modules")}
    return subprocess.run(made, env=environ, capture_output=True, check=True, text=True, timeout=60).stdout


def script(name: str) -> str:
    """The source of one of `SCRIPTS`."""
    return text(SCRIPTS[name])
