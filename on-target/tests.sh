#!/usr/bin/env bash
# Builds pawl-core's own tests and the test vectors for a Cortex-M4 and runs them in QEMU: every test that needs no host, which
# on-target/tests/build.rs finds out. The code is optimised as it ships, with overflow checks and debug assertions.
# Opt-levels may be given; without any, it is z. PAWL_LIVES is how many lives the tests of failing stores have, 100
# here; PAWL_ONE_CASE_IN says that of so many random cases of a property one is tried, 10 here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/tests"

target=thumbv7em-none-eabihf

command -v qemu-system-arm >/dev/null || {
  echo "tests.sh: install QEMU for ARM (Debian: apt-get install qemu-system-arm)" >&2
  exit 2
}
source ../toolchain.sh
find_toolchain "$target" || exit 2
# The tests may allocate. Where `core` is built from source, `alloc` is too.
if [[ " ${target_cargo[*]} " == *" -Zbuild-std=core "* ]]; then target_cargo+=(-Zbuild-std=core,alloc); fi

export PAWL_LIVES=${PAWL_LIVES:-100} PAWL_ONE_CASE_IN=${PAWL_ONE_CASE_IN:-10}

said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Every test of every file is accounted for, by a count that has nothing to do with how build.rs reads them, and so are the vectors.
account() {
  local file name expected found failed=0
  for file in ../../core/tests/*.rs; do
    name=$(basename "$file" .rs)
    expected=$(grep -cE '^ *#\[test\]$' "$file")
    found=$(grep -cE "^(test|left out) $name::" "$said" || true)
    if ((expected != found)); then
      echo "$file has $expected tests, of which $found were run or left out" >&2
      failed=1
    fi
  done
  expected=$(find ../../vectors/settings -type f | wc -l)
  if ! grep -q "^[1-9][0-9]* tests and $expected vectors passed$" "$said"; then
    echo "not all of $expected vectors were run" >&2
    failed=1
  fi
  return "$failed"
}

if (($# == 0)); then set -- z; fi
for opt_level in "$@"; do
  echo "At opt-level $opt_level:"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=$opt_level "${target_cargo[@]}" build --locked --release --quiet
  # A run that hangs is a failure too.
  timeout 1800 qemu-system-arm -machine mps2-an386 -cpu cortex-m4 -nographic -monitor none -serial none \
    -semihosting-config enable=on,target=native \
    -kernel "${CARGO_TARGET_DIR:-target}/$target/release/pawl-on-target" </dev/null | tee "$said"
  account
done
