#!/usr/bin/env bash
# Builds pawl-core in several configurations (sizes/src/bin/) and prints how much flash each takes, one figure a line:
#   flash <configuration>@<opt-level> <bytes>
# The same every time for one compiler. A target may be given; without one it is a Cortex-M4, for which the budgets are. Of
# another target the name stands behind the opt-level. Opt-levels may follow; without any, z and 3 are measured.
#
# Counted is everything that would lie in flash: code, constants, initial values of variables, the compiler's memcpy and the
# like included. Not counted are the tables for unwinding, which firmware leaves out, and whatever is outside of the core.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../../on-target/toolchain.sh

target=${1:-thumbv7em-none-eabihf}
opt_levels=("${@:2}")
if ((${#opt_levels[@]} == 0)); then opt_levels=(z 3); fi
suffix=""
if [[ $target != thumbv7em-none-eabihf ]]; then suffix=/$target; fi

find_toolchain "$target" || exit 2

# The flags take the place of those that the emulated board needs. What is outside of the core is nowhere: where its functions
# would be is made up, and of these only, so that nothing else can be missing.
export RUSTFLAGS="-C link-arg=-epawl_entry"
for function in pawl_next pawl_answer pawl_panic; do RUSTFLAGS+=" -C link-arg=--defsym=$function=pawl_entry"; done
configurations=(sizes/src/bin/*.rs)
if [[ -n $suffix ]]; then configurations=(sizes/src/bin/{policy,policy-flash-sealing}.rs); fi # enough to compare by
bins=()
for configuration in "${configurations[@]}"; do bins+=(--bin "$(basename "$configuration" .rs)"); done
images=()
for opt_level in "${opt_levels[@]}"; do
  (cd sizes && CARGO_PROFILE_RELEASE_OPT_LEVEL=$opt_level "${target_cargo[@]}" build --locked --release --quiet "${bins[@]}" \
    --target-dir "target/$opt_level")
  for configuration in "${configurations[@]}"; do
    name=$(basename "$configuration" .rs)
    images+=("$name@$opt_level$suffix=$PWD/sizes/target/$opt_level/$target/release/$name")
  done
done
unset RUSTFLAGS
cd ../.. # where cargo builds for this machine
cargo run --locked --quiet -p pawl-checks -- flash-bytes "${images[@]}"
