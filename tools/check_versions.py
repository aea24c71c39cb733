#!/usr/bin/env python3
"""One version: include/featlib/version.hpp says it, pyproject.toml and CMake read it there, CHANGELOG.md has its entry."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    problems = []
    header = (ROOT / "include/featlib/version.hpp").read_text()
    version = re.search(r'define FEATLIB_VERSION "([^"]+)"', header)[1]
    parts = [re.search(rf"define FEATLIB_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    if ".".join(parts) != version:
        problems.append(f"version.hpp: the numbers say {'.'.join(parts)}, the text says {version}")

    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    reader = next(entry for entry in pyproject["tool"]["dynamic-metadata"] if entry["field"] == "version")
    if "version" not in pyproject["project"]["dynamic"] or reader["input"] != "include/featlib/version.hpp":
        problems.append("pyproject.toml: the version must be dynamic and read from include/featlib/version.hpp")
    elif re.search(reader["regex"], header)["value"] != version:
        problems.append("pyproject.toml: its regex reads another version than CMake does")

    released = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if not released or released[1] != version:
        problems.append(f"CHANGELOG.md: the first numbered heading must be `## {version}`, is {released and released[1]}")

    for problem in problems:
        print(problem)
    print(f"version {version}, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
