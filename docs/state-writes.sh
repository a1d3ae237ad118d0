#!/usr/bin/env bash
# Bytes that the engine writes to disk for a plain log that grows by one line per second, by the kernel's account.
#   cargo build --release && docs/state-writes.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
program=${LOGWARDEN:-$PWD/target/release/logwarden}
seconds=${1:-180}
scratch=$(mktemp -d)
trap 'kill "$engine" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$scratch"' EXIT

echo "the service has started" >"$scratch/app.log"
printf '[source.app]\npaths = ["%s/app.log"]\n[sink.stdout]\n' "$scratch" >"$scratch/config.toml"
"$program" --no-ui --config "$scratch/config.toml" --state-dir "$scratch/state" >/dev/null 2>"$scratch/said" &
engine=$!
sleep 3

account() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$engine/io"; }
calls=$(account wchar) pages=$(account write_bytes)
for second in $(seq 1 "$seconds"); do
  echo "request $second was served" >>"$scratch/app.log"
  sleep 1
done
echo "$((($(account wchar) - calls) / seconds)) bytes per line by write calls," \
  "$((($(account write_bytes) - pages) / seconds)) bytes per line in pages of 4 KiB to the disk"
