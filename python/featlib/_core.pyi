"""featlib's C++ core as Python sees it, in the order of the data. Use `import featlib as fl`.

Written by hand; tests/python/test_stub.py holds it against the compiled module. Words used throughout:

- *table*: anything with `__arrow_c_stream__` (pyarrow, Polars, DuckDB, pandas >= 2.2) or a dict of NumPy arrays.
- *instant*: int microseconds since 1970, UTC, or a datetime with a time zone.
- *value*: None, bool, int, float, str, Decimal, UUID, datetime or a NumPy scalar. Nothing is cast: 12 is no float, 12.0 is no int.
- *status*: one byte. Low four bits, the cause: 0 ok, 1 null, 2 too little history (`min_rows`), 3 history incomplete
  (`complete_from`), 4 unseen category, 5 clipped, 6 error. Bit 7 (0x80): the fallback stands in the value's place.
- *rows*, *features*, ... in a shape are numbers; an empty table gives arrays of 0 rows, never an error.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Literal, Never, NotRequired, Protocol, TypeAlias, TypedDict, overload

import numpy as np
import pandas
import polars
import pyarrow
from numpy.typing import NDArray
from typing_extensions import CapsuleType

from featlib.frames import TableLike

__version__: str

_Path: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]
_Instant: TypeAlias = int | datetime
_CompleteFrom: TypeAlias = Literal["always"] | _Instant | dict[str, int] | dict[str, datetime]
_Outcome: TypeAlias = Literal["approve", "review", "block", "none"]
_Mode: TypeAlias = Literal["normal", "rule", "no_model", "no_score", "no_policy", "bad_request"]

# ---- errors ---------------------------------------------------------------------------------------------------------

class Failure:
    """One thing that is wrong: what, where, and what to do about it. `str()` gives the lines a compiler would print."""

    def __init__(self, not_made_by_hand: Never, /) -> None: ...
    @property
    def code(self) -> str:
        """Stable and listed, such as "window-exceeds-retention"."""
    @property
    def path(self) -> str:
        """File, table or part; "" when there is none."""
    @property
    def line(self) -> int:
        """1-based; 0 where the place has no lines."""
    @property
    def column(self) -> int:
        """1-based, in bytes; 0 when unknown."""
    @property
    def message(self) -> str:
        """What was found and what was expected."""
    @property
    def help(self) -> str:
        """The remedy; may be ""."""

class Error(Exception):
    """What featlib refuses with. One subclass a stage; TypeError and ValueError are left to wrong Python."""

    failures: Sequence[Failure]
    """Everything that is wrong, in file order; empty when the error was raised by other code than featlib's."""

class ContractError(Error):
    """A contract that does not hold."""

class DataError(Error):
    """A table, row or request that cannot be read, or an `as_of` too old or in the future."""

class ModelError(Error):
    """A model that cannot be scored exactly, or an X that does not fit it."""

class BundleError(Error):
    """A bundle that was altered or does not fit together."""

class PolicyError(Error):
    """A policy that does not hold."""

class StateError(Error):
    """A snapshot that cannot be restored."""

class LogError(Error):
    """A decision log that cannot be read or written."""

class UsageError(Error):
    """A call that cannot mean anything, or a file that cannot be read or written."""

# ---- contract -------------------------------------------------------------------------------------------------------

class Contract:
    """What every feature means. Read from YAML or JSON by `load` or `parse`; always valid once built, and immutable."""

    def __init__(self, use_load_or_parse: Never, /) -> None: ...
    @staticmethod
    def load(path: _Path) -> Contract:
        """Read a contract file; vocabulary files are looked up beside it.

        Raises ContractError with every failure (code, path, line, column, message, help), UsageError for a missing file.
        """
    @staticmethod
    def parse(text: str, *, base: _Path = ..., name: str = "<text>") -> Contract:
        """Read a contract from text; vocabulary files are looked up in `base`, errors call the text `name`.

        Raises ContractError.
        """
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def description(self) -> str:
        """"" when the file has none."""
    @property
    def features(self) -> list[str]:
        """Names, in file order."""
    @property
    def inputs(self) -> list[str]:
        """The features a model is fed, in its order; all of them when the contract has no `model:`."""
    @property
    def sources(self) -> list[str]:
        """Names, in file order."""
    @property
    def warnings(self) -> list[Failure]:
        """What is allowed but worth a look; empty when nothing is."""
    def fingerprint(self, kind: Literal["semantic", "policy", "document"] = "semantic") -> str:
        """SHA-256 of the resolved contract, 64 hex digits.

        semantic: all that changes a value. policy: checks and thresholds too. document: everything. Raises UsageError.
        """
    def feature_fingerprint(self, feature: str) -> str:
        """Semantic fingerprint of one feature and all it reads, 64 hex digits. Raises ContractError for an unknown name."""
    def resolved_json(self) -> str:
        """The contract with defaults filled in, bounds written out and vocabularies inlined."""
    def describe(self) -> str:
        """The contract for people, as text."""

