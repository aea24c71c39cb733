"""featlib: one definition of every feature, for training and for serving, to the same bits.

    contract = fl.Contract.load("card_risk.yaml")
    table = fl.replay(contract, decisions, {"transactions": transactions, "payments": payments})

    scorer = fl.Scorer(fl.Bundle(contract=contract, model=model))
    scorer.observe("transactions", row)
    decision = scorer.decide(request)
"""

from featlib._core import (
    Bundle,
    BundleError,
    Contract,
    ContractError,
    DataError,
    Decision,
    DecisionLog,
    Ensemble,
    Error,
    Failure,
    FeatureTable,
    FeatureVector,
    LogError,
    ModelError,
    PolicyError,
    Scorer,
    StateError,
    Table,
    UsageError,
    __version__,
    arithmetic_digest,
    reference,
    replay,
    replay_decisions,
)
from featlib.schema import contract_schema
from featlib.skew import skew

__all__ = [
    "Contract",
    "contract_schema",
    "replay",
    "reference",
    "FeatureTable",
    "Table",
    "Ensemble",
    "Bundle",
    "Scorer",
    "FeatureVector",
    "Decision",
    "DecisionLog",
    "replay_decisions",
    "skew",
    "arithmetic_digest",
    "Failure",
    "Error",
    "ContractError",
    "DataError",
    "ModelError",
    "BundleError",
    "PolicyError",
    "StateError",
    "LogError",
    "UsageError",
    "__version__",
]
