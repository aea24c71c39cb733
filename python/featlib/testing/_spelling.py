"""Trees as the contract's expression language spells them, and its durations and instants."""

from __future__ import annotations

import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

Tree = tuple[Any, ...]  # (operator, operands...)

MICROSECONDS = {"us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}


def spelled(tree: Tree) -> str:
    """A tree in the contract's expression language."""
    operator, *operands = tree
    if operator == "lit":
        return _literal(operands[0])
    if operator == "ref":
        return operands[0]
    if operator in ("weekday", "hour"):
        return f"{operator}(as_of)"
    if operator == "with_fallback":
        return f"with_fallback({operands[0]})"
    if operator == "case":
        branches = " ".join(f"when {spelled(condition)} then {spelled(result)}" for condition, result in operands[0])
        return f"case {branches} else {spelled(operands[1])} end"
    parts = [spelled(operand) for operand in operands]
    if operator in ("is null", "is not null"):
        return f"({parts[0]} {operator})"
    if operator == "not":
        return f"(not {parts[0]})"
    if operator == "neg":
        return f"(-({parts[0]}))"  # -1 would be a number, -(1) negates
    if operator in ("abs", "floor", "min", "max", "clip", "coalesce"):
        return f"{operator}({', '.join(parts)})"
    return "(" + f" {operator} ".join(parts) + ")"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def expression(tree: Tree) -> Text:
    return Text(spelled(tree), tree)


def aggregate(kind: str, argument: Tree | None = None, parameter: Any = None) -> Text:
    """A call. `parameter`: a number or name as it is written, several of them in a tuple, or ("lit", the value share looks for)."""
    inside = [spelled(argument)] if argument else []
    if isinstance(parameter, tuple) and parameter[0] == "lit":
        inside.append(_decimal(parameter[1]) if isinstance(parameter[1], Fraction) else _literal(parameter[1]))
    elif isinstance(parameter, tuple):
        inside += parameter
    elif parameter is not None:
        inside.append(str(parameter))
    return Text(f"{kind}({', '.join(inside)})", (kind, argument, parameter))


def _decimal(value: Fraction) -> str:
    return str(Decimal(value.numerator) / Decimal(value.denominator))


class Text(str):
    """An expression or aggregate as the contract spells it, with the tree that it means."""

    tree: Tree

    def __new__(cls, spelling: str, tree: Tree) -> Text:
        text = super().__new__(cls, spelling)
        text.tree = tree
        return text


def duration(text: str) -> int:
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * MICROSECONDS[unit]


def microseconds(text: str) -> int:
    """An RFC 3339 instant in UTC."""
    since = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since // datetime.timedelta(microseconds=1)
