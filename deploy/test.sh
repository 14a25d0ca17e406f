#!/usr/bin/env bash
# All tests, in two processes side by side: half of the time on the two cores of a small machine.
# The registry's tests, but for its longest, take as long as all others together, and share nothing
# with them.
set -uo pipefail
cd "$(dirname "$0")/.."
# Tests start our programs hundreds of times: compiled once, not each time.
unset PYTHONDONTWRITEBYTECODE
.venv/bin/python -m compileall -q -j 2 registry reconciler runtime migrations
said=$(mktemp)
longest=test_openapi
.venv/bin/python -m pytest "$@" --ignore="tests/registry/$longest.py" tests/registry >"$said" 2>&1 &
registry=$!
trap 'kill "$registry" 2>/dev/null; rm -f "$said"' EXIT

mapfile -t ignored < <(find tests/registry -name 'test_*.py' ! -name "$longest.py")
.venv/bin/python -m pytest "$@" "${ignored[@]/#/--ignore=}" tests
others=$?
wait "$registry"
status=$?
cat "$said"
[ "$others" -eq 0 ] && [ "$status" -eq 0 ]