# ---- tables ---------------------------------------------------------------------------------------------------------

class Table:
    """Rows of named columns, such as an exported history. `len()` is its rows; pyarrow, Polars and DuckDB read it as it is."""

    def __init__(self, made_by_featlib: Never, /) -> None: ...
    def __arrow_c_stream__(self, requested_schema: Any = None) -> CapsuleType:
        """The Arrow C stream; `requested_schema` is ignored, as the protocol allows."""
    @property
    def column_names(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, str]:
        """The schema's key-value metadata; an export says `featlib.complete_from` there when history left it."""
    def __len__(self) -> int: ...

class _RefusedRow(TypedDict):
    row: int
    column: str
    why: str

class _RowReport(TypedDict):
    rows: int
    accepted: int
    duplicates: int
    null_keys: int
    moved_keys: int
    corrections: int
    refused: dict[str, int]
    first_refused: list[_RefusedRow]

class FeatureTable:
    """The caller's decisions in the caller's order, then the features, with a status byte each. `len()` is its rows."""

    def __init__(self, made_by_replay: Never, /) -> None: ...
    def __arrow_c_stream__(self, requested_schema: Any = None) -> CapsuleType:
        """The Arrow C stream of decision columns, then features: null is Arrow's null, a category its int32 code."""
    def stream(self, *, status: bool = False, category_text: bool = False) -> CapsuleType:
        """The same, with `<feature>__status` (uint8) columns, or categories as text, if asked."""
    def to_arrow(self, *, status: bool = False, category_text: bool = False) -> pyarrow.Table:
        """A pyarrow.Table, without a copy. The options of `stream`. Raises ImportError without pyarrow."""
    def to_pandas(self, *, status: bool = False, category_text: bool = False) -> pandas.DataFrame:
        """A pandas.DataFrame, by way of pyarrow. The options of `stream`. Raises ImportError without either."""
    def to_polars(self, *, status: bool = False, category_text: bool = False) -> polars.DataFrame:
        """A polars.DataFrame. The options of `stream`. Raises ImportError without Polars."""
    def to_numpy(self) -> dict[str, NDArray[Any]]:
        """Features by name, each of shape (rows,).

        float64, int64, bool, category codes int32 (unseen is -1), timestamps datetime64[us], strings object.
        Null is NaN, NaT or None; a column of int64, bool or codes that has nulls is float64.
        """
    @overload
    def matrix(self, *, dtype: type[np.float32] | Literal["float32"] | None = None) -> NDArray[np.float32]:  # type: ignore[overload-overlap]
        """The model's input: shape (rows, inputs), row-major, float32 unless asked otherwise.

        Null is the feature's `model_missing`, by default NaN. float64 becomes float32 here, once, to nearest even.
        Raises UsageError for another dtype.
        """
    @overload
    def matrix(self, *, dtype: type[np.float64] | type[float] | Literal["float64"]) -> NDArray[np.float64]: ...
    def status(self, feature: str) -> NDArray[np.uint8]:
        """One status byte a row, shape (rows,). Raises ContractError for a name that is no feature."""
    @property
    def report(self) -> dict[str, _RowReport]:
        """What became of the rows given, by source and, under "decisions", of the decisions.

        `duplicates`: copies that do not count. `corrections`: replacements and retractions. `moved_keys`: dedup keys with several
        event_times, where one row should perhaps replace the other. `null_keys`: entity keys that were null. `refused`: rows by
        reason; `first_refused` lists the first hundred. Nothing is dropped without standing here.
        """
    @property
    def out_of_range(self) -> dict[str, int]:
        """Values outside their feature's `range`, by feature; nothing was changed. Empty when there are none."""
    @property
    def contract(self) -> Contract: ...
    def __len__(self) -> int: ...

