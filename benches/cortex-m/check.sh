#!/usr/bin/env bash
# Measures, and compares with the figures that are committed for this compiler (expected/).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../../on-target/toolchain.sh
find_toolchain thumbv7em-none-eabihf || exit 2
./run.sh --all-targets | (cd ../.. && cargo run --locked --quiet -p pawl-checks -- figures compare "$target_compiler")
