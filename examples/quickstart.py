"""One contract, two roads to a number: a training table by replay, a served vector by a scorer.

    python examples/quickstart.py
"""

from datetime import datetime

import numpy as np

import featlib as fl

CONTRACT = """
featlib: 1
name: quickstart
version: 1.0.0
owner: you@example.com
description: What a card usually spends.

entities:
  card: {key: card_id, type: string}

sources:
  transactions:
    entity: card
    event_time: ts
    dedup: txn_id
    retention: 30d
    columns:
      txn_id: {type: string}
      amount: {type: decimal, scale: 2, unit: USD}

request_of: transactions
request:
  amount: {type: decimal, scale: 2, unit: USD}

features:
  avg_amount_30d:
    description: Mean amount of the 30 days before.
    from: transactions
    aggregate: mean(amount)
    window: 30d
  txn_velocity_24h:
    description: Transactions in the 24 hours before.
    from: transactions
    aggregate: count()
    window: 24h
  amount_vs_avg:
    description: This amount beside the usual one.
    expr: request.amount / avg_amount_30d
"""

TRANSACTIONS = [
    {"txn_id": "t1", "card_id": "c1", "ts": "2026-03-01T09:00:00Z", "amount": "12.50"},
    {"txn_id": "t2", "card_id": "c1", "ts": "2026-03-02T18:30:00Z", "amount": "8.99"},
    {"txn_id": "t3", "card_id": "c1", "ts": "2026-03-03T08:15:00Z", "amount": "104.00"},
    {"txn_id": "t4", "card_id": "c1", "ts": "2026-03-03T08:20:00Z", "amount": "55.10"},
]


def main() -> None:
    """Print every transaction's features twice; the bits are the same."""
    contract = fl.Contract.parse(CONTRACT)

    # Training: every transaction is a decision, and sees only what was known before it.
    history = {name: np.array([row[name] for row in TRANSACTIONS]) for name in TRANSACTIONS[0]}
    replayed = fl.replay(contract, history, {"transactions": history}, as_of="ts").to_numpy()

    # Serving: decide first, then observe, as a service does.
    scorer = fl.Scorer(fl.Bundle(contract=contract))
    for i, row in enumerate(TRANSACTIONS):
        request = {name: row[name] for name in ("card_id", "txn_id", "amount")}
        served = scorer.features(request, as_of=datetime.fromisoformat(row["ts"])).values
        scorer.observe("transactions", row)
        for feature in contract.features:
            offline, online = replayed[feature][i], served[feature]  # null is NaN in an array, None in a dict
            print(f"{row['txn_id']} {feature:<17} replayed {offline!s:<20} served {online!s:<20}")


if __name__ == "__main__":
    main()
