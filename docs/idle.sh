#!/usr/bin/env bash
# CPU and memory of the whole process with many idle files, alone and beside ten that grow.
#   cargo build --release && docs/idle.sh [FILES] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
program=${LOGWARDEN:-$PWD/target/release/logwarden}
files=${1:-10000}
seconds=${2:-20}
scratch=$(mktemp -d)
trap 'kill "$engine" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$scratch"' EXIT

for file in $(seq 1 "$files"); do
  directory=$scratch/logs/$((file % 20))
  [ -d "$directory" ] || mkdir -p "$directory"
  echo "{\"level\":\"info\",\"message\":\"idle\",\"number\":$file}" >"$directory/$file.log"
done
printf '[source.app]\npaths = ["%s/logs/*/*.log"]\n[sink.out]\nkind = "file"\npath = "%s/out"\n' \
  "$scratch" "$scratch" >"$scratch/config.toml"
"$program" --no-ui --config "$scratch/config.toml" --state-dir "$scratch/state" 2>"$scratch/said" &
engine=$!

written() { wc -l 2>/dev/null <"$scratch/out" || echo 0; }
until [ "$(written)" -ge "$files" ]; do sleep 0.1; done
# The longer a file is idle, the less often it is checked, down to every five seconds.
sleep 45

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$engine/stat"; }
memory() { awk '/RssAnon/ { print $2 }' "/proc/$engine/status"; }
share() { awk -v t="$(($(ticks) - $1))" -v s="$2" 'BEGIN { printf "%.2f %%", t / s }'; }

before=$(ticks)
sleep "$seconds"
echo "$files idle files: $(share "$before" "$seconds") of a core, $(memory) KiB"

before=$(ticks)
for round in $(seq 1 $((seconds * 10))); do
  for file in 0 1 2 3 4 5 6 7 8 9; do
    echo "{\"level\":\"info\",\"message\":\"hot\",\"number\":$round}" >>"$scratch/logs/0/hot-$file.log"
  done
  sleep 0.1
done
echo "and ten that grow by ten lines per second: $(share "$before" "$seconds") of a core, $(memory) KiB"
