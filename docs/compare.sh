#!/usr/bin/env bash
# CPU of delivery by two builds in turn, from a file to a server that accepts everything, and the ratio of the medians.
#   cargo build --release --example null_elasticsearch && docs/compare.sh BEFORE AFTER [MEGABYTES] [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
before=$1
after=$2
megabytes=${3:-150}
runs=${4:-7}
port=${PORT:-19777}
scratch=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$scratch"' EXIT

"$after" generate app --seed 1 --count 4000 --out "$scratch/unit.log" 2>/dev/null
unit=$(stat -c %s "$scratch/unit.log")
for _ in $(seq $((megabytes * 1000000 / unit + 1))); do cat "$scratch/unit.log"; done >"$scratch/app.log"
printf '[source.app]\npaths = ["%s/app.log"]\n[sink.es]\nkind = "elasticsearch"\nurls = ["http://127.0.0.1:%s"]\n' \
  "$scratch" "$port" >"$scratch/config.toml"
"${SERVER:-target/release/examples/null_elasticsearch}" "$port" >/dev/null &
server=$!
sleep 1

# Seconds of CPU, user and system.
cpu() {
  rm -rf "$scratch/state"
  local run=("$1" --no-ui --once --config "$scratch/config.toml" --state-dir "$scratch/state")
  { TIMEFORMAT='%U %S'; time "${run[@]}" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'
}
median() { sort -n "$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

for _ in $(seq "$runs"); do
  cpu "$before" >>"$scratch/before"
  cpu "$after" >>"$scratch/after"
done
echo "before: $(paste -sd' ' "$scratch/before")"
echo "after:  $(paste -sd' ' "$scratch/after")"
awk -v a="$(median "$scratch/before")" -v b="$(median "$scratch/after")" \
  'BEGIN { printf "medians: %.2f s and %.2f s; the second is %.2f × as fast\n", a, b, a / b }'
