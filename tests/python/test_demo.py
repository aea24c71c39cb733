"""The demo's parts one by one, then the whole of it in small."""

import datetime as dt
import json
import math
from fractions import Fraction

import numpy as np
import pytest

from featlib.datasets import card_transactions
from featlib.demo import embed, metrics, published, stream
from featlib.demo.protocol import DAY_S, TEST_END_S, TEST_START_S, TRAIN_START_S, split


@pytest.fixture(scope="module")
def raw():
    return card_transactions(scale=0.02, start="2018-06-16", days=60, seed=5)


def test_the_weeks_are_the_handbooks():
    def day(epoch_s):
        return dt.datetime.fromtimestamp(epoch_s, dt.UTC).isoformat()[:10]

    assert (day(TRAIN_START_S), day(TEST_START_S), day(TEST_END_S)) == ("2018-07-25", "2018-08-08", "2018-08-15")


def test_the_test_week_leaves_out_customers_known_by_then(raw):
    parts = split(raw)
    fraud_day = (raw["TX_EPOCH_S"] - TRAIN_START_S) // DAY_S
    for row in np.flatnonzero(parts.test):
        before = (raw["CUSTOMER_ID"] == raw["CUSTOMER_ID"][row]) & (raw["TX_FRAUD"] == 1) & (fraud_day >= 0)
        assert not np.any(before & (fraud_day < fraud_day[row] - 7))
    week = (raw["TX_EPOCH_S"] >= TEST_START_S) & (raw["TX_EPOCH_S"] < TEST_END_S)
    assert 0 < parts.test.sum() < week.sum()


def test_the_measures_equal_scikit_learns():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 500)
    score = np.round(rng.normal(label, 2), 1)  # rounded, so that ties happen
    assert metrics.roc_auc(label, score) == pytest.approx(sklearn.roc_auc_score(label, score), abs=1e-12)
    assert metrics.average_precision(label, score) == pytest.approx(sklearn.average_precision_score(label, score), abs=1e-12)


def test_a_card_found_once_is_not_found_again():
    day, card = np.array([0, 0, 0, 1, 1]), np.array([1, 2, 1, 1, 3])
    label, score = np.array([1, 0, 0, 1, 0]), np.array([0.9, 0.5, 0.1, 0.9, 0.2])
    # Day 0: cards 1 and 2 lead, one of them defrauded. Day 1: card 1 is known, only card 3 is left.
    assert metrics.card_precision(day, card, label, score, k=2) == (1 / 2 + 0) / 2


def test_exact_means_round_once():
    epoch, amount = np.array([0, 10, 20, 25]), np.array([0.1, 0.2, 0.3, 1e10])
    means = published._exact_means(epoch, amount, 20)
    windows = [[0.1], [0.1, 0.2], [0.2, 0.3], [0.2, 0.3, 1e10]]  # (t - 20, t]: the row at 0 is out at 20
    assert means == [float(sum(map(Fraction, window)) / len(window)) for window in windows]


def test_a_wrong_mean_is_counted(raw):
    means = {name: np.full(raw["TX_AMOUNT"].size, math.pi) for name in published.MEANS.values()}
    assert all(comparison.wrong == comparison.values > 0 for comparison in published.against_exact(means, raw))


def test_the_stream_is_in_order_of_instants_labels_first_decisions_before_their_rows(raw):
    parts = split(raw)
    history, live = stream.build(raw, parts.test)
    assert np.all(history["epoch_s"] < TEST_START_S)
    assert np.all(np.diff(live["epoch_s"]) >= 0)
    decided = live["transaction"][live["kind"] == stream.DECIDE]
    assert sorted(decided) == sorted(raw["TRANSACTION_ID"][parts.test])
    where = {
        (kind, transaction): i for i, (kind, transaction) in enumerate(zip(live["kind"].tolist(), live["transaction"].tolist()))
    }
    for transaction in decided.tolist():
        assert where[stream.DECIDE, transaction] < where[stream.OBSERVE, transaction]
    same_instant = np.flatnonzero(np.diff(live["epoch_s"]) == 0)
    labels = live["kind"] == stream.LABEL
    assert not np.any(~labels[same_instant] & labels[same_instant + 1])


def test_no_label_arrives_before_it_is_seven_days_old(raw):
    history, live = stream.build(raw, split(raw).test)
    known = history["label"] != stream.UNKNOWN
    assert np.all(history["epoch_s"][known] < TEST_START_S - 7 * DAY_S)
    assert np.all(live["label"][live["kind"] != stream.LABEL] == stream.UNKNOWN)
    labels = live[live["kind"] == stream.LABEL]
    happened = dict(zip(raw["TRANSACTION_ID"].tolist(), raw["TX_EPOCH_S"].tolist()))
    assert all(happened[t] + 7 * DAY_S == at for t, at in zip(labels["transaction"].tolist(), labels["epoch_s"].tolist()))


