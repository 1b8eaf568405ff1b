#!/usr/bin/env bash
# Builds the firmware, runs it in QEMU and prints its log. Installs defmt-print, in target/, if there is none.
#
#   ./run.sh            the log, with the time since each start
#   ./run.sh --check    runs it twice; both logs, without the time, must be what is in expected.txt
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cargo=(cargo)
locked=()
# Within pawl's repository Debian's compiler will do as well; a copy of this folder wants rustup's target.
if [[ -f ../../on-target/toolchain.sh ]]; then
  source ../../on-target/toolchain.sh
  find_toolchain thumbv7em-none-eabihf || exit 2
  cargo=("${target_cargo[@]}")
  locked=(--locked) # a copy that takes pawl-core from elsewhere has a lock file of its own to write
fi

tools=$PWD/target/tools
PATH=$PATH:$tools/bin
if ! command -v defmt-print >/dev/null; then
  cargo install --quiet --locked --debug --root "$tools" --version 1.2.0 defmt-print
fi

case ${1:-} in
  "") "${cargo[@]}" run "${locked[@]}" --quiet --release ;;
  --check)
    "${cargo[@]}" build "${locked[@]}" --quiet --release
    for _ in first second; do
      DEFMT_FORMAT='{L} {s}' timeout 60 "${cargo[@]}" run "${locked[@]}" --quiet --release | diff -u expected.txt -
    done
    echo "The log is as expected, twice."
    ;;
  *) echo "usage: $0 [--check]" >&2 && exit 2 ;;
esac