# ---- replay and its definition ----------------------------------------------------------------------------------------

def replay(
    contract: Contract,
    decisions: TableLike,
    sources: dict[str, Any],
    *,
    as_of: str | tuple[str, str] = "as_of",
    threads: int = 0,
    progress: Callable[[float, float], object] | None = None,
    complete_from: _CompleteFrom | None = None,
) -> FeatureTable:
    """The features of every decision as serving would have given them at its own instant.

    decisions: a table with the entities' keys, the request's fields and the instant. sources: a table by source name;
    where it has `known_at` (an export has), that says when a row became known.
    as_of: the column of the instant, or (column, unit or tz): ("TX_EPOCH_S", "s"), ("local_time", "Europe/Berlin").
    threads: 0 is one a core. progress: called with (done, total).
    complete_from: instant, or one by source, before which history may be missing; None is "always": nothing is.

    Returns one row a decision, in their order; no decisions give a table of 0 rows. A decision that cannot be read keeps its
    place, null with status error. Raises DataError for missing or mistyped columns; bad rows are counted in `.report`.
    """

def reference(
    contract: Contract,
    decisions: TableLike,
    sources: dict[str, Any],
    *,
    as_of: str | tuple[str, str] = "as_of",
    threads: int = 0,
    progress: Callable[[float, float], object] | None = None,
    complete_from: _CompleteFrom | None = None,
) -> FeatureTable:
    """The definition itself: arguments, result and errors of `replay`, one filter over all rows for every value.

    Slow (decisions x rows), and the judge of all else.
    """

# ---- ensemble -------------------------------------------------------------------------------------------------------

class _HasMatrix(Protocol):
    # A model that scores in float64 asks for matrix(dtype="float64").
    def matrix(self) -> NDArray[np.float32]: ...

_Rows: TypeAlias = NDArray[np.float32] | NDArray[np.float64] | _HasMatrix

class _Verification(TypedDict):
    backend: str
    values: int
    differing: int
    first: str

