#!/usr/bin/env bash
# Makes .venv ready: Python 3.11 or newer, every extra, versions from constraints.txt.
# Usage: deploy/setup.sh [debian-package ...]  (packages are installed first, on Debian as root)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]}. Install them with your package manager, or run this as root on Debian."
    exit 1
  fi
  say "installing ${missing[*]}"
  # Services must not start by themselves: tests start what they need, where they need it.
  local policy=/usr/sbin/policy-rc.d own=
  [ -e "$policy" ] || { own=1; printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; }
  apt-get -o DPkg::Lock::Timeout=500 -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=500 -qq install -y \
    --no-install-recommends "${missing[@]}" >/dev/null
  [ -z "$own" ] || rm -f "$policy"
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  install_packages python3 python3-venv
  python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    && { command -v python3; return; }
  say "Python 3.11 or newer with venv is needed; set PYTHON=/path/to/python3.11"
  exit 1
}

if command -v dpkg >/dev/null; then install_packages git "$@"; fi

stamp=.venv/.ready
wanted=$(cat pyproject.toml constraints.txt deploy/setup.sh | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  python=$(find_python)
  say "setting up .venv with $("$python" --version)"
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
  .venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode \
    --constraint constraints.txt --editable '.[registry,pkcs11,traces,reconciler,kubernetes,runtime,steps,export,optimise,demo,docs,dev]'
  printf '%s' "$wanted" >"$stamp"
fi
