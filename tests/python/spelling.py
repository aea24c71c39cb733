"""Trees as the contract's expression language spells them."""

from decimal import Decimal
from fractions import Fraction

from oracle import Text


def spelled(tree):
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


def _literal(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def expression(tree):
    return Text(spelled(tree), tree)


def aggregate(kind, argument=None, parameter=None):
    """A call. `parameter`: a number or name as it is written, several of them in a tuple, or ("lit", the value share looks for)."""
    inside = [spelled(argument)] if argument else []
    if isinstance(parameter, tuple) and parameter[0] == "lit":
        inside.append(_decimal(parameter[1]) if isinstance(parameter[1], Fraction) else _literal(parameter[1]))
    elif isinstance(parameter, tuple):
        inside += parameter
    elif parameter is not None:
        inside.append(str(parameter))
    return Text(f"{kind}({', '.join(inside)})", (kind, argument, parameter))


def _decimal(value):
    return str(Decimal(value.numerator) / Decimal(value.denominator))