class Ensemble:
    """A trained tree ensemble; scores are the trainer's own, bit for bit. Immutable, and safe to use from many threads.

    X is float32 or float64 of shape (rows, features), or a FeatureTable. NaN is missing. It is rounded once to what the
    trainer compares in (float32 for XGBoost); integers are refused, because a large one would lose digits without a word.
    threads: 1 unless said; 0 is one a core.
    """

    def __init__(self, use_load_or_from: Never, /) -> None: ...
    @staticmethod
    def load(path: _Path, *, backend: Literal["native", "xgboost", "auto"] = "native", library: str | None = None) -> Ensemble:
        """Read a model file; its content decides the format: XGBoost JSON or UBJSON, LightGBM text, CatBoost cbm or JSON, or
        featlib's own JSON of scikit-learn.

        backend: "xgboost" runs the model on XGBoost's own library, whatever it is made of; "auto" is native where the model is
        supported, else XGBoost's. `backend` then says which. library: a path of libxgboost.so; None is the installed package's.
        Raises ModelError for what cannot be scored exactly, UsageError for a missing file or library.
        """
    @staticmethod
    def from_bytes(data: bytes | bytearray | memoryview) -> Ensemble:
        """Read a model from bytes. Raises ModelError."""
    @staticmethod
    def from_xgboost(booster: Any) -> Ensemble:
        """Take over an xgboost.Booster, or a fitted XGBModel (all its trees, also those after best_iteration).

        Raises ModelError.
        """
    @staticmethod
    def from_catboost(model: Any) -> Ensemble:
        """Take over a fitted catboost.CatBoost, Classifier, Regressor or Ranker.

        predict gives probabilities for classifiers (of two classes the second's), exponents for Poisson and Tweedie, else
        raw values. Categories are integers in X. Raises ModelError.
        """
    @staticmethod
    def from_sklearn(estimator: Any) -> Ensemble:
        """Take over a fitted scikit-learn tree, forest, (Hist)GradientBoosting or IsolationForest.

        predict gives probabilities for classifiers (of two classes the second's), score_samples for IsolationForest, else
        what the estimator predicts. Raises ModelError, TypeError for what is not fitted.
        """
    @staticmethod
    def from_lightgbm(booster: Any) -> Ensemble:
        """Take over a lightgbm.Booster, or a fitted LGBMModel: the trees its predict uses, up to best_iteration.

        Raises ModelError.
        """
    def margin(self, X: _Rows, *, threads: int = 1) -> NDArray[np.float32 | np.float64]:
        """Base margin plus leaves, in the trainer's number type: shape (rows,) for one output, else (rows, outputs).

        float32 for XGBoost, float64 for the others. Raises ModelError.
        """
    def predict(self, X: _Rows, *, threads: int = 1) -> NDArray[np.float32 | np.float64]:
        """The margin through the objective's transform, as the trainer's own predict gives it: (rows,) or (rows, outputs).

        float32 for XGBoost, float64 for the others. Raises ModelError.
        """
    def verify(self, X: _Rows, *, library: str | None = None) -> _Verification:
        """Compare margins, predictions and leaf numbers with XGBoost's own library, in bits.

        library: a path of libxgboost.so; None is the installed package's. Raises UsageError without one, ModelError for a model that is
        not XGBoost's.
        """
    @overload
    def contributions(self, X: _Rows, *, mode: Literal["exact"] | None = None, background: None = None, threads: int = 1) -> NDArray[np.float32]:
        """What each feature gives to the margin (Shapley values), and last the expected margin.

        Shape: (rows, features + 1), or (rows, outputs, features + 1).
        mode: "exact" is XGBoost's own `pred_contribs` since 3.3, bit for bit, for XGBoost's models; "double" the same values exactly,
        for any model that says how many rows each node saw, summing to the margin within 1e-12. None: exact for XGBoost's.
        background: rows of a table to compare with, for interventional values in double. Raises ModelError, UsageError.
        """
    @overload
    def contributions(self, X: _Rows, *, mode: Literal["double"], background: _Rows | None = None, threads: int = 1) -> NDArray[np.float64]: ...
    @overload
    def contributions(self, X: _Rows, *, mode: Literal["double"] | None = None, background: _Rows, threads: int = 1) -> NDArray[np.float64]: ...
    def leaves(self, X: _Rows, *, threads: int = 1) -> NDArray[np.int32]:
        """The leaf each tree ends in, as the trainer numbers nodes: shape (rows, trees). Raises ModelError."""
    @property
    def features(self) -> int:
        """Columns of X."""
    @property
    def outputs(self) -> int:
        """Margins a row: 1, or one for each class, target or quantile."""
    @property
    def trees(self) -> int: ...
    @property
    def feature_names(self) -> list[str]:
        """Names in the file; empty when it has none."""
    @property
    def categories(self) -> dict[str, list[str]]:
        """By feature, the texts whose codes 0, 1, ... it was trained on; features whose codes have no names are absent.

        A bundle's contract must declare the same vocabulary.
        """
    @property
    def objective(self) -> str:
        """As the trainer spells it: "binary:logistic", "binary"."""
    @property
    def backend(self) -> str:
        """"native", or the library that runs it: "xgboost 3.4.1"."""
    @property
    def format(self) -> str:
        """"xgboost-json", "xgboost-ubj" or "lightgbm-text"."""
    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file, 64 hex digits."""

# ---- bundle and scorer ----------------------------------------------------------------------------------------------

class Bundle:
    """Contract, model, policy and metadata in one file; every part hashed, refused when altered. Immutable."""

    def __init__(
        self,
        *,
        contract: Contract,
        model: Ensemble | None = None,
        policy: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """policy: the text of a policy file. metadata: a dict that JSON can hold; its `model_version` is the bundle's.

        Raises ModelError when the model does not take the contract's inputs, PolicyError when the policy does not hold.
        """
    @staticmethod
    def load(path: _Path) -> Bundle:
        """Read a file. Raises BundleError naming the part that was altered, UsageError for a missing file."""
    @staticmethod
    def from_bytes(data: bytes) -> Bundle:
        """Read what `to_bytes` gave, or a file's content. Raises BundleError."""
    def save(self, path: _Path) -> None:
        """Write the file whole or not at all. Raises UsageError."""
    def to_bytes(self) -> bytes:
        """The file's bytes; equal parts give equal bytes."""
    @property
    def contract(self) -> Contract: ...
    @property
    def model(self) -> Ensemble | None: ...
    @property
    def policy(self) -> str | None:
        """The policy file's text."""
    @property
    def metadata(self) -> dict[str, Any]:
        """Empty when none was given."""
    @property
    def fingerprint(self) -> str:
        """SHA-256 of the whole file, 64 hex digits."""
    @property
    def model_version(self) -> str:
        """metadata's `model_version`, else 12 digits of the model's fingerprint, else "none"."""
    @property
    def feature_schema_version(self) -> str:
        """The contract's semantic fingerprint."""

