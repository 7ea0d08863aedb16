#!/usr/bin/env python3
"""Writes the tables of ../README.md between "<!-- table: FAMILY ... -->" and "<!-- end -->" from the
JSON of the captures of these families: what was recorded, with which programs, and what it shows.

usage: provenance.py [--check]      with --check it only says whether the tables are as they should be
"""

import glob
import json
import os
import re
import sys

TESTDATA = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
README = os.path.join(TESTDATA, "README.md")
TABLE = re.compile(r"(<!-- table: ([a-z -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
EVERYWHERE = {"samba", "tshark"}


def main():
    truths = []
    for path in sorted(glob.glob(os.path.join(TESTDATA, "captures", "*.json"))):
        with open(path, encoding="utf-8") as file:
            truths.append(json.load(file))
    with open(README, encoding="utf-8") as file:
        old = file.read()
    new = TABLE.sub(
        lambda found: found[1] + table(truths, found[2].split()) + found[3],
        old,
    )
    if "--check" in sys.argv:
        sys.exit("README.md: run testdata/lab/provenance.py" if new != old else 0)
    with open(README, "w", encoding="utf-8") as file:
        file.write(new)


def table(truths, families):
    rows = [row(truth) for truth in truths if truth.get("family") in families]
    head = "| file | frames | labels | programs | what it shows |\n|---|---|---|---|---|\n"
    return head + "".join(rows)


def row(truth):
    labels = ", ".join(f"`{label}`" for label in truth["expect"])
    used = (f"{name} {version}" for name, version in truth["tools"].items())
    programs = ", ".join(tool for tool in used if tool.split()[0] not in EVERYWHERE)
    notes = truth["notes"].replace("|", "\\|")
    return f"| `{truth['scenario']}` | {truth['packets']} | {labels} | {programs} | {notes} |\n"


if __name__ == "__main__":
    main()
