#!/usr/bin/env bash
# Makes what compose.yaml needs beside it, and changes nothing that is there: secrets, configuration,
# .env. Run it as root, for each secret belongs to the one program that reads it.
# Usage: prepare.sh [FOLDER]   (default: the folder of this script; a copy of compose.yaml goes there)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mkdir -p "${1:-$here}" && cd "${1:-$here}" && pwd)
[ "$(id -u)" -eq 0 ] || { echo "run this as root: it gives files to the containers' users" >&2; exit 1; }
plimsoll=10001 postgres=999 store=0
umask 077
mkdir -p "$folder/secrets" "$folder/config"

draw() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep NAME OWNER: what comes in, unless there is such a file
keep() {
  local path=$folder/secrets/$1
  [ -e "$path" ] || cat >"$path"
  chown "$2:$2" "$path"
  chmod 0400 "$path"
}

if [ ! -e "$folder/secrets/pgpass" ]; then
  password=$(draw) name=$(draw | cut -c1-20) key=$(draw)
  keep postgres "$postgres" <<<"$password"
  keep pgpass "$plimsoll" <<<"postgres:5432:plimsoll:plimsoll:$password"
  keep store_id "$plimsoll" <<<"$name"
  keep store_key "$plimsoll" <<<"$key"
  keep store "$store" <<<'{"identities": [{"name": "registry", "credentials": [{"accessKey": "'"$name"'",
  "secretKey": "'"$key"'"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}'
  draw | keep webhook "$plimsoll"
fi

for file in plimsoll.toml; do
  [ -e "$folder/config/$file" ] || cp "$here/$file" "$folder/config/$file"
done
[ -e "$folder/config/publishers.json" ] || echo '{"publishers": []}' >"$folder/config/publishers.json"
chown -R "$plimsoll:$plimsoll" "$folder/config"
chmod 0700 "$folder/config"
# Root alone may look into the folder of secrets; containers get the files, not the folder.
chmod 0711 "$folder/secrets"

if [ ! -e "$folder/.env" ]; then
  sed "s/^DOCKER_GID=.*/DOCKER_GID=$(stat -c %g /var/run/docker.sock)/" "$here/env.example" >"$folder/.env"
fi
if [ "$folder" != "$here" ]; then
  install -m 0644 "$here/compose.yaml" "$here/prometheus.yaml" "$here/../prometheus/alerts.yaml" "$folder"
else
  install -m 0644 "$here/../prometheus/alerts.yaml" "$folder"
fi
chmod 0644 "$folder/prometheus.yaml"
