"""Time and memory of one call, and the table that is printed."""

import dataclasses
import gc
import statistics
import time

import psutil
import pyarrow as pa


@dataclasses.dataclass
class Measured:
    name: str
    seconds: list
    memory_mb: float  # growth at the peak of the first call beyond what was there before, the result included
    result: object


def _peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def measure(name, call, runs):
    """Runs `call` once for its memory and to warm up, then `runs` times. Memory is the whole process's: one peer at a time."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")  # VmHWM starts again from here
    before = psutil.Process().memory_info().rss / 2**20
    call()
    memory = _peak_mb() - before
    seconds, result = [], None
    for _ in range(runs):
        result = None
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    print(f"  {name}: {statistics.median(seconds):.3f} s (min {min(seconds):.3f}, max {max(seconds):.3f}, {runs} runs)", flush=True)
    return Measured(name, seconds, memory, result)


def report(title, measured, remarks):
    """Prints one table: medians, ratios to featlib's, memory; then the remarks."""
    ours = statistics.median(measured[0].seconds)
    print(f"\n{title}")
    print(f"  {'':28} {'median s':>9} {'min':>8} {'x featlib':>10} {'peak MB':>9}")
    for m in measured:
        middle = statistics.median(m.seconds)
        print(f"  {m.name:28} {middle:9.3f} {min(m.seconds):8.3f} {middle / ours:10.1f} {m.memory_mb:9.0f}")
    peers = [m for m in measured if not m.name.startswith("featlib")]
    if peers:
        fastest = min(peers, key=lambda m: statistics.median(m.seconds))
        print(f"  fastest peer: {fastest.name}, {statistics.median(fastest.seconds) / ours:.1f}x featlib's time")
    for remark in remarks:
        print(f"  {remark}")
    print(flush=True)
