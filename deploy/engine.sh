#!/usr/bin/env bash
# A Docker Engine that answers at /var/run/docker.sock. Where one does, nothing is done; on Debian
# as root one is installed and started, with or without systemd. Anything else ends with why.
set -euo pipefail

socket=/var/run/docker.sock
log=/var/log/plimsoll-dockerd.log
wait_seconds=30

say() { printf '%s\n' "$*" >&2; }

answers() {
  # Neither the docker command nor curl has to be there for this.
  python3 - "$socket" <<'PYTHON' 2>/dev/null
import socket, sys
with socket.socket(socket.AF_UNIX) as engine:
    engine.settimeout(5)
    engine.connect(sys.argv[1])
    engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
    sys.exit(b" 200 " not in engine.recv(64))
PYTHON
}

give_up() {
  say "no Docker Engine answers at $socket: $1"
  exit 1
}

install_engine() {
  command -v dockerd >/dev/null && return
  [ "$(id -u)" -eq 0 ] || give_up "run this as root, or install and start Docker yourself"
  command -v apt-get >/dev/null || give_up "install Docker for this system and start it"
  say "installing docker.io"
  # The package must not start a daemon of its own: the one started below is waited for.
  local policy=/usr/sbin/policy-rc.d own=
  [ -e "$policy" ] || { own=1; printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; }
  apt-get -o DPkg::Lock::Timeout=500 -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=500 -qq install -y \
    --no-install-recommends docker.io iptables >/dev/null
  [ -z "$own" ] || rm -f "$policy"
}

start_engine() {
  [ "$(id -u)" -eq 0 ] || give_up "run this as root to start it"
  say "starting dockerd"
  if [ -d /run/systemd/system ]; then
    systemctl start docker
  else
    # A pid file left by a power cut keeps dockerd from starting.
    local pid
    pid=$(cat /var/run/docker.pid 2>/dev/null || true)
    if [ -n "$pid" ] && ! grep -q dockerd "/proc/$pid/comm" 2>/dev/null; then
      rm -f /var/run/docker.pid
    fi
    setsid dockerd >>"$log" 2>&1 </dev/null &
  fi
}

await_engine() {
  local end=$((SECONDS + wait_seconds))
  until answers; do
    if [ "$SECONDS" -ge "$end" ]; then
      tail -n 5 "$log" >&2 2>/dev/null || true
      give_up "dockerd did not become ready in $wait_seconds s; its log is $log"
    fi
    sleep 0.2
  done
}

if ! answers; then
  install_engine
  start_engine
  await_engine
fi
