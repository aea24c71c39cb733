"""What `make fuzz` runs: every target of tests/fuzz under libFuzzer, then random triples against the reference.

    tools/fuzz.py                            # all of it, for as many executions as a release is held to
    tools/fuzz.py windows -runs=20000        # one target; the rest are libFuzzer's options
    tools/fuzz.py triples 40000
    tools/fuzz.py keep windows               # the fewest inputs that reach all that was reached, into tests/fuzz/corpus

An input that reaches something new is kept in build/corpus/<target>, so that the next run goes on from it. A finding ends the
run: its input lies in build/findings, and `build/fuzz/tests/<target>_fuzz FILE` shows it again.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = {"windows": 1_000_000, "snapshot": 200_000, "contract": 100_000, "bundle": 50_000, "xgboost": 500_000, "sklearn": 500_000, "catboost": 500_000, "lightgbm": 1_000_000}
LONGEST = {"windows": 864, "snapshot": 864, "contract": 4096, "bundle": 4096, "xgboost": 8192, "sklearn": 4096, "catboost": 8192, "lightgbm": 4096}   # bytes of an input
TRIPLES = 2_000_000
TRIPLES_A_PART = 20_000
SECONDS_A_LINE = 10

# Short stacks and a small quarantine: a third of an execution otherwise.
ASAN_OPTIONS = "malloc_context_size=3:quarantine_size_mb=8"


def say(label: str, done: int, most: int | None, started: float, more: str = "") -> None:
    seconds = time.monotonic() - started
    of = f" of {most:,}" if most else ""
    print(f"{label:10} {done:>11,}{of}  {seconds:6.0f} s  {done / max(seconds, 1e-9):6.0f}/s  {more}", flush=True)


def fuzz(target: str, options: list[str]) -> None:
    """Runs one target; exits when it finds something."""
    corpus, findings = ROOT / "build" / "corpus" / target, ROOT / "build" / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    if not any(option.startswith(("-runs", "-max_total_time")) for option in options):
        options = [*options, f"-runs={RUNS[target]}"]
    runs = [int(option.removeprefix("-runs=")) for option in options if option.startswith("-runs=")]
    # Without -entropic=0 libFuzzer spends two thirds of the time on its own statistics.
    command = [str(ROOT / "build" / "fuzz" / "tests" / f"{target}_fuzz"), f"-artifact_prefix={findings}/{target}-", "-entropic=0", "-timeout=10",
               f"-max_len={LONGEST[target]}", *options, str(corpus), str(ROOT / "tests" / "fuzz" / "corpus" / target)]
    environment = {"ASAN_OPTIONS": ASAN_OPTIONS, **os.environ}
    started = told = time.monotonic()
    done, tail = 0, []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment) as process:
        for line in process.stdout:
            progress = re.match(r"#(\d+)\s.*\bcov: (\d+)", line)
            if not progress:
                tail = [*tail[-400:], line]
                continue
            done = int(progress[1])
            if time.monotonic() - told > SECONDS_A_LINE:
                told = time.monotonic()
                say(target, done, runs[0] if runs else None, started, f"{progress[2]} edges")
    if process.returncode:
        sys.exit("".join(tail) + f"\n{target}: a finding after {done:,} executions; its input lies in {findings}")
    say(target, done, None, started, "no finding")


def keep(target: str) -> None:
    """Makes the corpus that ctest replays out of it and all that runs here have kept."""
    corpus = ROOT / "tests" / "fuzz" / "corpus" / target
    with tempfile.TemporaryDirectory() as least:
        command = [str(ROOT / "build" / "fuzz" / "tests" / f"{target}_fuzz"), "-set_cover_merge=1", "-use_counters=0", least, str(corpus), str(ROOT / "build" / "corpus" / target)]
        subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(corpus)
        shutil.copytree(least, corpus)
    files = list(corpus.iterdir())
    print(f"{target}: {len(files)} inputs, {sum(file.stat().st_size for file in files):,} bytes")


def triples(most: int) -> None:
    """Random contracts, histories and decisions: replay equals the reference, with no bit that differs."""
    started = told = time.monotonic()
    for first in range(0, most, TRIPLES_A_PART):
        n = min(TRIPLES_A_PART, most - first)
        environment = {**os.environ, "FEATLIB_SEED": str(first), "FEATLIB_TRIPLES": str(n)}
        test = subprocess.run([ROOT / "build" / "release" / "tests" / "laws_test", "replay equals the reference*"], capture_output=True, text=True, env=environment)
        if test.returncode:
            sys.exit(test.stdout + test.stderr)
        if time.monotonic() - told > SECONDS_A_LINE or first + n == most:
            told = time.monotonic()
            say("triples", first + n, most, started, "0 differing bits")


def main(arguments: list[str]) -> None:
    if not arguments:
        for target in RUNS:
            fuzz(target, [])
        triples(TRIPLES)
    elif arguments[0] == "keep":
        keep(arguments[1])
    elif arguments[0] == "triples":
        triples(int(arguments[1]) if arguments[1:] else TRIPLES)
    else:
        fuzz(arguments[0], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
