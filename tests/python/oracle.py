"""A second definition of every feature value, in rational arithmetic, sharing nothing with the library.

    oracle.evaluate(contract, decisions, sources)  ->  [{feature: (value, status byte)}, ...]

The contract is the file's content as a dict. Expressions are not parsed here: they are `Text` objects that carry the tree
beside the spelling, so a mistake in the library's grammar cannot be repeated by this module. Everything is computed from
scratch for every decision; the only rounding is `rounded` (a Fraction to the nearest float64) and `rounded_sqrt`.
"""

import math
import re
from fractions import Fraction

OK, NULL, INSUFFICIENT_HISTORY, HISTORY_INCOMPLETE, UNSEEN, CLIPPED, ERROR = range(7)
FALLBACK = 0x80

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
EARLIEST, LATEST = 31_536_000_000_000, 4_102_444_800_000_000  # 1971-01-01 and 2100-01-01 in microseconds

NEVER = math.inf  # the stamp of a cell that no decision may read


class Text(str):
    """An expression or aggregate as the contract spells it, with the tree that it means."""

    def __new__(cls, spelling, tree):
        text = super().__new__(cls, spelling)
        text.tree = tree
        return text


# --- rounding -----------------------------------------------------------------------------------------------------------


class _Error:
    """The null whose cause is `error`."""

    def __repr__(self):
        return "<error>"


BAD = _Error()


def rounded(exact):
    """The float64 nearest to a rational, ties to even; BAD beyond the double range. Never -0.0."""
    exact = Fraction(exact)
    try:
        # Python's int / int is correctly rounded, subnormal results included.
        return exact.numerator / exact.denominator + 0.0
    except OverflowError:
        return BAD