def test_bits_are_counted_one_by_one():
    one = np.array([1.0, np.nan, 2.0])
    other = np.array([np.nextafter(1.0, 2.0), -np.nan, 2.0])
    assert stream.differing_bits(one, one) == 0
    assert stream.differing_bits(one, other) == 1
    assert stream.differing_bits(np.array([0.0]), np.array([-0.0])) == 1


def test_the_exported_records_have_the_documented_sizes(tmp_path, raw):
    history, live = stream.build(raw, split(raw).test)
    stream.write(tmp_path, history, live, np.ones((2, 15)), np.zeros((2, 15), np.uint8), np.ones(2, np.float32))
    assert (tmp_path / "stream.bin").stat().st_size == 50 * (len(history) + len(live))
    assert (tmp_path / "expected.bin").stat().st_size == 2 * (15 * 9 + 4)


def test_a_cpp_example_answers_with_its_exit_code_and_last_line(tmp_path, monkeypatch):
    monkeypatch.delenv(embed.VARIABLE, raising=False)
    assert embed.run(None, tmp_path, tmp_path / "b.flb") is None
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "$#"\necho "58264 decisions, 0 bits differ; p50 16.0 us"\n')
    program.chmod(0o755)
    assert embed.run(str(program), tmp_path, tmp_path / "b.flb") == embed.Embedded(True, "58,264 decisions, 0 bits differ; p50 16.0 us")
    program.write_text("#!/bin/sh\necho /tmp/2024/b: 1 bit differs\nexit 1\n")
    monkeypatch.setenv(embed.VARIABLE, str(program))
    assert embed.run(None, tmp_path, tmp_path / "b.flb") == embed.Embedded(False, "/tmp/2024/b: 1 bit differs")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole run in small: (exit code, folder)."""
    pytest.importorskip("xgboost")
    pytest.importorskip("pyarrow")
    from featlib.cli import main

    folder = tmp_path_factory.mktemp("demo")
    return main(["demo", "--quick", "--scale", "0.02", "-o", str(folder)]), folder


def test_the_demo_runs_in_small_and_no_bit_differs(finished):
    code, folder = finished
    result = json.loads((folder / "result.json").read_text())
    assert code == 0
    assert result["ok"]
    assert result["served"]["bits_that_differ"] == 0
    assert result["served"]["values"] == 15 * result["test"]["rows"] > 0
    assert result["replayed_decisions"] == {"decisions": result["test"]["rows"], "bits_that_differ": 0}


def test_the_page_stands_alone(finished):
    page = (finished[1] / "report.html").read_text()
    assert "0 bits" in page
    assert "<script" not in page
    assert "http" not in page


def test_a_decision_of_the_demo_can_be_explained(finished, capsys):
    from featlib.cli import main

    folder = finished[1]
    expected = np.fromfile(folder / "stream.bin", dtype=stream.EVENT)
    transaction = str(expected["transaction"][expected["kind"] == stream.DECIDE][0])
    assert main(["explain", str(folder / "decisions.db"), transaction]) == 0
    assert "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW" in capsys.readouterr().out
    assert main(["explain", str(folder / "decisions.db"), "nobody"]) == 2


def test_a_replayed_file_scores_as_the_demo_did(finished, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    from featlib.cli import main
    from featlib.demo import CONTRACT, data

    folder = finished[1]
    raw = data.load(quick=True, scale=0.02).columns
    source, features, scored = (str(tmp_path / f"{name}.parquet") for name in ("raw", "features", "scored"))
    parquet.write_table(pa.table(raw), source)
    arguments = ["--decisions", source, "--source", f"transactions={source}", "--as-of", "TX_EPOCH_S", "-o", features]
    assert main(["replay", str(CONTRACT), *arguments, "--quiet"]) == 0
    assert main(["score", str(folder / "handbook.flb"), features, "-o", scored, "--quiet"]) == 0
    table = parquet.read_table(scored)
    margin = dict(zip(table["TRANSACTION_ID"].to_pylist(), table["margin"].to_numpy().astype(np.float32)))
    events = np.fromfile(folder / "stream.bin", dtype=stream.EVENT)
    decided = events["transaction"][events["kind"] == stream.DECIDE].tolist()
    expected = np.fromfile(folder / "expected.bin", dtype=stream.expected_dtype(15))["margin"]
    assert stream.differing_bits(np.array([margin[t] for t in decided]), expected) == 0
