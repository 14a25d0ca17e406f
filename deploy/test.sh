#!/usr/bin/env bash
# All tests, in parts that share nothing, one more at a time than there are cores: each waits a third
# of its time, for a disk, a database, a program that starts. The longest parts begin first.
# Usage: deploy/test.sh [PYTEST OPTION ...]
set -uo pipefail
cd "$(dirname "$0")/.."
# Tests start our programs hundreds of times: compiled once, not each time.
unset PYTHONDONTWRITEBYTECODE
.venv/bin/python -m compileall -q -j 2 registry reconciler runtime migrations

said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

# One part a line, as arguments of pytest. What is in no line of its own is in the last.
parts() {
  local files shelf
  echo tests/engines
  echo tests/e2e
  files=$(find tests/registry -name 'test_*.py' ! -name test_openapi.py | sort)
  for shelf in 1 2 3 4; do
    split -n "r/$shelf/4" <<<"$files" | paste -sd ' '
  done
  echo tests/runtime
  echo tests/reconciler tests/core
  echo tests/making tests/deploy
  echo tests/cli tests/registry/test_openapi.py
  find tests -mindepth 1 -maxdepth 1 \( -name 'test_*.py' -o -type d ! -name '__*' \) \
    ! -name engines ! -name e2e ! -name registry ! -name runtime ! -name reconciler ! -name core \
    ! -name cli ! -name making ! -name deploy | sort | paste -sd ' '
}

# What a part says is told whole, when it has ended. 5: none of its tests was asked for.
one() {
  local out status
  out=$(mktemp -p "$said")
  # shellcheck disable=SC2086  several paths
  .venv/bin/python -m pytest "${@:2}" $1 >"$out" 2>&1
  status=$?
  flock "$said" cat "$out"
  [ "$status" -eq 0 ] || [ "$status" -eq 5 ]
}
export -f one
export said

parts | xargs -d '\n' -P "$(($(nproc) + 1))" -I PART bash -c 'one "$@"' one PART "$@"
status=$?
# Once more at the end, where it is looked for.
grep -hE '^(FAILED|ERROR) |^=* ?[0-9]+ (passed|failed|deselected).* in ' "$said"/*
[ "$status" -eq 0 ]
