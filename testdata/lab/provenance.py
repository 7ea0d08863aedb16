#!/usr/bin/env python3
"""Writes the table of recorded captures in testdata/README.md from their JSON.

It replaces what stands between the two markers; the rest of the file is written by hand.

usage: provenance.py
"""

import json
import pathlib

TESTDATA = pathlib.Path(__file__).parent.parent
BEGIN, END = "<!-- provenance: begin -->\n", "<!-- provenance: end -->\n"
ORDER = ["coercion", "recon", "rpc-attack", "relay", "chain", "poisoning", "kerberos", "benign"]


def main():
    families = {}
    for path in sorted((TESTDATA / "captures").glob("*.json")):
        truth = json.loads(path.read_text())
        if truth.get("family"):
            families.setdefault(truth["family"], []).append(truth)
    lines = []
    for family in sorted(families, key=lambda name: (ORDER + [name]).index(name)):
        lines += [f"### {family}", "", "| file | frames | programs | true of it | what it shows |"]
        lines += ["|---|---|---|---|---|"]
        lines += [row(truth) for truth in families[family]] + [""]
    readme = TESTDATA / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(before + BEGIN + "\n".join(lines) + END + rest.partition(END)[2])


def row(truth):
    programs = ", ".join(f"{name} {version}" for name, version in truth["tools"].items())
    programs = programs.replace(" 4.17.12-Debian", " 4.17.12")
    labels = " ".join(f"`{label}`" for label in truth["expect"] or truth["looks_like"]) or "-"
    notes = truth["notes"].replace("|", "\\|")
    return f"| `{truth['scenario']}` | {truth['packets']} | {programs} | {labels} | {notes} |"


if __name__ == "__main__":
    main()
