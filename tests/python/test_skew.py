"""Skew is exact: a single bit is a difference, and the report names the row."""

import json

import numpy as np
import pytest

import featlib as fl


@pytest.fixture
def table():
    return {"id": np.arange(5), "mean": np.array([1.0, 2.0, 3.0, 4.0, 5.0]), "count": np.arange(5) * 2}


def test_equal_tables_pass(table):
    report = fl.skew(table, table, key="id")
    assert report.ok
    assert report.failures == []
    assert report.facts["rows paired"] == 5


def test_one_bit_in_one_row_fails_and_is_named(table):
    other = table | {"mean": table["mean"].copy()}
    other["mean"][3] = np.nextafter(4.0, 5.0)
    report = fl.skew(table, other, key="id")
    assert not report.ok
    (failure,) = report.failures
    assert (failure["name"], failure["differing"], failure["ulp"]) == ("mean", 1, 1)
    assert "4.0" in failure["message"]
    assert "4.000000000000001" in failure["message"]


def test_the_worst_feature_comes_first(table):
    other = table | {"mean": table["mean"] + np.array([0, 0, 0, 0, 1.0]), "count": table["count"] + 1}
    assert [row["name"] for row in fl.skew(table, other, key="id").failures] == ["count", "mean"]


def test_rows_are_paired_by_key_not_by_place(table):
    shuffled = {name: column[::-1].copy() for name, column in table.items()}
    assert fl.skew(table, shuffled, key=["id"]).ok


def test_a_row_without_a_partner_is_a_failure(table):
    shorter = {name: column[:4].copy() for name, column in table.items()}
    report = fl.skew(table, shorter, key="id")
    assert [row["code"] for row in report.failures] == ["unpaired-rows"]


def test_nan_equals_nan_and_differs_from_a_number(table):
    left = table | {"mean": np.array([np.nan, 2, 3, 4, 5])}
    assert fl.skew(left, left, key="id").ok
    assert not fl.skew(left, table, key="id").ok


def test_the_json_is_json(table):
    other = table | {"mean": table["mean"] * np.nan}
    assert json.loads(fl.skew(table, other, key="id").to_json())["verdict"] == "fail"
