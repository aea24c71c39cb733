"""A second definition of every feature value, in rational arithmetic, sharing nothing with the library
but how a generated contract spells its trees.

    oracle.evaluate(contract, decisions, sources)  ->  [{feature: (value, status byte)}, ...]

The contract is the file's content as a dict. Expressions are not parsed here: they are `Text` objects that carry the tree
beside the spelling, so a mistake in the library's grammar cannot be repeated by this module. Everything is computed from
scratch for every decision; the only rounding is `rounding.rounded` (a Fraction to the nearest float64), of which roots,
powers and logarithms are made. Aggregates of the values in a window stand in oracle_aggregates.
"""

import math
import re
from fractions import Fraction

import oracle_aggregates
from featlib.testing._spelling import MICROSECONDS, Text, duration, microseconds
from oracle_aggregates import in_unit, int64
from rounding import BAD, rounded

OK, NULL, INSUFFICIENT_HISTORY, HISTORY_INCOMPLETE, UNSEEN, CLIPPED, ERROR = range(7)
FALLBACK = 0x80

EARLIEST, LATEST = 31_536_000_000_000, 4_102_444_800_000_000  # 1971-01-01 and 2100-01-01 in microseconds

NEVER = math.inf  # the stamp of a cell that no decision may read



def _listed(one_or_many):
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