class FeatureVector:
    """One served row, by feature name, in the contract's order."""

    def __init__(self, made_by_scorer_features: Never, /) -> None: ...
    @property
    def values(self) -> dict[str, Any | None]:
        """float, int, bool or str; a category is its code (unseen is -1), a timestamp microseconds; null is None."""
    @property
    def status(self) -> dict[str, int]:
        """One status byte each."""

class _Reason(TypedDict):
    text: str
    contribution: float
    features: list[str]

class Decision:
    """What was decided, and why."""

    def __init__(self, made_by_scorer_decide: Never, /) -> None: ...
    @property
    def outcome(self) -> _Outcome:
        """"none" without a policy."""
    @property
    def mode(self) -> _Mode:
        """"normal", or why not: docs/decision.md has a line for each."""
    @property
    def score(self) -> float | None:
        """What the policy compared with its thresholds, or the model's prediction; None without a model."""
    @property
    def margin(self) -> float | None:
        """The model's margin; None without a model."""
    @property
    def features(self) -> dict[str, Any | None]:
        """As FeatureVector.values."""
    @property
    def status(self) -> dict[str, int]:
        """One status byte a feature."""
    @property
    def reasons(self) -> list[_Reason]:
        """What spoke against the request, most first, at most four: the contract's `reason` of a feature, else its name.

        contribution: to the margin, of all features with that text. Empty when approved, when no score decided, and without a model.
        Computed when asked for. Raises ModelError for a model whose file does not say what contributions need.
        """
    @property
    def request_id(self) -> str:
        """The caller's; "" when none was given."""
    @property
    def as_of(self) -> int:
        """Microseconds since 1970, UTC."""
    @property
    def model_version(self) -> str:
        """The bundle's."""
    @property
    def feature_schema_version(self) -> str:
        """The contract's semantic fingerprint."""

class _SourceStats(TypedDict):
    observed: int
    labels: int
    replaced: int
    retracted: int
    duplicates: int
    moved_keys: int
    observed_late: int
    unmatched: int
    null_keys: int
    evicted: int
    held: int
    refused: dict[str, int]

class _Stats(TypedDict):
    sources: dict[str, _SourceStats]
    decisions: int
    frontier: int | None

