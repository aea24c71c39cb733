"""Do two tables hold the same features? Rows are paired by key and compared exactly: bits and status bytes, no tolerance.

    report = fl.skew(served, replayed, key="txn_id")
    report.ok, report.failures

A tolerance would hide what this check exists for: two programs that compute one name differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from featlib.frames import TableLike
from featlib.reports.formats import show
from featlib.reports.report import Check, Report

__all__ = ["skew"]


def skew(left: TableLike, right: TableLike, *, key: str | Sequence[str], title: str = "skew") -> Report:
    """Compare the columns two tables share, row by row; the feature with the most differing rows comes first.

    `left` and `right` are anything with `__arrow_c_stream__`, or dicts of NumPy arrays. `key` names the column (or
    columns) that pair the rows. A `<feature>__status` column is compared with its feature. A row that only one table
    has is a failure: its values cannot be called the same.
    """
    from featlib import _core

    keys = [key] if isinstance(key, str) else list(key)
    compared = _core.skew_compare(left, right, keys)
    features = sorted(compared["features"], key=lambda row: (-row["differing"], row["feature"]))
    checks = [_feature_check(row) for row in features]
    for side in ("left", "right"):
        checks[:0] = _side_checks(side, compared[side])
    if not compared["rows"]:
        checks.insert(0, Check("rows", "fail", "no row of one table has the key of a row of the other", code="unpaired-rows"))
    facts = {
        "features": len(features),
        "rows paired": compared["rows"],
        "values that differ": sum(row["differing"] for row in features),
    }
    return Report("skew", title, checks, facts, columns=("differing", "rows", "first_key", "left", "right", "ulp"))


def _side_checks(side: str, rows: dict[str, Any]) -> list[Check]:
    """Rows and features of one side that could not be compared: what is not paired cannot be called the same."""
    checks = []

    def fail(name: str, count: int, message: str, code: str) -> None:
        checks.append(Check(f"{name}_{side}", "fail", message, code=code, data={"differing": count}))

    if n := rows["unpaired"]:
        fail("only", n, f"{n:,} rows have a key that only the {side} table has; first {rows['first_unpaired']}", "unpaired-rows")
    if n := rows["duplicates"]:
        fail("duplicates", n, f"{n:,} rows of the {side} table share their key; first {rows['first_duplicate']}", "duplicate-keys")
    if n := rows["null_keys"]:
        fail("null_keys", n, f"{n:,} rows of the {side} table have a null key", "null-keys")
    return checks


def _feature_check(row: dict[str, Any]) -> Check:
    """What `skew_compare` says about one feature, as a check with a sentence."""
    name = row["feature"]
    data = {key: value for key, value in row.items() if key != "feature"}
    if not row["differing"] and not row["status_mismatch"]:
        return Check(name, "pass", "equal", data=data)
    if not row["differing"]:
        message = f"the status of `{name}` differs in {row['status_mismatch']:,} of {row['rows']:,} rows; first at {show(row['first_key'])}: left {show(row['left'])}, right {show(row['right'])}"
        return Check(name, "fail", message, code="skew", data=data)
    distance = f", {show(row['ulp'])} ULP apart" if row["ulp"] is not None else ""
    message = (
        f"`{name}` differs in {row['differing']:,} of {row['rows']:,} rows; first at {show(row['first_key'])}: "
        f"left {show(row['left'])}, right {show(row['right'])}{distance}"
    )
    return Check(name, "fail", message, code="skew", data=data)
