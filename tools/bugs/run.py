#!/usr/bin/env python3
"""Plant each bug of tools/bugs/*.txt in a copy of the tree and watch the tests named beside it fail.

    tools/bugs/run.py               every bug
    tools/bugs/run.py window edge   the bugs whose file or name contains one of the words
    tools/bugs/run.py --list        what there is

A bug file holds any number of entries; lines that start with # before the first entry are comments:

    == an event at the as-of instant becomes visible
    file: src/reference/reference.cpp
    test: window_test "an event at the as-of instant*"
    test: pytest tests/python/test_parity.py -k edge
    <<<<
    event.time < as_of
    ====
    event.time <= as_of
    >>>>

`file`, then one old/new block, as often as needed; the old text must occur in the file exactly once. `test` is a program
of tests/cpp with Catch2's arguments, or pytest with its own. Every test named must pass without the bug and fail with it.
Exit 1 when a bug survives, does not compile or does not apply.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build/bugs/tree"  # kept between runs, so that only what changed is compiled
BUILD = ROOT / "build/bugs/build"
TIMEOUT_S = 300  # a bug that makes a test hang is caught too


@dataclass
class Bug:
    source: str
    name: str
    edits: list = field(default_factory=list)  # (file, old, new)
    tests: list = field(default_factory=list)


def read_bugs(path):
    bugs, file, block, old = [], None, None, None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if block is not None:  # inside <<<< ... ==== ... >>>>
            if line == "====" and old is None:
                old, block = "\n".join(block), []
            elif line == ">>>>":
                bugs[-1].edits.append((file, old, "\n".join(block)))
                block = old = None
            else:
                block.append(line)
        elif line.startswith("== "):
            bugs.append(Bug(path.stem, line[3:].strip()))
        elif line == "<<<<":
            block = []
        elif line.startswith("file: "):
            file = line[6:].strip()
        elif line.startswith("test: "):
            bugs[-1].tests.append(line[6:].strip())
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"{path}:{number}: not understood: {line}")
    for bug in bugs:
        if not bug.edits or not bug.tests:
            sys.exit(f"{path}: `{bug.name}` needs a file, a block and a test")
    return bugs


def sync():
    """Bring the copy up to date, touching only what differs, so that the build stays incremental."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        target, content = COPY / name, (ROOT / name).read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for path in [p for p in COPY.rglob("*") if p.is_file() and str(p.relative_to(COPY)) not in wanted]:
        if not path.name.startswith("_core.") and "__pycache__" not in path.parts:
            path.unlink()


def run(command, **options):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S,
                              stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired as expired:
        return subprocess.CompletedProcess(command, 124, f"no end after {TIMEOUT_S} s\n{expired.output or ''}")


def configure(bugs):
    python = any(test.startswith("pytest") for bug in bugs for test in bug.tests)
    command = ["cmake", "-S", COPY, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
               "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -D_GLIBCXX_ASSERTIONS", f"-DPython_EXECUTABLE={sys.executable}"]
    if python:
        command.append("-DFEATLIB_PYTHON=ON")
    done = run(command)
    if done.returncode:
        sys.exit(done.stdout)


def build(tests):
    """Only what these tests need; None, or what the compiler said."""
    programs = {shlex.split(test)[0] for test in tests}
    targets = {"featlib_python" if program == "pytest" else program for program in programs}
    done = subprocess.run(["cmake", "--build", BUILD, "--target", *sorted(targets)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    return done.stdout if done.returncode else None


def test(command):
    program, *arguments = shlex.split(command)
    if program == "pytest":
        # The installed link to python/ is an import hook, which wins over any path: take it away, so that the copy is tested.
        unhooked = ("import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'ScikitBuild' not in type(f).__name__]; "
                    "import pytest; sys.exit(pytest.main(sys.argv[1:]))")
        environment = dict(os.environ, PYTHONPATH=str(COPY / "python"), PYTHONDONTWRITEBYTECODE="1")
        return run([sys.executable, "-c", unhooked, "-q", "-x", "-p", "no:cacheprovider", *arguments], cwd=COPY, env=environment)
    return run([BUILD / "tests" / program, *arguments], cwd=COPY)


def ran_nothing(command, done):
    """A filter that selects no test passes in Catch2 and is exit 5 in pytest: either way it says nothing about a bug."""
    if command.startswith("pytest"):
        return done.returncode in (4, 5)
    return "No test cases matched" in done.stdout or "No tests ran" in done.stdout


def verdict(bug):
    """Plant, build, test, restore. Returns (caught, what to print)."""
    before = {}
    try:
        for file, old, new in bug.edits:
            path = COPY / file
            if not path.is_file():
                return False, f"does not apply: no file {file}"
            text = path.read_text()
            before.setdefault(path, text)
            if text.count(old) != 1:
                return False, f"does not apply: the old text occurs {text.count(old)} times in {file}"
            path.write_text(text.replace(old, new))
        said = build(bug.tests)
        if said is not None:
            errors = [line for line in said.splitlines() if "error" in line]
            return False, "does not compile: " + (errors or said.splitlines())[0]
        for command in bug.tests:
            if test(command).returncode == 0:
                return False, f"SURVIVES {command}"
        return True, "caught"
    finally:
        for path, text in before.items():
            path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only bugs whose file or name contains one of these")
    parser.add_argument("--list", action="store_true", help="print the bugs and stop")
    options = parser.parse_args()

    bugs = [bug for path in sorted((ROOT / "tools/bugs").glob("*.txt")) for bug in read_bugs(path)]
    if options.words:
        bugs = [bug for bug in bugs if any(word in f"{bug.source}: {bug.name}" for word in options.words)]
    if options.list:
        print("\n".join(f"{bug.source}: {bug.name}" for bug in bugs))
        return 0
    if not bugs:
        sys.exit("no bug to plant")

    sync()
    configure(bugs)
    commands = sorted({command for bug in bugs for command in bug.tests})
    print(f"{len(bugs)} bugs; first {len(commands)} test commands without any", flush=True)
    said = build(commands)
    if said is not None:
        sys.exit(f"the tree does not build:\n{said[-4000:]}")
    for command in commands:
        done = test(command)
        if done.returncode or ran_nothing(command, done):
            sys.exit(f"must pass before a bug is planted: {command}\n{done.stdout[-4000:]}")

    survivors = 0
    for bug in bugs:
        start = time.monotonic()
        caught, what = verdict(bug)
        survivors += not caught
        print(f"{'ok  ' if caught else 'FAIL'} {time.monotonic() - start:5.1f} s  {bug.source}: {bug.name}"
              + ("" if caught else f"\n     {what}"), flush=True)
    print(f"{len(bugs) - survivors} caught, {survivors} not")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
