#!/usr/bin/env python3
"""The arrow of the design, read from the #includes: a stage sees core and the stages to its left, never to its right.

Also: public headers include the standard library, featlib and Boost, nothing else a user would have to install.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGES = ["core", "contract", "plan", "events", "window", "vector", "ensemble", "decision", "log", "monitor", "top"]

# Files whose path does not say it: src/<name>.cpp without a header of its name, and the headers beside featlib.hpp.
STAGE_OF = {
    "version": "core",
    "tzdb": "core",
    "arithmetic": "core",
    "rounding": "core",
    "pinned": "contract",  # the expression language's arithmetic
    "settle": "events",
    "corrections": "vector",
    "snapshot": "vector",
    "merge": "vector",
    "history": "vector",
    "observe_table": "vector",
    "parallel": "core",
    "utf8": "core",
    "feature_table": "vector",
    "xgboost": "ensemble",
    "lightgbm": "ensemble",
    "featlib": "top",
    "bundle": "top",
    "scorer": "top",
    "reasons": "top",
    "replay_decisions": "top",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def stage_of(path):
    """The stage of a path relative to include/featlib or src; None when nobody said."""
    first = path.parts[0] if len(path.parts) > 1 else path.name.split(".")[0]
    for name in (first, first.split("_")[0]):  # src/contract_yaml.cpp belongs to contract
        if name in STAGES:
            return name
        if name in STAGE_OF:
            return STAGE_OF[name]
        for header in sorted((ROOT / "include/featlib").glob(f"*/{name}.hpp")):  # src/rows.cpp has events/rows.hpp
            return header.parent.name
    return None


def main():
    problems = []
    files = 0
    for base in (ROOT / "include/featlib", ROOT / "src"):
        public = base.name == "featlib"
        for path in sorted(p for p in base.rglob("*") if p.suffix in {".hpp", ".h", ".cpp", ".def"}):
            files += 1
            shown = path.relative_to(ROOT)
            own = stage_of(path.relative_to(base))
            if own is None:
                problems.append(f"{shown}: no stage; name it after one, or add it to STAGE_OF in tools/check_layers.py")
                continue
            text = path.read_text()
            for match in INCLUDE.finditer(text):
                line = text.count("\n", 0, match.start(2)) + 1
                bracket, target = match.groups()
                if target.startswith("featlib/"):
                    seen = stage_of(Path(target).relative_to("featlib"))
                elif bracket == '"':
                    beside = path.parent / target
                    local = beside if beside.exists() else base / target
                    seen = stage_of(local.resolve().relative_to(base)) if local.exists() else None
                else:
                    foreign = ("/" in target or target.endswith(".hpp")) and not target.startswith(("boost/", "sys/"))
                    if public and foreign:
                        problems.append(f"{shown}:{line}: a public header includes <{target}>, which is not ours to ask for")
                    continue
                if seen is None:
                    problems.append(f"{shown}:{line}: {target} has no stage")
                elif STAGES.index(seen) > STAGES.index(own):
                    problems.append(f"{shown}:{line}: {own} includes {target} of {seen}, which is to its right")
    for problem in problems:
        print(problem)
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
