"""What every aggregate is of the values in a window, in rational arithmetic: the formulas of docs/window.md once more.

    value(kind, parameter, window)

A value is a bool, int, float, str, or a Fraction where the column is a decimal; the result is one too, None for null, or BAD.
"""

import dataclasses
import datetime
import json
import math
from decimal import Decimal
from fractions import Fraction

from featlib.testing._spelling import MICROSECONDS
from rounding import BAD, exp2, log, rounded, rounded_sqrt

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

UNITS = {"us": "us", "ms": "ms", "seconds": "s", "minutes": "m", "hours": "h", "days": "d"}

BY_ROWS = ("count", "time_since_last", "time_since_first", "mean_gap")


def unit_of(name):
    return MICROSECONDS[UNITS[name]]


@dataclasses.dataclass
class Window:
    """What an aggregate looks at, oldest first. `values` without nulls unless they are kept; `times` of the values, or of rows."""

    values: list
    times: list
    as_of: int
    ddof: int
    type: str  # of the argument
    sought: object = None  # what share and seen_before look for; None: the request did not say


def value(kind, parameter, window):
    if kind == "count":
        return len(window.times)
    if kind == "count_if":
        return sum(v is True for v in window.values)
    if kind == "count_distinct":
        return len(set(window.values))
    if not (window.times if kind in BY_ROWS else window.values):
        return None
    return _OF[kind](window, parameter)


def in_unit(v):
    """What leaves storage: a decimal is the float64 of its value, everything else is itself."""
    return rounded(v) if isinstance(v, Fraction) else v


# --- numbers ------------------------------------------------------------------------------------------------------------


def int64(total):
    return total if INT64_MIN <= total <= INT64_MAX else BAD


def _exact(window):
    return [Fraction(v) for v in window.values]


def _sum(window, _):
    if all(isinstance(v, int) for v in window.values):  # bool is an int
        return int64(sum(window.values))
    return rounded(sum(_exact(window)))


def _mean(window, _):
    return rounded(sum(_exact(window)) / len(window.values))


def _central(values, k):
    """The k-th moment about the mean, of sums of powers."""
    n = len(values)
    mean = sum(values) / n
    return sum(math.comb(k, i) * sum(v**i for v in values) * (-mean) ** (k - i) for i in range(k + 1)) / n


def _variance(window):
    n = len(window.values)
    return None if n <= window.ddof else _central(_exact(window), 2) * n / (n - window.ddof)


def _var(window, _):
    variance = _variance(window)
    return None if variance is None else rounded(variance)


def _std(window, _):
    variance = _variance(window)
    return None if variance is None else rounded_sqrt(variance)


def _skew(window, _):
    values, n = _exact(window), len(window.values)
    second, third = _central(values, 2), _central(values, 3)
    if second == 0 or (window.ddof == 1 and n < 3):
        return None
    square = third**2 / second**3 * (Fraction(n * (n - 1), (n - 2) ** 2) if window.ddof == 1 else 1)
    return (-1 if third < 0 else 1) * rounded_sqrt(square) + 0.0


def _kurtosis(window, _):
    values, n = _exact(window), len(window.values)
    second = _central(values, 2)
    if second == 0 or (window.ddof == 1 and n < 4):
        return None
    if window.ddof == 0:
        return rounded(_central(values, 4) / second**2 - 3)
    # pandas' and Excel's own spelling of G2.
    sample = second * n / (n - 1)
    scaled = _central(values, 4) * n / sample**2
    return rounded(Fraction(n * (n + 1), (n - 1) * (n - 2) * (n - 3)) * scaled - Fraction(3 * (n - 1) ** 2, (n - 2) * (n - 3)))


def _trend(window, unit):
    values, n = _exact(window), len(window.values)
    st, sx = sum(window.times), sum(values)
    stt, stx = sum(t * t for t in window.times), sum(t * x for t, x in zip(window.times, values, strict=True))
    spread = n * stt - st * st
    return None if spread == 0 else rounded((n * stx - st * sx) / spread * unit_of(unit or "days"))


def _weights(window, half_life):
    """2^((t - as_of) / h) but for the factor 1 / m(R) that all have in common, and that m(R)."""
    now, rest = divmod(window.as_of, half_life)
    weights = []
    for t in window.times:
        periods, r = divmod(t, half_life)
        weights.append(Fraction(exp2(r, half_life)) * Fraction(2) ** (periods - now))
    return weights, Fraction(exp2(rest, half_life))


def _decay_sum(window, half_life):
    weights, now = _weights(window, half_life)
    return rounded(sum(v * w for v, w in zip(_exact(window), weights, strict=True)) / now)


