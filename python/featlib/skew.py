"""Do two tables hold the same features? Rows are paired by key and compared exactly: bits and status bytes, no tolerance.

    report = fl.skew(served, replayed, key="txn_id")
    report.ok, report.failures

A tolerance would hide what this check exists for: two programs that compute one name differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from featlib.reports.report import Check, Report
from featlib.reports.formats import show

__all__ = ["skew"]


def skew(left: Any, right: Any, *, key: str | Sequence[str], title: str = "skew") -> Report:
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
        if alone := compared[f"only_{side}"]:
            message = f"{alone:,} rows have a key that only the {side} table has"
            checks.insert(0, Check(f"only_{side}", "fail", message, code="unpaired-rows", data={"differing": alone}))
    facts = {
        "features": len(features),
        "rows paired": max((row["rows"] for row in features), default=0),
        "values that differ": sum(row["differing"] for row in features),
    }
    return Report("skew", title, checks, facts, columns=("differing", "rows", "first_key", "left", "right", "ulp"))


def _feature_check(row: dict[str, Any]) -> Check:
    """What `skew_compare` says about one feature, as a check with a sentence."""
    name = row["feature"]
    data = {key: value for key, value in row.items() if key != "feature"}
    if not row["differing"]:
        return Check(name, "pass", "equal", data=data)
    distance = f", {show(row['ulp'])} ULP apart" if row["ulp"] is not None else ""
    message = (
        f"`{name}` differs in {row['differing']:,} of {row['rows']:,} rows; first at {show(row['first_key'])}: "
        f"left {show(row['left'])}, right {show(row['right'])}{distance}"
    )
    return Check(name, "fail", message, code="skew", data=data)
