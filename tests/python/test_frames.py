"""Tables go in and come out as NumPy, pyarrow, Polars and pandas, with the same values whichever way."""

import numpy as np
import pytest

import featlib as fl

pa = pytest.importorskip("pyarrow")
polars = pytest.importorskip("polars")
pandas = pytest.importorskip("pandas")

CONTRACT = fl.Contract.parse("""
featlib: 1
name: frames
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
    columns: {id: {type: int64}, amount: {type: float64}, ok: {type: bool}}
features:
  mean_7d: {description: Mean of the week., from: payments, aggregate: mean(amount), window: 7d}
  good_7d: {description: Those that went well., from: payments, aggregate: sum(ok), window: 7d}
""")
FORMS = {"numpy": dict, "pyarrow": pa.table, "polars": polars.DataFrame, "pandas": pandas.DataFrame}


def payments(rows):
    numbers = np.arange(rows)
    card = np.array([f"c{i % 3}" for i in numbers], dtype="U2")
    return {"id": numbers, "card_id": card, "at": 1_600_000_000 + 500 * numbers, "amount": numbers / 8, "ok": numbers % 4 > 0}


@pytest.mark.parametrize("rows", [0, 1, 50])
@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_any_form_comes_out_in_any_form(form, rows):
    table = fl.replay(CONTRACT, FORMS[form](payments(rows)), {"payments": FORMS[form](payments(rows))}, as_of="at")
    plain = fl.replay(CONTRACT, payments(rows), {"payments": payments(rows)}, as_of="at")
    expected = {**plain.to_numpy(), **{f"{name}__status": plain.status(name) for name in CONTRACT.features}, "at": payments(rows)["at"]}
    for out in (table.to_arrow(status=True), table.to_polars(status=True), table.to_pandas(status=True)):
        assert len(out) == rows
        for name, values in expected.items():
            column = out[name].to_numpy()
            assert np.array_equal(column.astype(values.dtype), values, equal_nan=values.dtype.kind == "f"), name


def test_an_exported_history_is_a_table_even_when_it_is_empty():
    scorer = fl.Scorer(fl.Bundle(contract=CONTRACT))
    for rows in (0, 50):
        if rows:
            scorer.observe("payments", payments(rows))
        history = scorer.export_history("payments")
        assert polars.DataFrame(history).height == pa.table(history).num_rows == len(history) == rows


def test_options_are_known_by_name():
    table = fl.replay(CONTRACT, payments(1), {"payments": payments(1)}, as_of="at")
    with pytest.raises(TypeError, match="incompatible function arguments"):
        table.to_pandas(statuses=True)
    with pytest.raises(fl.UsageError, match="a matrix of int32\n.*float32 or float64"):
        table.matrix(dtype="int32")
