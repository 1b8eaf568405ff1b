#!/usr/bin/env bash
# Builds the measurements for a Cortex-M4, runs them in QEMU, and prints one figure a line:
#   stack <name>@<opt-level> <bytes>      instructions <name>@<opt-level> <n>
# The same every time for one compiler. Names of opt-levels may be given; without any, z and 3 are measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

target=thumbv7em-none-eabihf
image=target/$target/release/pawl-cortex-m

command -v qemu-system-arm >/dev/null || {
  echo "run.sh: install QEMU for ARM (Debian: apt-get install qemu-system-arm)" >&2
  exit 2
}

# The toolchain: rustup's target, or else Debian's packages, which build `core` from source.
if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
  build() { cargo build --release --quiet; }
elif [[ -x /usr/bin/cargo && -d /usr/lib/rustlib/src/rust/library || -d /usr/src/rustc-*/library ]] && command -v ld.lld >/dev/null; then
  build() {
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER=ld.lld \
      /usr/bin/cargo build --release --quiet -Zbuild-std=core
  }
else
  echo "run.sh: install the target (rustup target add $target)," >&2
  echo "        or Debian's packages rustc-web cargo-web rust-web-src lld" >&2
  exit 2
fi

if (($# == 0)); then set -- z 3; fi
for opt_level in "$@"; do
  CARGO_PROFILE_RELEASE_OPT_LEVEL=$opt_level build
  qemu-system-arm -machine mps2-an386 -cpu cortex-m4 -icount shift=0 -nographic -monitor none -serial none \
    -semihosting-config enable=on,target=native -kernel "$image" </dev/null |
    sed -E "s|^([a-z]+ [^ ]+) |\1@$opt_level |"
done
