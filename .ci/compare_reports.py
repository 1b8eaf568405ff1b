"""Compares two reports of `pawl-sim run --json` with one seed: the same but for `wall_ms`, and no violations."""

import json
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    del report["wall_ms"]
    return report


first, second = (read(path) for path in sys.argv[1:])
if first["violations"]:
    sys.exit(f"{len(first['violations'])} violations, the first: {first['violations'][0]}")
differences = [key for key in first.keys() | second.keys() if first.get(key) != second.get(key)]
if differences:
    sys.exit(f"The same seed gave other values of: {', '.join(sorted(differences))}")
print(f"The same report twice, without a violation: {first['messages']} messages in {first['rooms']} rooms")