class Scorer:
    """Events in; features, score, decision and record out. Safe to share between threads: calls take turns."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        state: str = "memory:",
        log: str | None = None,
        history: str | None = None,
        grace: str | int | timedelta = "1h",
        complete_from: _CompleteFrom = "always",
    ) -> None:
        """state: where rows are kept, "memory:". log: where decisions go, "sqlite:PATH"; None keeps no record.

        history: "memory:" keeps rows that leave the state, so that the export is whole.
        grace: how far behind the latest answered instant a decision may lie; text, microseconds or a timedelta.
        complete_from: instant, or one by source, before which history may be missing.
        Raises DataError for an unknown source, UsageError for what this version does not have, LogError.
        """
    def observe(self, source: str, rows: TableLike) -> int:
        """Take in a row (a dict of values), many rows (a table), or labels by key ({dedup key, gated column}).

        Returns how many were accepted; the others are counted in `stats()`. Raises DataError for missing or mistyped columns.
        """
    def replace(self, source: str, row: dict[str, Any], *, available_time: _Instant | None = None) -> bool:
        """Correct a key: from when it is known on exactly this row counts of it, wherever and whenever its rows were.

        row: every column, as for `observe`. available_time: when the correction could be known, where the source has no such
        column; None is now: the latest of the frontier and what the key holds. Answered decisions stand. Returns whether it was
        taken; if not it is counted in `stats()`. Raises DataError for a source that cannot be corrected, a null key, missing or
        mistyped columns, UsageError for an available_time that the row itself says.
        """
    def retract(self, source: str, key: Any, *, available_time: _Instant | None = None) -> bool:
        """Correct a key: from when it is known on no row of it counts; a `replace` brings one back. Otherwise as `replace`."""
    def decide(self, request: dict[str, Any], *, as_of: _Instant | None = None, request_id: str = "") -> Decision:
        """Decide on a request: a value for every field of the contract's request; an unknown value is None, said explicitly.

        as_of: None is the clock. The answered instant is closed: what arrives later does not look as if it had been known.
        Raises DataError for missing or mistyped fields, and for an as_of too old (`grace`) or more than a day ahead.
        """
    def features(self, request: dict[str, Any], *, as_of: _Instant | None = None) -> FeatureVector:
        """The vector alone; fields not given are null. The instant counts as answered. Raises DataError as `decide` does."""
    def advance(self, as_of: _Instant) -> None:
        """Tell how far time has come without deciding; rows that nothing can see any more leave."""
    def flush(self) -> None:
        """Return when every decision so far is in the log on disk; without a log at once. Raises LogError.

        Records are written a thousand at a time; the end of a scorer writes the rest.
        """
    def export_history(self, source: str) -> Table:
        """The source's rows and corrections with `known_at`: what `replay` needs to repeat the served values. Raises DataError."""
    def snapshot(self) -> bytes:
        """Everything the scorer holds."""
    def merge(self, other: Scorer) -> None:
        """Take over what another scorer of the same contract holds, as if its rows had come here; `other` stays as it is.

        What either answered stays true: an entity that one of them answered for has its rows in that one, whole (shards by
        entity, or parts that answered nothing). Raises StateError otherwise, and nothing has changed.
        """
    @staticmethod
    def restore(bundle: Bundle, blob: bytes, *, log: str | None = None) -> Scorer:
        """A scorer that goes on where `snapshot` was taken. Raises StateError on another contract or a damaged blob."""
    def stats(self) -> _Stats:
        """Counters by source, decisions answered, and the frontier in microseconds (None before the first answer).

        `observed_late`: rows known only after a decision that could have seen them. `unmatched`: labels and corrections whose row
        never came. `moved_keys`: dedup keys held at several event times, two rows where one should perhaps replace the other.
        """
    @property
    def bundle(self) -> Bundle: ...

# ---- log ------------------------------------------------------------------------------------------------------------

class _Threshold(TypedDict):
    when: str
    review: float
    block: float

class _Record(TypedDict):
    request_id: str
    as_of: str
    decided_at: str
    decision: _Outcome
    mode: _Mode
    risk_score: float | None
    margin: float | None
    model_version: str
    feature_schema_version: str
    policy_version: str
    bundle: str
    threshold: NotRequired[_Threshold]
    rule: NotRequired[str]
    request: dict[str, Any | None]
    features: dict[str, Any | None]
    status: dict[str, int]

class DecisionLog:
    """The records of a log, by name. `len()` is how many it has."""

    def __init__(self, location: str) -> None:
        """location: "sqlite:PATH", or the path alone. Raises LogError."""
    def record(self, request_id: str) -> _Record | None:
        """The latest record of a request, with the names of the contract that decided; None when there is none.

        Instants are RFC 3339 text. `threshold` and `rule` stand only where a segment, or a rule, decided. Raises LogError.
        """
    def __len__(self) -> int: ...

_DecisionDifference = TypedDict("_DecisionDifference", {"request_id": str, "what": str, "was": str, "is": str})

class _DecisionReplay(TypedDict):
    decisions: int
    values: int
    differing_decisions: int
    differing_bits: int
    first: list[_DecisionDifference]

def replay_decisions(log: str, sources: dict[str, Any], *, threads: int = 0) -> _DecisionReplay:
    """Recompute every logged decision from history (a table by source name) and compare bits.

    log: "sqlite:PATH". threads: 0 is one a core. Returns a dict: `decisions`, `values` compared, `differing_decisions`,
    `differing_bits`, and `first`: the first hundred differences as {request_id, what, was, is}.
    Raises LogError, DataError.
    """

# ---- monitor, build ---------------------------------------------------------------------------------------------------

def skew_compare(left: TableLike, right: TableLike, key: Sequence[str]) -> dict[str, Any]:
    """The exact paired comparison behind `featlib.skew`, as plain dicts."""

def arithmetic_digest() -> str:
    """SHA-256 of a fixed computation, 64 hex digits: equal wherever featlib computes the same bits."""

def time_zone_version() -> str:
    """Version of the time-zone database compiled in, such as "2025b"."""
