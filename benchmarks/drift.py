"""How far other ways to compute a window drift from the exact result, on amounts in cents.

    python benchmarks/drift.py [--rows 200000]

One entity, windows of an hour that end with each row, (t - 1h, t]. The exact result is featlib's, one rounding of the true
sum or moment; a thousand windows are checked against fractions.Fraction here. A drift is any other bit. docs/numerics.md
shows the table.
"""

import argparse
import math
from collections import deque
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import featlib as fl

HOUR, TILE = 3_600_000_000, 300_000_000

CONTRACT = """
featlib: 1
name: drift
version: 1.0.0
owner: benchmarks@example.com
entities: {card: {key: card, type: int64}}
sources:
  amounts: {entity: card, event_time: t, delay: 0s, retention: 1d, columns: {x: {type: float64}}}
defaults: {bounds: "(]"}
features:
  sum: {from: amounts, aggregate: sum(x), window: 1h}
  std: {from: amounts, aggregate: std(x), window: 1h}
  skew: {from: amounts, aggregate: skew(x), window: 1h}
  kurtosis: {from: amounts, aggregate: kurtosis(x), window: 1h}
"""


def exact_results(times, values):
    table = pa.table({"card": np.zeros(len(times), np.int64), "t": pa.array(times, pa.timestamp("us", "UTC")), "x": values})
    out = fl.replay(fl.Contract.parse(CONTRACT), table.select(["card", "t"]), {"amounts": table}, as_of="t").to_numpy()
    return {name: np.asarray(out[name]) for name in ("sum", "std", "skew", "kurtosis")}


def check(exact, values, starts):
    for i in range(3, len(values), max(1, len(values) // 1000)):
        window = [Fraction(v) for v in values[starts[i] : i + 1].tolist()]
        assert float(sum(window)) == exact["sum"][i]
        mean = sum(window) / len(window)
        if len(window) > 1:
            variance = sum((v - mean) ** 2 for v in window) / (len(window) - 1)
            root = Fraction(math.isqrt(variance.numerator * 4**200 // variance.denominator), 2**200)
            assert float(root) == exact["std"][i]


# --- other ways ---------------------------------------------------------------------------------------------------------


def each(values, starts, of):
    return np.array([of(values[start : i + 1]) for i, start in enumerate(starts)])


def subtracted(values, starts):
    out, total, first = [], 0.0, 0
    for i, v in enumerate(values.tolist()):
        total += v
        while first < starts[i]:
            total -= values.item(first)
            first += 1
        out.append(total)
    return np.array(out)


def prefixes(values, starts):
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return sums[1:] - sums[starts]


def tiled(times, values, starts):
    """Whole tiles of five minutes added up, then the rows before the first and after the last."""
    tiles = times // TILE
    edges = np.searchsorted(tiles, np.arange(tiles[0], tiles[-1] + 2))
    totals = np.array([sequential(values[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)])
    out = []
    for i, start in enumerate(starts):
        low, high = tiles[start] + 1 - tiles[0], tiles[i] - tiles[0]
        if low >= high:
            out.append(sequential(values[start : i + 1]))
        else:
            middle = sequential(totals[low:high])
            out.append(sequential(values[start : edges[low]]) + middle + sequential(values[edges[high] : i + 1]))
    return np.array(out)


def sequential(values):
    return np.cumsum(values)[-1] if len(values) else 0.0


def from_squares(values, starts):
    n = np.arange(1, len(values) + 1) - starts
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((prefixes(values**2, starts) - prefixes(values, starts) ** 2 / n) / (n - 1))


def welford(values, starts):
    """Welford's update, and its inverse when a row leaves."""
    out, window, mean, m2, first = [], deque(), 0.0, 0.0, 0
    for i, v in enumerate(values.tolist()):
        window.append(v)
        delta = v - mean
        mean += delta / len(window)
        m2 += delta * (v - mean)
        while first < starts[i]:
            gone = window.popleft()
            delta = gone - mean
            mean -= delta / len(window)
            m2 -= delta * (gone - mean)
            first += 1
        out.append(math.sqrt(m2 / (len(window) - 1)) if len(window) > 1 and m2 >= 0 else math.nan)
    return np.array(out)


def ways(times, values, starts):
    series = pd.Series(values, index=pd.to_datetime(times, unit="us"))
    frame = pl.DataFrame({"t": pl.Series(times).cast(pl.Datetime("us")), "x": values})
    rolling = series.rolling("1h")
    yield "sum", "plain, oldest first", each(values, starts, sequential)
    yield "sum", "plain, newest first", each(values, starts, lambda w: sequential(w[::-1]))
    yield "sum", "NumPy sum (pairwise)", each(values, starts, np.sum)
    yield "sum", "tiles of 5 minutes", tiled(times, values, starts)
    yield "sum", "subtract what leaves", subtracted(values, starts)
    yield "sum", "differences of prefix sums", prefixes(values, starts)
    yield "sum", f"pandas {pd.__version__} rolling (Kahan)", rolling.sum().to_numpy()
    yield "sum", f"Polars {pl.__version__} rolling_sum_by", frame.select(pl.col("x").rolling_sum_by("t", "1h"))["x"].to_numpy()
    yield "std", "NumPy std (two passes)", each(values, starts, lambda w: np.std(w, ddof=1) if len(w) > 1 else np.nan)
    yield "std", "Welford, what leaves undone", welford(values, starts)
    yield "std", "E[x^2] - E[x]^2 of prefix sums", from_squares(values, starts)
    yield "std", f"pandas {pd.__version__} rolling", rolling.std().to_numpy()
    yield "std", f"Polars {pl.__version__} rolling_std_by", frame.select(pl.col("x").rolling_std_by("t", "1h"))["x"].to_numpy()
    yield "skew", f"pandas {pd.__version__} rolling", rolling.skew().to_numpy()
    yield "kurtosis", f"pandas {pd.__version__} rolling", rolling.kurt().to_numpy()


def drift(exact, other):
    """Share of windows with other bits, the largest relative error, and how many became NaN."""
    known = ~np.isnan(exact)
    lost = int(np.isnan(other[known]).sum())
    exact, other = exact[known & ~np.isnan(other)], other[known & ~np.isnan(other)]
    with np.errstate(divide="ignore"):
        relative = np.abs(other - exact) / np.abs(exact)
    return float(np.mean(other != exact)), float(np.max(relative[exact != 0])), lost


def report(title, times, values):
    starts = np.searchsorted(times, times - HOUR, side="right")
    exact = exact_results(times, values)
    check(exact, values, starts)
    rows = np.arange(1, len(values) + 1) - starts
    print(f"\n{title}: {len(values):,} windows of {rows.mean():.0f} rows on average")
    print("| Of | Computed as | Windows with other bits | Largest relative error | Not a number |\n|---|---|---|---|---|")
    for of, name, found in ways(times, values, starts):
        share, worst, lost = drift(exact[of], found)
        print(f"| {of} | {name} | {share:.1%} | {worst:.1e} | {lost or ''} |", flush=True)
    print("| all | featlib, in any order, batch, tile or thread | 0.0% | 0 | |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    random = np.random.default_rng(1)
    times = 1_600_041_600_000_000 + np.cumsum(random.exponential(14_000_000, rows).astype(np.int64) + 1)
    amounts = np.round(np.exp(random.normal(3, 1, rows)), 2)
    report("Card payments, median 20.00", times, amounts)
    report("Balances around 12,345,678.90 that move by cents", times, np.round(12_345_678.90 + random.normal(0, 0.5, rows), 2))


if __name__ == "__main__":
    main()