def _decay_mean(window, half_life):
    weights, _ = _weights(window, half_life)
    return rounded(sum(v * w for v, w in zip(_exact(window), weights, strict=True)) / sum(weights))


def _quantile(window, parameter):
    p, interpolation = parameter
    values = sorted(_exact(window))
    h = (len(values) - 1) * Fraction(p)
    lower, upper = values[math.floor(h)], values[math.ceil(h)]
    chosen = {
        "linear": lower + (h - math.floor(h)) * (upper - lower),
        "lower": lower,
        "higher": upper,
        "nearest": values[round(h)],  # Python rounds halves to even
        "midpoint": (lower + upper) / 2,
    }
    return rounded(chosen[interpolation])


def _range(window, _):
    values = _exact(window)
    return rounded(max(values) - min(values))


# --- values by their place ----------------------------------------------------------------------------------------------


def _lag(window, k):
    return in_unit(window.values[-1 - k]) if k < len(window.values) else None


def _last_k(window, k):
    return _list(window.values[-k:], window.type)


# --- values by how often they occur -------------------------------------------------------------------------------------


def _by_frequency(window):
    """The different values, most frequent first, then the smallest. Python compares text by code points, as UTF-8 bytes do."""
    return sorted(set(window.values), key=lambda v: (-window.values.count(v), v))


def _entropy(window, _):
    n = len(window.values)
    counts = [window.values.count(v) for v in set(window.values)]
    return rounded((n * Fraction(log(n)) - sum(c * Fraction(log(c)) for c in counts)) / n)


def _share(window, _):
    return None if window.sought is None else rounded(Fraction(window.values.count(window.sought), len(window.values)))


def _seen_before(window, _):
    return None if window.sought is None else window.sought in window.values


# --- rows by their times ------------------------------------------------------------------------------------------------


def _mean_gap(window, unit):
    gaps = [later - earlier for earlier, later in zip(window.times, window.times[1:], strict=False)]
    return rounded(Fraction(sum(gaps), len(gaps) * unit_of(unit))) if gaps else None


_OF = {
    "sum": _sum,
    "mean": _mean,
    "var": _var,
    "std": _std,
    "skew": _skew,
    "kurtosis": _kurtosis,
    "trend": _trend,
    "decay_sum": _decay_sum,
    "decay_mean": _decay_mean,
    "quantile": _quantile,
    "median": lambda window, _: _quantile(window, ("0.5", "linear")),
    "range": _range,
    "min": lambda window, _: in_unit(min(window.values)),
    "max": lambda window, _: in_unit(max(window.values)),
    "first": lambda window, _: in_unit(window.values[0]),
    "last": lambda window, _: in_unit(window.values[-1]),
    "as_of": lambda window, _: in_unit(window.values[-1]),
    "lag": _lag,
    "last_k": _last_k,
    "mode": lambda window, _: in_unit(_by_frequency(window)[0]),
    "top_k": lambda window, k: _list(_by_frequency(window)[:k], window.type),
    "entropy": _entropy,
    "share": _share,
    "seen_before": _seen_before,
    "time_since_last": lambda window, unit: rounded(Fraction(window.as_of - window.times[-1], unit_of(unit))),
    "time_since_first": lambda window, unit: rounded(Fraction(window.as_of - window.times[0], unit_of(unit))),
    "mean_gap": _mean_gap,
}


# --- JSON text ----------------------------------------------------------------------------------------------------------


def _list(values, type_):
    return "[" + ",".join(_json(v, type_) for v in values) + "]"


def _json(v, type_):
    if type_ == "timestamp" and v is not None:
        return f'"{_instant_text(v)}"'
    if isinstance(v, Fraction):
        text = f"{Decimal(v.numerator) / Decimal(v.denominator):f}"  # at most 18 digits: exact
        return text.rstrip("0").rstrip(".") if "." in text else text
    return _shortest(v) if isinstance(v, float) else json.dumps(v, ensure_ascii=False)


def _shortest(x):
    """RFC 8785: ECMAScript's spelling of the shortest digits that read back."""
    sign, digits, exponent = Decimal(repr(x)).as_tuple()
    digits = "".join(map(str, digits)).lstrip("0")
    stripped = digits.rstrip("0")
    point = len(digits) + exponent  # 0.digits * 10^point
    digits = stripped or "0"
    if x == 0:
        return "0"
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{point - 1:+d}"
    return "-" * sign + text


def _instant_text(microseconds):
    seconds, rest = divmod(microseconds, 10**6)
    text = (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).isoformat()
    fraction = "" if rest == 0 else f".{rest // 1000:03d}" if rest % 1000 == 0 else f".{rest:06d}"
    return f"{text}{fraction}Z"
