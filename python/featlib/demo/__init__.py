"""`featlib demo`: the Fraud Detection Handbook's chapter 3, trained by replay and served event by event, to the same bits."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np

from featlib.cli.progress import Progress
from featlib.demo import data, embed, metrics, model, page, published, stream
from featlib.demo.protocol import TEST_START_S, WEEK_DAYS, Split, split
from featlib.demo.result import Result

__all__ = ["CONTRACT", "POLICY", "run"]

CONTRACT = Path(__file__).with_name("handbook.yaml")
POLICY = Path(__file__).with_name("policy.yaml")


def run(
    *,
    data_file: str | None = None,
    quick: bool = False,
    scale: float | None = None,
    seed: int = 2018,
    output: str = "featlib-demo",
    cpp_example: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run every step and write the page; `Result.ok` says whether all bits agree."""
    import featlib as fl

    progress = progress or Progress()
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)

    with progress.step("data") as step:
        transactions = data.load(data_file, quick=quick, scale=scale, seed=seed)
        raw = transactions.columns
        step.note = f"{transactions.rows:,} transactions, {transactions.origin}"
    result = Result(transactions.origin, transactions.rows, has_published=transactions.published is not None)

    with progress.step("contract") as step:
        contract = fl.Contract.load(str(CONTRACT))
        features = list(contract.features)
        step.note = f"{len(features)} features, semantic fingerprint {contract.fingerprint()[:12]}"

    with progress.step("replay") as step:
        table = fl.replay(contract, raw, {"transactions": raw}, as_of="TX_EPOCH_S", progress=step.update)
        columns = table.to_numpy()
        step.note = f"{len(features) * transactions.rows:,} values"

    with progress.step("check") as step:
        result.comparisons = published.against_exact(columns, raw)
        if transactions.published is not None:
            result.comparisons = published.against_published(columns, transactions.published) + result.comparisons
        step.note = f"{sum(c.values for c in result.comparisons):,} values compared, {result.wrong:,} wrong"

    parts = split(raw)
    label = raw["TX_FRAUD"].astype(np.int64)
    result.train = (int(parts.train.sum()), int(label[parts.train].sum()))
    result.test = (int(parts.test.sum()), int(label[parts.test].sum()))

    with progress.step("train") as step:
        matrix = table.matrix()
        inputs = list(contract.inputs)
        booster = model.train(matrix[parts.train], label[parts.train], inputs)
        step.note = f"{result.train[0]:,} rows, {result.train[1]:,} frauds"

    with progress.step("score") as step:
        ensemble = fl.Ensemble.from_xgboost(booster)
        test_matrix = np.ascontiguousarray(matrix[parts.test])
        margin = np.asarray(ensemble.margin(test_matrix), dtype=np.float32).ravel()
        theirs = model.margins(booster, test_matrix, inputs)
        result.margins, result.margin_bits = margin.size, stream.differing_bits(margin, theirs)
        result.scores = _scores(raw, parts, label, margin)
        result.curve = metrics.precision_recall(label[parts.test], margin)
        step.note = f"{result.test[0]:,} rows, {result.test[1]:,} frauds"

    with progress.step("bundle") as step:
        bundle = fl.Bundle(
            contract=contract,
            model=ensemble,
            policy=POLICY.read_text(encoding="utf-8"),
            metadata={"data": transactions.origin},
        )
        bundle_file = folder / "handbook.flb"
        bundle.save(str(bundle_file))
        step.note = str(bundle_file)

    values = np.column_stack([np.asarray(columns[name], dtype=np.float64)[parts.test] for name in features])
    status = np.column_stack([np.asarray(table.status(name), dtype=np.uint8)[parts.test] for name in features])
    history, live = stream.build(raw, parts.test)
    log = f"sqlite:{_fresh(folder / 'decisions.db')}"

    with progress.step("stream") as step:
        scorer = fl.Scorer(bundle, log=log)
        served = stream.serve(scorer, history, live, features, step.update)
        scorer.flush()
        result.events = len(history) + len(live)
        step.note = f"{len(history):,} rows of history, {len(live):,} events, {len(served.outcome):,} of them decisions"

    # The stream decides in the order of (instant, sequence); the table has the order of its rows.
    decided = live["transaction"][live["kind"] == stream.DECIDE]
    position = {transaction: i for i, transaction in enumerate(raw["TRANSACTION_ID"][parts.test].tolist())}
    order = np.array([position[transaction] for transaction in decided.tolist()])
    values, status, margin = values[order], status[order], margin[order]
    result.served = values.size
    result.served_bits = (
        stream.differing_bits(served.values, values)
        + stream.differing_bits(served.status, status)
        + stream.differing_bits(served.margin, margin)
    )
    result.days, result.outcomes = _per_day(parts.day[parts.test][order], served.outcome)

    with progress.step("log") as step:
        report = fl.replay_decisions(log, {"transactions": raw})
        result.replayed, result.replayed_bits = report["decisions"], report["differing_bits"]
        step.note = f"{result.replayed:,} decisions recomputed"

    with progress.step("export") as step:
        stream.write(folder, history, live, values, status, margin)
        result.embedded = embed.run(cpp_example, folder, bundle_file)
        step.note = result.embedded.line if result.embedded else f"stream.bin, expected.bin ({embed.VARIABLE} is not set)"

    result.times = [(step.name, step.seconds, step.note) for step in progress.steps]
    result.page = str((folder / "report.html").resolve())
    Path(result.page).write_text(page.render(result), encoding="utf-8")
    (folder / "result.json").write_text(json.dumps(result.to_dict(), indent=2) + "\n", encoding="utf-8")
    return result


def _scores(raw: dict[str, np.ndarray], parts: Split, label: np.ndarray, margin: np.ndarray) -> dict[str, float]:
    """The three measures of the test week; the margin ranks as the probability does."""
    test = parts.test
    return {
        "AUC ROC": metrics.roc_auc(label[test], margin),
        "Average precision": metrics.average_precision(label[test], margin),
        "Card precision@100": metrics.card_precision(parts.day[test], raw["CUSTOMER_ID"][test], label[test], margin),
    }


def _fresh(file: Path) -> Path:
    """The log of this run alone: a second run must not replay the first one's decisions."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    return file


def _per_day(day: np.ndarray, outcome: list[str]) -> tuple[list[str], dict[str, list[int]]]:
    """How often each outcome was given on each day of the test week."""
    first = dt.datetime.fromtimestamp(TEST_START_S, dt.UTC).date()
    days = [(first + dt.timedelta(days=i)).isoformat() for i in range(WEEK_DAYS)]
    chosen = np.array(outcome)
    counts: dict[str, Any] = {
        name: np.bincount(day[chosen == name], minlength=WEEK_DAYS).tolist() for name in ("approve", "review", "block")
    }
    return days, counts
