#!/usr/bin/env bash
# Runs an image in QEMU and prints its log; `cargo run` calls it. DEFMT_FORMAT sets another format for the log's lines.
set -euo pipefail

for tool in qemu-system-arm defmt-print; do
  command -v "$tool" >/dev/null || {
    echo "$0: there is no $tool (Debian: apt-get install qemu-system-arm; cargo install defmt-print)" >&2
    exit 2
  }
done

# Time goes by instructions, a nanosecond each, and leaps over sleep: every run is the same, and takes less time than it says.
qemu-system-arm -machine mps2-an386 -cpu cortex-m4 -icount shift=0,sleep=off -nographic -monitor none -serial none \
  -semihosting-config enable=on,target=native -kernel "$1" </dev/null |
  defmt-print -e "$1" --show-skipped-frames ${DEFMT_FORMAT:+--log-format "$DEFMT_FORMAT"}
