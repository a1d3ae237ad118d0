#!/usr/bin/env bash
# Whole-process figures of docs/PERFORMANCE.md: one run, one table. Needs about 2.5 GB in $TMPDIR.
#   cargo build --release && docs/figures.sh [MEGABYTES]
set -euo pipefail
cd "$(dirname "$0")/.."
program=$PWD/target/release/logwarden
megabytes=${1:-1000}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/big.log
small=$scratch/small.log

echo "generating $megabytes MB"
"$program" generate app --seed 1 --count 4000 --out "$scratch/unit.log" >/dev/null
unit=$(stat -c %s "$scratch/unit.log")
times=$((megabytes * 1000000 / unit + 1))
for _ in $(seq 1 50); do cat "$scratch/unit.log"; done >"$scratch/fifty.log"
for _ in $(seq 1 $((times / 50 + 1))); do cat "$scratch/fifty.log"; done >"$log"
head -c 1000000 "$log" >"$small"
bytes=$(stat -c %s "$log")
cat "$log" >/dev/null

# seconds of CPU (user + system) of a command
cpu() { { TIMEFORMAT='%U %S'; time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'; }
row() { awk -v n="$1" -v b="$bytes" -v s="$2" -v base="$3" \
  'BEGIN { printf "| %-34s | %6.2f s | %7.0f MB/s | %5.1f × |\n", n, s, b / s / 1e6, s / base }'; }

echo
echo "| run over $((bytes / 1000000)) MB of JSON lines | CPU | per second of CPU | to wc -l |"
echo "|---|---|---|---|"
scan=$(cpu wc -l "$log")
row "wc -l" "$scan" "$scan"
row "stats" "$(cpu "$program" stats "$log")" "$scan"
row "parse" "$(cpu "$program" parse "$log")" "$scan"
row "search --in files, rare literal" "$(cpu "$program" search --in files zyzzyva "$log" --count)" "$scan"
row "--once into the archive" \
  "$(cpu "$program" --no-ui --once --state-dir "$scratch/state" "$log")" "$scan"
echo
echo "archive: $(du -sm "$scratch/state/archive" | cut -f1) MB for $((bytes / 1000000)) MB of log"
echo "search of a rare word in it: $( { TIMEFORMAT=%R; time "$program" search --state-dir "$scratch/state" zyzzyva --count >/dev/null 2>&1; } 2>&1 ) s"
