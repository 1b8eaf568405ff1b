#!/usr/bin/env bash
# Makes report pages and looks at them in a real Chromium; README.md says what at. Screenshots go to target/page-test.
#
# It needs Node.js 20, npm and Chromium (Debian: nodejs npm chromium). CHROMIUM names another one than that of the path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
if [[ -z $chromium ]]; then
  echo "There is no Chromium (Debian: chromium); CHROMIUM=PATH names one." >&2
  exit 2
fi

out=${CARGO_TARGET_DIR:-target}/page-test
mkdir -p "$out/pages" "$out/screenshots"
out=$(realpath "$out")

if [[ ! page-test/node_modules/.package-lock.json -nt page-test/package-lock.json ]]; then
  (cd page-test && npm ci --ignore-scripts --no-audit --no-fund)
fi

cargo build --locked --release -p pawl-sim-host --bin pawl-sim
# As `cargo test` builds it, which mostly has been done.
cargo build --locked --profile test -p pawl-sim-host --example faulty_page
built=${CARGO_TARGET_DIR:-target}

# Runs a scenario and writes its page as $1.
page() {
  local name=$1
  shift
  "$built/release/pawl-sim" run "$@" --quiet --html "$out/pages/$name.html" --json "$out/pages/$name.json"
}

page kiosk-month kiosk-month
page bad-power bad-power --html-room '!stage:example.org'
page ten-thousand-rooms ten-thousand-rooms
for scenario in page-test/scenarios/*.toml; do
  page "$(basename "$scenario" .toml)" "$scenario"
done
"$built/debug/examples/faulty_page" "$out/pages/violations.html" "$out/pages/violations.json"

CHROMIUM=$chromium PAGES=$out/pages SCREENSHOTS=$out/screenshots node --test page-test/test.mjs
echo "Screenshots: $out/screenshots"
