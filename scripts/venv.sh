# Sourced by scripts/run and scripts/test: makes the virtual environment and keeps it in step with setup.cfg, and the
# browser side's bundles with their sources.

VENV="${CACKLED_VENV:-.venv}"

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "cackled needs Python 3.11 or newer with venv (Debian: apt install python3-venv)." >&2
    return 1
}

# What pip said: where something could not be fetched, that in one line.
explain_pip() {
    missing="$(sed -n 's/^ *ERROR: No matching distribution found for //p' "$1" | head -n 1)"
    if grep -q '^ *cackled: ' "$1"; then
        sed -n 's/^ *cackled: /cackled: /p' "$1" | head -n 1 >&2
    elif [ -n "$missing" ]; then
        echo "cackled: pip could not fetch $missing ($1 tells more)" >&2
    else
        cat "$1" >&2
    fi
}

# prepare_venv NAME TARGET: install TARGET ("." or ".[test]") unless that was done for this very setup.cfg.
prepare_venv() {
    stamp="$VENV/.installed-$1"
    want="$(cat setup.cfg pyproject.toml | cksum) $(pwd)"
    if [ -x "$VENV/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
        # Made by the install the first time, and here when a source has changed since.
        "$VENV/bin/python" scripts/packaging/web.py build || exit 1
        return
    fi
    if ! "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python="$(find_python)" || exit 1
        echo "Making $VENV ..." >&2
        if [ -e "$VENV" ] && [ ! -f "$VENV/pyvenv.cfg" ]; then
            echo "$VENV is there and is no virtual environment." >&2
            exit 1
        fi
        rm -rf "$VENV"
        "$python" -m venv "$VENV"
    fi
    echo "Installing cackled into $VENV (the first time takes a minute) ..." >&2
    if ! "$VENV/bin/python" -m pip install --disable-pip-version-check -q -e "$2" 2> "$VENV/pip.log"; then
        explain_pip "$VENV/pip.log"
        exit 1
    fi
    echo "$want" > "$stamp"
}
