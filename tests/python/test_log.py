"""The decision log as a service in Python meets it; tests/cpp/log_test.cpp has the rest."""

import featlib as fl

CONTRACT = fl.Contract.parse("""
featlib: 1
name: log
version: 1.0.0
owner: you@example.com
entities: {card: {key: card_id, type: string}}
sources: {payments: {entity: card, event_time: paid_at, delay: 0s, retention: 30d, columns: {amount: {type: float64}}}}
features: {n_7d: {description: Payments of the week., from: payments, aggregate: count(), window: 7d}}
""")


def test_a_flushed_decision_can_be_read_while_the_scorer_lives_on(tmp_path):
    log = f"sqlite:{tmp_path / 'decisions.db'}"
    scorer = fl.Scorer(fl.Bundle(contract=CONTRACT), log=log)
    scorer.decide({"card_id": "c1"}, as_of=1_600_000_000_000_000, request_id="r-1")
    assert fl.DecisionLog(log).record("r-1") is None
    scorer.flush()
    assert fl.DecisionLog(log).record("r-1")["features"] == {"n_7d": 0}
    fl.Scorer(fl.Bundle(contract=CONTRACT)).flush()  # without a log there is nothing to wait for


def test_a_kept_decision_keeps_no_scorer(tmp_path):
    log = f"sqlite:{tmp_path / 'decisions.db'}"
    scorer = fl.Scorer(fl.Bundle(contract=CONTRACT), log=log)
    kept = scorer.decide({"card_id": "c1"}, as_of=1_600_000_000_000_000, request_id="r-1")
    vector = scorer.features({"card_id": "c1"}, as_of=1_600_000_000_000_000)
    del scorer  # its log closes now, whoever still looks at an answer
    assert fl.DecisionLog(log).record("r-1")["decision"] == kept.outcome == "none"
    assert kept.features == vector.values == {"n_7d": 0}
