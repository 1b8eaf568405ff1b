#!/usr/bin/env bash
# Builds the measurements for a Cortex-M4, runs them in QEMU, and prints one figure a line:
#   instructions <name>@<opt-level> <n>      stack <name>@<opt-level> <bytes>
#   flash <configuration>@<opt-level> <bytes>      ram <what> <bytes>
# The same every time for one compiler. Opt-levels may be given; without any, z and 3 are measured. With --all-targets, how much
# flash is taken at z on a core without compare-and-swap, with another instruction set, and of 64 bits.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../../on-target/toolchain.sh

target=thumbv7em-none-eabihf
images=${CARGO_TARGET_DIR:-target}/$target/release

command -v qemu-system-arm >/dev/null || {
  echo "Install QEMU for ARM (Debian: apt-get install qemu-system-arm)." >&2
  exit 2
}
find_toolchain "$target" || exit 2

other_targets=()
if [[ ${1:-} == --all-targets ]]; then
  other_targets=(thumbv6m-none-eabi riscv32imc-unknown-none-elf x86_64-unknown-none)
  shift
fi
if (($# == 0)); then set -- z 3; fi

for opt_level in "$@"; do
  CARGO_PROFILE_RELEASE_OPT_LEVEL=$opt_level "${target_cargo[@]}" build --locked --release --quiet
  for program in policy sealing; do
    timeout 1800 qemu-system-arm -machine mps2-an386 -cpu cortex-m4 -icount shift=0 -nographic -monitor none -serial none \
      -semihosting-config enable=on,target=native -kernel "$images/$program" </dev/null
  done |
    sed -E "s|^(instructions\|stack) ([^ ]+) |\1 \2@$opt_level |"
  ./sizes.sh "$target" "$opt_level"
done | awk '!seen[$0]++' # what takes RAM does so at every level

for target in "${other_targets[@]}"; do
  ./sizes.sh "$target" z
done