def rounded_sqrt(exact):
    """The float64 nearest to the square root of a rational."""
    exact = Fraction(exact)
    if exact == 0:
        return 0.0
    n, d = exact.numerator, exact.denominator
    # Scale by 4^k so that the integer root has 64 bits or more, append one bit that says whether anything was cut off:
    # the final rounding then sees on which side of a tie the true root lies.
    k = (130 - n.bit_length() + d.bit_length()) // 2
    n, d = (n << 2 * k, d) if k >= 0 else (n, d << -2 * k)
    root = math.isqrt(n // d)
    inexact = root * root * d != n
    return rounded(Fraction(2 * root + inexact) / Fraction(2) ** (k + 1))


# --- the contract's small spellings -------------------------------------------------------------------------------------

_MICROSECONDS = {"us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_UNITS = {"seconds": "s", "minutes": "m", "hours": "h", "days": "d"}


def duration(text):
    number, unit = re.fullmatch(r"(\d+)(us|ms|s|m|h|d)", text).groups()
    return int(number) * _MICROSECONDS[unit]


def _listed(one_or_many):
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


def _aggregate_parts(aggregate):
    """(kind, argument tree or None, parameter or None). Plain spellings such as `lag(amount, 2)` need no Text."""
    if isinstance(aggregate, Text):
        return aggregate.tree
    kind, argument, parameter = re.fullmatch(r"(\w+)\((\w*)(?:, *(\d+))?\)", aggregate).groups()
    if kind == "time_since_last":
        return kind, None, argument
    return kind, ("ref", argument) if argument else None, None if parameter is None else int(parameter)


# --- cells and order ----------------------------------------------------------------------------------------------------


class Refused(Exception):
    """A row or request that holds a value it may not hold."""


def _cell(field, raw):
    """A raw value as the field's type. A decimal is an exact Fraction, everything else a plain Python value."""
    if raw is None:
        return None
    if field["type"] == "float64":
        if math.isnan(raw) or math.isinf(raw):
            if field.get("nan", "reject") == "null":
                return None
            raise Refused
        return raw + 0.0  # -0.0 is 0.0
    if field["type"] == "decimal":
        return Fraction(raw)
    if field["type"] == "timestamp":
        return _instant(raw)
    return raw


def _instant(raw):
    if raw is None or not EARLIEST <= raw < LATEST:
        raise Refused
    return raw


def _nulls_first(value):
    """A sort key. Python compares text by code points, which is the order of the UTF-8 bytes."""
    return (value is not None, value if value is not None else 0)


class _Row:
    """One event after its raw values were read."""

    def __init__(self, source, raw):
        self.correction = raw.get("correction") or None
        self.version = raw.get("version") or 0
        # An exported history says when serving knew the row; that outranks the producer's clock.
        known_at = raw.get("known_at")
        self.dedup = raw.get(source.dedup) if source.dedup else None
        if self.correction not in (None, "replace", "retract") or (self.correction and self.dedup is None):
            raise Refused
        if self.correction == "retract":  # says nothing but its key and when it became known
            if known_at is None:
                clock = raw.get(source.available_time or source.event_time)
                known_at = _instant(clock) + (0 if source.available_time else source.delay)
            self.known_at, self.keys = known_at, {}
            self.event_time, self.content, self.gated = math.inf, (), {}
            return
        self.event_time = _instant(raw.get(source.event_time))
        if source.available_time:
            available = _instant(raw.get(source.available_time))
        else:
            available = self.event_time + source.delay
        self.known_at = available if known_at is None else known_at

        cells = {name: _cell(field, raw.get(name)) for name, field in source.columns.items()}
        self.gated = {}
        for name, field in source.gated.items():
            value = cells.pop(name)
            stamp = raw.get(name + "__known_at")
            if stamp is None:
                if "available_after" in field:
                    label_known = self.event_time + duration(field["available_after"])
                else:
                    label_known = cells.get(field["available_at"])
                stamp = NEVER if label_known is None else max(self.known_at, label_known)
            self.gated[name] = None if value is None else (stamp, value)
        self.cells = cells

        keys = {entity: tuple(raw.get(column) for column in columns) for entity, columns in source.keys.items()}
        self.sequence = {entity: raw.get(column) for entity, column in source.sequence.items()}
        self.content = tuple(
            [_nulls_first(cells[name]) for name in sorted(cells)]
            + [_nulls_first(part) for entity in sorted(keys) for part in keys[entity]]
            + [_nulls_first(self.sequence[entity]) for entity in sorted(self.sequence)]
        )
        self.keys = {entity: None if None in key else key for entity, key in keys.items()}

    def order(self, entity):
        """The total order of an entity's rows; equal keys mean rows that nothing can tell apart."""
        return (
            self.event_time,
            _nulls_first(self.sequence.get(entity)),
            _nulls_first(self.dedup),
            self.content,
            self.known_at,
            tuple(_nulls_first(self.gated[name]) for name in sorted(self.gated)),
        )

    def version_order(self):
        """The order of a key's corrections; of those known the last one counts."""
        gated = tuple(_nulls_first(self.gated[name]) for name in sorted(self.gated))
        return (self.known_at, self.version, self.correction == "retract", self.event_time, self.content, gated)

    def reader(self, as_of):
        """name -> value as a decision at `as_of` reads it: a label that is not yet known is null."""

        def read(name):
            if name in self.gated:
                labelled = self.gated[name]
                return labelled[1] if labelled and labelled[0] <= as_of else None
            return self.cells[name]

        return read


class _Source:
    """A source's declaration, and its table reduced to the rows that count, in each entity's order."""

    def __init__(self, contract, name, rows):
        spec = contract["sources"][name]
        self.name = name
        entities = spec["entities"] if "entities" in spec else [spec["entity"]]
        renamed = spec.get("keys", {})
        self.keys = {e: _listed(renamed.get(e, contract["entities"][e]["key"])) for e in entities}
        event_time = spec["event_time"]
        self.event_time = event_time["column"] if isinstance(event_time, dict) else event_time
        available_time = spec.get("available_time")
        self.available_time = available_time["column"] if isinstance(available_time, dict) else available_time
        self.delay = duration(spec.get("delay", "0s"))
        self.dedup = spec.get("dedup")
        sequence = spec.get("sequence", {})
        self.sequence = sequence if isinstance(sequence, dict) else {e: sequence for e in entities}
        self.retention = math.inf if spec["retention"] == "forever" else duration(spec["retention"])
        self.columns = spec["columns"]
        self.gated = {c: f for c, f in self.columns.items() if "available_after" in f or "available_at" in f}

        accepted = []
        for raw in rows:
            try:
                row = _Row(self, raw)
            except Refused:
                continue
            # Else it was expired when it became known; a correction hides what it corrects all the same.
            if row.correction or row.event_time >= row.known_at - self.retention:
                accepted.append(row)

        self.corrections = {}
        for row in sorted((row for row in accepted if row.correction), key=_Row.version_order):
            self.corrections.setdefault(row.dedup, []).append(row)
        self.timelines = {entity: {} for entity in self.keys}
        for row in self._without_copies(accepted):
            for entity, key in row.keys.items():
                if key is not None:
                    self.timelines[entity].setdefault(key, []).append(row)
        for entity, timelines in self.timelines.items():
            for timeline in timelines.values():
                timeline.sort(key=lambda row, entity=entity: row.order(entity))

    @staticmethod
    def _without_copies(rows):
        copies = {}
        for row in rows:
            if row.dedup is None or row.correction:
                yield row
            else:
                copies.setdefault((row.dedup, row.event_time), []).append(row)
        for group in copies.values():
            winner = min(group, key=lambda row: (row.known_at, row.content))
            # A label may come with any copy; the one known first counts.
            winner.gated = {
                name: min((row.gated[name] for row in group if row.gated[name] is not None), default=None)
                for name in winner.gated
            }
            yield winner


# --- expressions --------------------------------------------------------------------------------------------------------


def _exact(value):
    return Fraction(value)


def _divided(a, b):
    return BAD if b == 0 else rounded(a / b)


_ARITHMETIC = {
    "+": lambda a, b: rounded(_exact(a) + _exact(b)),
    "-": lambda a, b: rounded(_exact(a) - _exact(b)),
    "*": lambda a, b: rounded(_exact(a) * _exact(b)),
    "/": lambda a, b: _divided(_exact(a), _exact(b)),
    "neg": lambda a: rounded(-_exact(a)),
    "abs": lambda a: rounded(abs(_exact(a))),
    "floor": lambda a: rounded(math.floor(a)),
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
}

# Python compares int with float exactly, and text by code points.
_COMPARISONS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _worst(values):
    """The null that a strict operation makes of its operands: an error if one is an error."""
    return BAD if any(v is BAD for v in values) else None


class Evaluator:
    """Walks a tree. `read(name, with_fallback)` gives an input; `clipped` tells afterwards whether a clip changed its value."""

    def __init__(self, read, as_of):
        self.read, self.as_of, self.clipped = read, as_of, False

    def __call__(self, tree):
        operator, *operands = tree
        special = getattr(self, "_" + operator.replace(" ", "_"), None)
        if special:
            return special(*operands)
        values = [self(operand) for operand in operands]
        if any(v is None or v is BAD for v in values):
            return _worst(values)
        return (_ARITHMETIC.get(operator) or _COMPARISONS[operator])(*values)

    def _lit(self, value):
        return value

    def _ref(self, name):
        return _in_unit(self.read(name, False))

    def _with_fallback(self, name):
        return _in_unit(self.read(name, True))

    def _and(self, *operands):
        values = [self(operand) for operand in operands]
        return False if False in values else _worst(values) if any(v is None or v is BAD for v in values) else True

    def _or(self, *operands):
        values = [self(operand) for operand in operands]
        return True if True in values else _worst(values) if any(v is None or v is BAD for v in values) else False

    def _not(self, operand):
        value = self(operand)
        return value if value is None or value is BAD else not value

    def _is_null(self, operand):
        value = self(operand)
        return value is None or value is BAD

    def _is_not_null(self, operand):
        return not self._is_null(operand)

    def _case(self, branches, otherwise):
        for condition, result in branches:
            if self(condition) is True:
                return self(result)
        return self(otherwise)

    def _coalesce(self, *operands):
        values = []
        for operand in operands:
            values.append(self(operand))
            if values[-1] is not None and values[-1] is not BAD:
                return values[-1]
        return _worst(values)

    def _clip(self, operand, low, high):
        value = self(operand)
        if value is None or value is BAD:
            return value
        result = min(max(value, self(low)), self(high))
        self.clipped |= result != value
        return result

    def _weekday(self):
        return (self.as_of // _MICROSECONDS["d"] + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0

    def _hour(self):
        return self.as_of // _MICROSECONDS["h"] % 24


def _in_unit(value):
    """What leaves storage: a decimal is the float64 of its value, everything else is itself."""
    return rounded(value) if isinstance(value, Fraction) else value


# --- aggregates ---------------------------------------------------------------------------------------------------------


def _int64(total):
    return total if INT64_MIN <= total <= INT64_MAX else BAD


def _sum(values):
    if all(isinstance(v, int) for v in values):  # bool is an int
        return _int64(sum(values))
    return rounded(sum(map(_exact, values)))


def _variance(values, ddof):
    """The exact quotient, or None where it is undefined."""
    n = len(values)
    if n <= ddof:
        return None
    exact = [_exact(v) for v in values]
    total = sum(exact)
    return (sum(v * v for v in exact) - total * total / n) / (n - ddof)


def _std(values, ddof):
    variance = _variance(values, ddof)
    return None if variance is None else rounded_sqrt(variance)


def _var(values, ddof):
    variance = _variance(values, ddof)
    return None if variance is None else rounded(variance)


def _combined(kind, parameter, ddof, values):
    """One value of the values of a window, oldest first. Empty is null but for the counts."""
    if kind == "count_if":
        return sum(v is True for v in values)
    if kind == "count_distinct":
        return len(set(values))
    if not values:
        return None
    if kind == "sum":
        return _sum(values)
    if kind == "mean":
        return rounded(sum(map(_exact, values)) / len(values))
    if kind == "std":
        return _std(values, ddof)
    if kind == "var":
        return _var(values, ddof)
    if kind in ("min", "max", "first", "last"):
        chosen = {"min": min, "max": max, "first": lambda v: v[0], "last": lambda v: v[-1]}[kind](values)
        return _in_unit(chosen)
    if kind == "lag":
        return _in_unit(values[-1 - parameter]) if parameter < len(values) else None
    raise ValueError(kind)


# --- decisions ----------------------------------------------------------------------------------------------------------


class _Request:
    """One decision as the features read it."""

    def __init__(self, contract, raw):
        self.as_of = _instant(raw.get("as_of"))
        self.fields = {name: _cell(field, raw.get(name)) for name, field in contract.get("request", {}).items()}
        self.raw = raw

    def read(self, name):
        # Keys, dedup and sequence columns of `request_of` come with the request without being declared.
        return self.fields[name] if name in self.fields else self.raw.get(name)


class _Evaluation:
    """All features of one decision; features that others read are computed once."""

    def __init__(self, contract, sources, request, complete_from):
        self.contract, self.sources, self.request, self.complete_from = contract, sources, request, complete_from
        self.results = {}

    def result(self, name):
        """(value, status) after the fallback was applied."""
        if name not in self.results:
            self.results[name] = self._with_fallback(self.contract["features"][name])
        return self.results[name]

    def _with_fallback(self, feature):
        value, cause = self._feature(feature)
        if value is None and feature.get("fallback") is not None:
            fallback = feature["fallback"]
            return (fallback + 0.0 if isinstance(fallback, float) else fallback), cause | FALLBACK
        return value, cause

    def _feature(self, feature):
        if "expr" in feature:
            return self._expression(feature)
        if feature["from"].startswith("request."):
            return self._from_request(feature)
        return self._aggregate(feature)

    def _from_request(self, feature):
        value = self.request.read(feature["from"].removeprefix("request."))
        if value is None:
            return None, NULL
        if feature.get("type") == "category":
            vocabulary = feature["vocabulary"]
            return (vocabulary.index(value), OK) if value in vocabulary else (-1, UNSEEN)
        return _in_unit(value), OK

    def _expression(self, feature):
        def read(name, with_fallback):
            if name.startswith("request."):
                return self.request.read(name.removeprefix("request."))
            value, status = self.result(name)
            return None if status & FALLBACK and not with_fallback else value

        evaluator = Evaluator(read, self.request.as_of)
        value = evaluator(feature["expr"].tree)
        declared = feature.get("type")
        if declared == "int64" and value is not None and value is not BAD:
            value = int(value) if value == math.floor(value) and _int64(int(value)) is not BAD else BAD
        elif declared not in ("int64", "bool") and isinstance(value, int):
            value = rounded(int(value))  # numbers and conditions are float64 unless `type` says otherwise
        if value is None:
            return None, NULL
        if value is BAD:
            return None, ERROR
        return value, CLIPPED if evaluator.clipped else OK

    def _aggregate(self, feature):
        source = self.sources[feature["from"]]
        entity = feature.get("by") or next(iter(source.keys))
        entity_key = tuple(self.request.read(c) for c in _listed(self.contract["entities"][entity]["key"]))
        if None in entity_key:
            return None, NULL

        kind, argument, parameter = _aggregate_parts(feature["aggregate"])
        readers = [
            (event_time, read)
            for event_time, read in self._rows(feature, source, entity, entity_key)
            if "where" not in feature or self._of_row(feature["where"].tree, read) is True
        ]
        if "last" in feature:
            readers = readers[max(0, len(readers) - feature["last"]) :]

        if kind == "count":
            rows, value = len(readers), len(readers)
        elif kind == "time_since_last":
            rows, value = len(readers), None
            if readers:
                unit = _MICROSECONDS[_UNITS[parameter]]
                value = rounded(Fraction(self.request.as_of - readers[-1][0], unit))
        else:
            values = [self._of_row(argument, read) for _, read in readers]
            if feature.get("nulls") != "keep":
                values = [v for v in values if v is not None and v is not BAD]
            rows, value = len(values), _combined(kind, parameter, feature.get("ddof", 1), values)

        if value is BAD:
            return None, ERROR
        if self._tail(feature, source) < self.complete_from.get(source.name, -math.inf):
            return None, HISTORY_INCOMPLETE
        if rows < feature.get("min_rows", self.contract.get("defaults", {}).get("min_rows", 0)):
            return None, INSUFFICIENT_HISTORY
        return (None, NULL) if value is None else (value, OK)

    def _of_row(self, tree, read):
        if tree[0] == "ref":  # a bare column keeps its exact decimal
            return read(tree[1])
        return Evaluator(lambda name, _: read(name), self.request.as_of)(tree)

    def _rows(self, feature, source, entity, entity_key):
        """(event_time, reader) of every row in the feature's window, oldest first, the request last."""
        as_of = self.request.as_of
        head = as_of - duration(feature.get("offset", "0s"))
        tail = head - duration(feature["window"]) if "window" in feature else None
        bounds = feature.get("bounds", self.contract.get("defaults", {}).get("bounds", "[)"))
        for row in source.timelines[entity].get(entity_key, []):
            t = row.event_time
            if t > head or (t == head and bounds[1] == ")"):
                break
            if tail is not None and (t < tail or (t == tail and bounds[0] == "(")):
                continue
            if self._visible(source, entity, row):
                yield t, row.reader(as_of)
        if feature.get("include_request"):
            yield as_of, self.request.read

    def _visible(self, source, entity, row):
        as_of = self.request.as_of
        if row.known_at > as_of or row.event_time < as_of - source.retention:
            return False
        corrections = [c for c in source.corrections.get(row.dedup, ()) if c.known_at <= as_of]
        if corrections and row is not corrections[-1]:
            return False
        if self.contract.get("request_of") != source.name:
            return True
        if source.dedup and row.dedup is not None and row.dedup == self.request.read(source.dedup):
            return False
        if row.event_time != as_of:
            return True
        sequence = source.sequence.get(entity)
        return sequence is not None and _nulls_first(row.sequence[entity]) < _nulls_first(self.request.read(sequence))

    def _tail(self, feature, source):
        as_of = self.request.as_of
        if "window" not in feature:
            return as_of - source.retention
        return as_of - duration(feature.get("offset", "0s")) - duration(feature["window"])


def evaluate(contract, decisions, sources, complete_from=None):
    """What every feature is for every decision, in the order of `decisions`.

    contract       the contract file as a dict; expressions are `Text`
    decisions      dicts: entity keys, `as_of` in microseconds, request fields; decimals as text
    sources        {source: rows as dicts}, raw as they came, or an exported history with `known_at` and `<column>__known_at`
    complete_from  {source: the instant since which its history is whole}; not in it: always
    """
    tables = {name: _Source(contract, name, sources[name]) for name in contract["sources"]}
    answers = []
    for raw in decisions:
        try:
            request = _Request(contract, raw)
        except Refused:
            answers.append({name: (None, ERROR) for name in contract["features"]})
            continue
        evaluation = _Evaluation(contract, tables, request, complete_from or {})
        answers.append({name: evaluation.result(name) for name in contract["features"]})
    return answers
