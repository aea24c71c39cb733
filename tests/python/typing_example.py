"""A user's program, run and type-checked by test_stub.py: `assert_type` says what featlib's types must be, and each
`type: ignore` a mistake that a type checker must find (mypy complains about one it does not need)."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import featlib as fl
from featlib.frames import TableLike
from featlib.reports import Report
from featlib.testing import assert_no_skew, assert_parity

CONTRACT = """
featlib: 1
name: typing
version: 1.0.0
owner: you@example.com
entities: {card: {key: card_id, type: string}}
sources:
  payments:
    entity: card
    event_time: {column: at, unit: s}
    delay: 0s
    dedup: id
    retention: 30d
    columns: {id: {type: int64}, amount: {type: float64}}
features:
  mean_7d: {description: Mean of the week., from: payments, aggregate: mean(amount), window: 7d}
"""
POLICY = "featlib_policy: 1\nname: p\nversion: 1.0.0\nscore: margin\nsegments: [{default: {review: 1, block: 2}}]\nrules: {before: [], after: []}\n"


def payments() -> dict[str, NDArray[Any]]:
    return {"id": np.arange(3), "card_id": np.array(["a", "a", "b"]), "at": 1_600_000_000 + np.arange(3), "amount": np.array([1.0, 2.0, 3.0])}


def training(contract: fl.Contract, decisions: TableLike) -> fl.FeatureTable:
    shares: list[float] = []
    table = fl.replay(contract, decisions, {"payments": payments()}, as_of=("at", "s"), threads=1, progress=lambda done, total: shares.append(done / total))
    slow = fl.reference(contract, decisions, {"payments": payments()}, as_of=("at", "s"), complete_from="always")
    assert_type(table.to_numpy(), dict[str, NDArray[Any]])
    assert_type(table.matrix(), NDArray[np.float32])
    assert_type(table.matrix(dtype=np.float64), NDArray[np.float64])
    assert_type(table.status("mean_7d"), NDArray[np.uint8])
    assert_type(table.report["payments"]["refused"], dict[str, int])
    assert_type(table.out_of_range, dict[str, int])
    assert_type(table.contract, fl.Contract)
    assert_type(len(table), int)
    assert_type(table.to_polars(status=True).width, int)
    table.to_arrow(category_text=True)
    table.stream(status=True)
    table.to_pandas()

    assert_type(fl.skew(table, slow, key="card_id"), Report)
    assert_type(fl.skew(table, slow, key=["card_id"]).ok, bool)
    assert_no_skew(table, slow, key="card_id")
    assert_parity(contract, decisions, {"payments": payments()}, as_of=("at", "s"))
    return table


def serving(contract: fl.Contract, folder: Path) -> None:
    bundle = fl.Bundle(contract=contract, policy=POLICY, metadata={"model_version": "7"})
    bundle.save(folder / "b.flb")
    assert fl.Bundle.load(folder / "b.flb").to_bytes() == fl.Bundle.from_bytes(bundle.to_bytes()).to_bytes()
    assert_type(bundle.model, fl.Ensemble | None)
    assert_type(bundle.policy, str | None)
    assert_type(bundle.metadata, dict[str, Any])
    assert_type((bundle.fingerprint, bundle.model_version, bundle.feature_schema_version), tuple[str, str, str])

    log = f"sqlite:{folder / 'log.db'}"
    scorer = fl.Scorer(bundle, log=log, history="memory:", grace="1h", complete_from={"payments": 0})
    assert_type(scorer.observe("payments", {"id": 1, "card_id": "a", "at": 1_600_000_000, "amount": 1.0}), int)
    scorer.observe("payments", payments())

    assert_type(scorer.replace("payments", {"id": 1, "card_id": "a", "at": 1_600_000_000, "amount": 2.0}, available_time=1_600_000_100_000_000), bool)
    assert_type(scorer.retract("payments", 2), bool)

    vector = scorer.features({"card_id": "a"}, as_of=datetime(2020, 9, 14, tzinfo=UTC))
    assert_type(vector, fl.FeatureVector)
    assert_type(vector.status, dict[str, int])
    mean = vector.values["mean_7d"]
    assert mean is None or mean > 0

    decision = scorer.decide({"card_id": "a"}, as_of=1_600_100_000_000_000, request_id="r")
    assert_type(decision, fl.Decision)
    assert_type(decision.score, float | None)
    assert_type(decision.margin, float | None)
    assert_type(decision.as_of, int)
    assert_type((decision.request_id, decision.model_version, decision.feature_schema_version), tuple[str, str, str])
    assert_type((decision.features, decision.status), tuple[dict[str, Any | None], dict[str, int]])
    assert_type([reason["text"] for reason in decision.reasons], list[str])
    assert decision.outcome in ("approve", "review", "block") and decision.mode != "bad_request"

    scorer.advance(1_600_200_000_000_000)
    history = scorer.export_history("payments")
    assert_type(history, fl.Table)
    assert_type((history.column_names, history.metadata, len(history)), tuple[list[str], dict[str, str], int])
    blob = scorer.snapshot()
    assert_type(blob, bytes)
    assert_type(scorer.stats()["sources"]["payments"]["observed"], int)
    assert_type(scorer.stats()["frontier"], int | None)
    assert_type(scorer.bundle, fl.Bundle)
    scorer.flush()
    assert_type(fl.Scorer.restore(bundle, blob), fl.Scorer)
    fl.Scorer.restore(bundle, blob).merge(fl.Scorer.restore(bundle, blob))

    record = fl.DecisionLog(log).record("r")
    assert record is not None
    assert_type(record["risk_score"], float | None)
    assert_type(len(fl.DecisionLog(log)), int)
    assert_type(fl.replay_decisions(log, {"payments": history}, threads=1)["differing_bits"], int)


def scoring(booster: Any, table: fl.FeatureTable) -> None:
    """Never run: it needs a trained model."""
    model = fl.Ensemble.from_xgboost(booster)
    assert_type(model, fl.Ensemble)
    assert_type(fl.Ensemble.from_catboost(booster), fl.Ensemble)
    assert_type(fl.Ensemble.from_sklearn(booster), fl.Ensemble)
    assert_type(fl.Ensemble.from_lightgbm(booster).categories, dict[str, list[str]])
    assert_type(model.margin(table), NDArray[np.float32 | np.float64])
    assert_type(model.predict(table.matrix(dtype=np.float64), threads=0), NDArray[np.float32 | np.float64])
    assert_type(model.leaves(table.matrix()), NDArray[np.int32])
    assert_type(model.contributions(table), NDArray[np.float32])
    assert_type(model.contributions(table, mode="double"), NDArray[np.float64])
    assert_type(model.contributions(table, background=table.matrix()), NDArray[np.float64])
    assert_type(model.verify(table)["differing"], int)
    assert_type((model.features, model.outputs, model.trees), tuple[int, int, int])
    assert_type((model.feature_names, model.objective, model.format, model.backend, model.fingerprint), tuple[list[str], str, str, str, str])


def errors() -> None:
    for stage in (fl.ContractError, fl.DataError, fl.ModelError, fl.BundleError, fl.PolicyError, fl.StateError, fl.LogError, fl.UsageError):
        assert not stage("by hand").failures
    try:
        fl.Contract.parse("featlib: 1")
    except fl.Error as error:
        first = error.failures[0]
        assert_type(first, fl.Failure)
        assert_type((first.code, first.path, first.line, first.column, first.message, first.help), tuple[str, str, int, int, str, str])


def mistakes(contract: fl.Contract, scorer: fl.Scorer, table: fl.FeatureTable, vector: fl.FeatureVector) -> None:
    """Never run: what must not type-check."""
    fl.Contract()  # type: ignore[call-arg]
    fl.Bundle(contract)  # type: ignore[call-arg]
    fl.replay(contract, table, {}, "as_of")  # type: ignore[call-arg]
    fl.replay(contract, table, {}, as_of=("at", 1))  # type: ignore[arg-type]
    fl.replay(contract, 7, {})  # type: ignore[arg-type]
    fl.skew(table, table)  # type: ignore[call-arg]
    contract.fingerprint("sematic")  # type: ignore[arg-type]
    scorer.decide({}, as_of="2026-03-05")  # type: ignore[arg-type]
    scorer.retract("payments", 1, 1_600_000_100_000_000)  # type: ignore[call-arg]
    scorer.decide({}).outcome == "approved"  # type: ignore[comparison-overlap]
    scorer.stats()["sorces"]  # type: ignore[typeddict-item]
    table.matrix(dtype="int32")  # type: ignore[call-overload]
    vector.values["mean_7d"] + 1  # type: ignore[operator]


def main() -> None:
    assert_type((fl.__version__, fl.arithmetic_digest()), tuple[str, str])
    contract = fl.Contract.parse(CONTRACT, name="typing_example")
    assert_type((contract.name, contract.version, contract.owner, contract.description), tuple[str, str, str, str])
    assert_type((contract.features, contract.inputs, contract.sources), tuple[list[str], list[str], list[str]])
    assert_type(contract.warnings, list[fl.Failure])
    assert_type((contract.fingerprint(), contract.fingerprint("policy"), contract.feature_fingerprint("mean_7d")), tuple[str, str, str])
    assert_type((contract.resolved_json(), contract.describe()), tuple[str, str])
    assert_type(fl.contract_schema(), dict[str, Any])

    training(contract, {"card_id": ["a"], "at": [1_600_000_100]})
    errors()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "typing.yaml").write_text(CONTRACT)
        assert fl.Contract.load(Path(folder) / "typing.yaml").fingerprint() == contract.fingerprint()
        serving(contract, Path(folder))


if __name__ == "__main__":
    main()
