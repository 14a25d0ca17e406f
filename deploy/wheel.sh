#!/usr/bin/env bash
# Builds the wheel of the checkout it is called in: the same commit makes the same bytes.
# Usage: deploy/wheel.sh FOLDER  (its times are SOURCE_DATE_EPOCH's, or else the commit's)
set -euo pipefail

export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
python=$(dirname "$0")/../.venv/bin/python
"$python" -m uv build --quiet --wheel --out-dir "$1" .