def _aggregate_parts(aggregate):
    """(kind, argument tree or None, parameter or None). Plain spellings such as `lag(amount, 2)` need no Text."""
    if isinstance(aggregate, Text):
        return aggregate.tree
    kind, argument, parameter = re.fullmatch(r"(\w+)\((\w*)(?:, *(\d+))?\)", aggregate).groups()
    if kind in oracle_aggregates.BY_ROWS:
        return kind, None, argument or None
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
        self.source = source
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
        self.key_parts = keys
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

    def order_in(self, union, entity):
        """The same among the rows of a union: of what the union has, numeric keys before texts, then the order of its members."""
        content = (
            [_nulls_first(self.cells[name]) for name in sorted(union.columns) if name not in union.gated]
            + [_nulls_first(part) for other in sorted(union.keys) for part in self.key_parts[other]]
            + [_nulls_first(self.sequence.get(other)) for other in sorted(union.sequence)]
        )
        return (
            self.event_time,
            _nulls_first(self.sequence.get(entity)),
            (self.dedup is not None, isinstance(self.dedup, str), self.dedup if self.dedup is not None else 0),
            tuple(content),
            union.members.index(self.source.name),
            self.known_at,
            tuple(_nulls_first(self.gated[name]) for name in sorted(union.gated)),
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
        self.name, self.members = name, [name]
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


class _Union:
    """The rows of the members that count, in each entity's order. Copies, corrections and labels are the member's own."""

    def __init__(self, contract, name, sources):
        spec = contract["sources"][name]
        self.name, self.members = name, spec["union"]
        own = [sources[member] for member in self.members]
        self.columns = {c: f for c, f in own[0].columns.items() if all(source.columns.get(c) == f for source in own)}
        self.gated = [c for c in own[0].gated if c in self.columns]
        self.keys = [entity for entity in own[0].keys if all(entity in source.keys for source in own)]
        self.sequence = [entity for entity in self.keys if any(entity in source.sequence for source in own)]
        kept = spec.get("retention", "forever")
        self.retention = min([source.retention for source in own] + [math.inf if kept == "forever" else duration(kept)])
        self.timelines = {entity: {} for entity in self.keys}
        for entity, timelines in self.timelines.items():
            for source in own:
                for key, rows in source.timelines[entity].items():
                    timelines.setdefault(key, []).extend(rows)
            for timeline in timelines.values():
                timeline.sort(key=lambda row, entity=entity: row.order_in(self, entity))


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
        return in_unit(self.read(name, False))

    def _with_fallback(self, name):
        return in_unit(self.read(name, True))

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
        return (self.as_of // MICROSECONDS["d"] + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0

    def _hour(self):
        return self.as_of // MICROSECONDS["h"] % 24


# --- decisions ----------------------------------------------------------------------------------------------------------


def _coded(feature, text):
    """A category: its place in the vocabulary."""
    vocabulary = feature["vocabulary"]
    return (vocabulary.index(text), OK) if text in vocabulary else (-1, UNSEEN)


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
        return _coded(feature, value) if feature.get("type") == "category" else (in_unit(value), OK)

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
            value = int(value) if value == math.floor(value) and int64(int(value)) is not BAD else BAD
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
        interval = self._interval(feature, source, kind, parameter)
        readers = [
            (event_time, read)
            for event_time, read in self._rows(feature, source, entity, entity_key, interval)
            if "where" not in feature or self._of_row(feature["where"].tree, read) is True
        ]
        if "last" in feature:
            readers = readers[max(0, len(readers) - feature["last"]) :]

        times, values = [t for t, _ in readers], []
        if argument is not None:
            found = [(t, self._of_row(argument, read)) for t, read in readers]
            keeps = kind == "as_of" or feature.get("nulls") == "keep"
            found = [(t, v) for t, v in found if keeps or (v is not None and v is not BAD)]
            times, values = [t for t, _ in found], [v for _, v in found]
        window = oracle_aggregates.Window(
            values, times, self.request.as_of, feature.get("ddof", 1), self._type(argument, source), self._sought(argument, parameter)
        )
        rows = len(times)
        if kind.startswith("decay"):
            parameter = duration(parameter)
        value = oracle_aggregates.value(kind, parameter, window)

        if value is BAD:
            return None, ERROR
        if interval[0] < max(self.complete_from.get(name, -math.inf) for name in source.members):
            return None, HISTORY_INCOMPLETE
        if rows < feature.get("min_rows", self.contract.get("defaults", {}).get("min_rows", 0)):
            return None, INSUFFICIENT_HISTORY
        if value is None:
            return None, NULL
        return _coded(feature, value) if feature.get("type") == "category" else (value, OK)

    def _of_row(self, tree, read):
        if tree[0] == "ref":  # a bare column keeps its exact decimal
            return read(tree[1])
        return Evaluator(lambda name, _: read(name), self.request.as_of)(tree)

    @staticmethod
    def _type(argument, source):
        """What the values are, where they are written as text: an instant is no number there."""
        return source.columns[argument[1]]["type"] if argument is not None and argument[0] == "ref" else None

    def _sought(self, argument, parameter):
        """The value that share and seen_before look for; the other aggregates do not ask."""
        if isinstance(parameter, tuple) and parameter[0] == "lit":
            return parameter[1]
        return self.request.read(argument[1]) if argument is not None and argument[0] == "ref" else None

    def _interval(self, feature, source, kind, parameter):
        """(tail, head, whether the tail is inside, whether the head is); a session is cut at its tail."""
        head = self.request.as_of - duration(feature.get("offset", "0s"))
        bounds = feature.get("bounds", self.contract.get("defaults", {}).get("bounds", "[)"))
        width = next((duration(feature[key]) for key in ("window", "max_length", "max_age") if key in feature), None)
        if width is None and kind.startswith("decay") and "lifetime" not in feature:
            width = 64 * duration(parameter)
        if "bucket" in feature:
            origin = microseconds(feature.get("origin", "1970-01-01T00:00:00Z"))
            begin = head - (head - origin) % width
            if feature["bucket"] == "complete":
                return begin - width, begin, True, False
            return begin, head, True, bounds[1] == "]"
        if width is None:
            return self.request.as_of - source.retention, head, True, bounds[1] == "]"
        return head - width, head, bounds[0] == "[", bounds[1] == "]"

    def _rows(self, feature, source, entity, entity_key, interval):
        """(event_time, reader) of every row in the feature's window, oldest first, the request last."""
        as_of = self.request.as_of
        tail, head, tail_closed, head_closed = interval
        seen = []
        for row in source.timelines[entity].get(entity_key, []):
            t = row.event_time
            if t > head or (t == head and not head_closed):
                break
            if t > tail or (t == tail and tail_closed):
                if self._visible(source, entity, row):
                    seen.append(row)
        if "gap" in feature:
            gaps = [later.event_time - earlier.event_time for earlier, later in zip(seen, seen[1:], strict=False)]
            gaps += [head - row.event_time for row in seen[-1:]]
            long = [i for i, gap in enumerate(gaps) if gap > duration(feature["gap"])]
            seen = seen[long[-1] + 1 :] if long else seen
        yield from ((row.event_time, row.reader(as_of)) for row in seen)
        if feature.get("include_request"):
            yield as_of, self.request.read

    def _visible(self, source, entity, row):
        as_of = self.request.as_of
        if row.known_at > as_of or row.event_time < as_of - source.retention:
            return False
        source = row.source  # in a union the member's
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


def evaluate(contract, decisions, sources, complete_from=None):
    """What every feature is for every decision, in the order of `decisions`.

    contract       the contract file as a dict; expressions are `Text`
    decisions      dicts: entity keys, `as_of` in microseconds, request fields; decimals as text
    sources        {source: rows as dicts}, raw as they came, or an exported history with `known_at` and `<column>__known_at`
    complete_from  {source: the instant since which its history is whole}; not in it: always
    """
    tables = {name: _Source(contract, name, sources[name]) for name, spec in contract["sources"].items() if "union" not in spec}
    tables |= {name: _Union(contract, name, tables) for name, spec in contract["sources"].items() if "union" in spec}
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
