#!/usr/bin/env bash
# Packages of the next generation of Debian, unpacked into a folder beside what is installed.
# Usage: deploy/newer_debian.sh FOLDER PACKAGE...
# apt fetches them from the mirror that this machine uses, and checks Debian's signatures.
set -euo pipefail

suite=trixie
target=$(realpath -m "$1")
packages=("${@:2}")
[ -e "$target/.ready" ] && exit

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
  'Label: Debian' | sort -u | head -n 1)
[ -n "$mirror" ] || { echo "apt of this machine names no mirror of Debian" >&2; exit 1; }

rm -rf "$target"
mkdir -p "$target/apt/lists/partial" "$target/apt/cache/archives/partial"
cd "$target/apt"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >sources.list
touch status
apt=(apt-get -qq -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=-
  -o Dir::Etc::Preferences=- -o Dir::Etc::PreferencesParts="$PWD/cache" -o Dir::State::Lists="$PWD/lists"
  -o Dir::Cache="$PWD/cache" -o Dir::State::status="$PWD/status" -o APT::Sandbox::User=root
  -o Acquire::Languages=none)
"${apt[@]}" update
"${apt[@]}" download "${packages[@]}"
for package in ./*.deb; do dpkg-deb -x "$package" "$target"; done
rm -rf "$target/apt"
touch "$target/.ready"
