"""Look at this installation: versions, arithmetic, time zones, optional packages, and a self-test of the library.

Examples:
  featlib doctor
  featlib doctor --format json
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
from collections.abc import Callable

from featlib.cli.output import add_options, finish
from featlib.reports.report import Check, Report

# Module, what it is for, the extra that brings it.
OPTIONAL = (
    ("pyarrow", "tables on the command line", "cli"),
    ("xgboost", "the demo's model", "demo"),
    ("pandas", "to_pandas()", ""),
    ("polars", "to_polars()", ""),
)

SELF_TEST = """\
featlib: 1
name: self_test
version: 1.0.0
owner: doctor@example.com
description: The smallest contract with a window.
entities:
  card: {key: card_id, type: string}
sources:
  payments:
    entity: card
    event_time: {column: at, unit: s}
    dedup: id
    retention: 1d
    columns: {id: {type: int64}, amount: {type: float64}}
features:
  mean_1h: {description: Mean amount of the last hour., from: payments, aggregate: mean(amount), window: 1h}
  count_1h: {description: Payments of the last hour., from: payments, aggregate: count(), window: 1h}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments but the common ones."""
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """1 when something this installation needs is not as it must be."""
    checks = [
        _checked("featlib", _library),
        _checked("python", lambda: f"{platform.python_version()}, {platform.machine()}, {sys.platform}"),
        _checked("numpy", lambda: importlib.metadata.version("numpy")),
        _checked("float environment", _float_environment),
        _checked("arithmetic digest", _arithmetic_digest),
        _checked("time zones", _time_zones),
        _checked("self-test", _self_test),
        *(_optional(*package) for package in OPTIONAL),
    ]
    return finish(Report("doctor", "doctor", checks, columns=("ok", "found"), list_all=True), args)


def _checked(name: str, look: Callable[[], str]) -> Check:
    """Any exception is a finding here: doctor exists to be run where things are broken."""
    try:
        found = look()
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return Check(name, "fail", message, code="not-ok", data={"ok": "not ok", "found": message})
    return Check(name, "pass", found, data={"ok": "ok", "found": found})


def _optional(module: str, purpose: str, extra: str) -> Check:
    # By module, because it may come from a package of another name: xgboost from xgboost-cpu.
    packages = importlib.metadata.packages_distributions().get(module)
    if packages:
        found = importlib.metadata.version(packages[0])
    else:
        remedy = f"pip install 'featlib[{extra}]'" if extra else f"pip install {module}"
        found = f"not installed; {purpose} needs it: {remedy}"
    return Check(module, "pass", found, data={"ok": "optional", "found": found})


def _library() -> str:
    import featlib

    return featlib.__version__


def _float_environment() -> str:
    # From text, so that the arithmetic happens now, under the modes of this process.
    one, half_ulp, tiny = (float.fromhex(text) for text in ("0x1p+0", "0x1p-53", "0x1p-1074"))
    if one + half_ulp != one or -one - half_ulp != -one or (one + 2 * half_ulp) + half_ulp != one + 4 * half_ulp:
        raise ArithmeticError("the rounding mode is not to nearest, ties to even")
    if tiny * one == 0 or float.fromhex("0x1p-1022") * 0.5 == 0:
        raise ArithmeticError("denormal numbers are flushed to zero: some library was built with -ffast-math")
    return "rounds to nearest, ties to even; denormals kept"


def _arithmetic_digest() -> str:
    from featlib import _core

    return _core.arithmetic_digest()


def _time_zones() -> str:
    from featlib import _core

    return f"{_core.time_zone_version()}, compiled in"


def _self_test() -> str:
    import numpy as np

    import featlib as fl
    from featlib.testing import assert_parity

    count = 200
    payments = {
        "id": np.arange(count),
        "card_id": np.array([f"card{i % 7}" for i in range(count)]),
        "at": 1_600_000_000 + 97 * np.arange(count),
        "amount": (np.arange(count) * 37 % 1_000) / 100,
    }
    decisions = {"card_id": payments["card_id"], "at": payments["at"]}
    assert_parity(fl.Contract.parse(SELF_TEST), decisions, {"payments": payments}, as_of=("at", "s"))
    return f"replay equals reference on {2 * count} values"
