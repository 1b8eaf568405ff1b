# What builds for a target without an operating system; for sourcing by bash.
#
#   source on-target/toolchain.sh
#   find_toolchain thumbv7em-none-eabihf || exit 2
#   "${target_cargo[@]}" build --release
#
# rustup's target is taken where it is installed; else Debian's compiler, which builds `core` from source, and nothing else, so
# that neither std nor a memory allocator could even be named.

# Whether Debian's compiler is there, with the sources of the standard library, and a linker.
debian_builds_core() {
  [[ -x /usr/bin/rustc && -x /usr/bin/cargo ]] && command -v ld.lld >/dev/null &&
    [[ -d $(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/core ]]
}

# Sets `target_cargo`, the command to call cargo by for the target $1, and `target_compiler`, by which figures are named: the
# compiler's version, and `-source` where it builds `core` at the same opt-level as the rest. Where there is no toolchain it says
# what to install, and fails.
find_toolchain() {
  local target=$1
  if rustup target list --installed 2>/dev/null | grep -x "$target" >/dev/null; then
    target_cargo=(env CARGO_BUILD_TARGET="$target" cargo)
    target_compiler=$(rustc --version | cut -d' ' -f2)
  elif debian_builds_core; then
    local linker=CARGO_TARGET_${target^^}_LINKER
    target_cargo=(env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 "${linker//-/_}=ld.lld" CARGO_BUILD_TARGET="$target"
      /usr/bin/cargo -Zbuild-std=core)
    target_compiler=$(/usr/bin/rustc --version | cut -d' ' -f2)-source
  else
    echo "There is no toolchain for $target. Install rustup's target: rustup target add $target" >&2
    echo "or Debian's packages: apt-get install rustc-web cargo-web rust-web-src lld" >&2
    return 1
  fi
}
