# Sourced by scripts/run and scripts/test: makes the virtual environment and keeps it in step with setup.cfg.

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

# prepare_venv NAME TARGET: install TARGET ("." or ".[test]") unless that was done for this very setup.cfg.
prepare_venv() {
    stamp="$VENV/.installed-$1"
    want="$(cksum < setup.cfg) $(pwd)"
    if [ -x "$VENV/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
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
        cat "$VENV/pip.log" >&2
        exit 1
    fi
    echo "$want" > "$stamp"
}
