"""One report, six formats: what a reader, a build server and a browser get."""

import json
from xml.etree import ElementTree

import pytest

from featlib.reports import Check, Report, svg
from featlib.reports.formats import align, show

HOSTILE = "a<b>&\"' \x01 % : , \n next"


@pytest.fixture
def report():
    return Report(
        "lint",
        "lint",
        [
            Check("a.yaml", "pass", "fine"),
            Check(
                "b.yaml:3:1", "fail", HOSTILE, code="unknown-key", help="did you mean `owner`?", path="b.yaml", line=3, column=1
            ),
            Check("b.yaml", "warn", "assumed", path="b.yaml"),
            Check("c.yaml", "inconclusive", "too few rows"),
        ],
        {"contracts": 3},
    )


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [([], "pass"), (["pass", "warn"], "warn"), (["inconclusive", "pass"], "inconclusive"), (["fail", "warn"], "fail")],
)
def test_the_verdict_is_the_worst_of_the_checks(verdicts, worst):
    report = Report("x", "x", [Check("c", verdict) for verdict in verdicts])
    assert report.verdict == worst
    assert report.ok == (worst != "fail")


def test_failures_are_rows(report):
    assert [row["code"] for row in report.failures] == ["unknown-key"]
    assert report.failures[0]["line"] == 3


def test_text_names_code_place_and_remedy(report):
    text = report.to_text()
    assert "error[unknown-key] b.yaml:3:1: a<b>" in text
    assert "  help: did you mean `owner`?" in text
    assert text.endswith("lint: fail (contracts 3)\n")
    assert "\x1b[" not in text
    assert "\x1b[31m" in report.to_text(colour=True)


def test_json_holds_everything_and_no_number_json_lacks(report):
    assert json.loads(report.to_json())["checks"][1]["message"] == HOSTILE
    odd = Report("x", "x", [Check("c", data={"left": float("nan"), "right": float("-inf")})])
    assert json.loads(odd.to_json())["checks"][0]["left"] == "NaN"


def test_junit_counts_its_cases_and_survives_any_text(report):
    suite = ElementTree.fromstring(report.to_junit())[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    assert suite.find("testcase/failure").get("type") == "unknown-key"


def test_sarif_has_one_result_for_each_check_that_did_not_pass(report):
    run = json.loads(report.to_sarif())["runs"][0]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note"]
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 1}
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} >= {"unknown-key"}


def test_github_annotations_stay_on_one_line(report):
    first = report.to_github().splitlines()[0]
    assert first.startswith("::error file=b.yaml,line=3,col=1,title=featlib lint unknown-key::")
    assert "%0A" in first
    assert " %25 " in first


def test_html_is_one_safe_file(report):
    html = report.to_html()
    assert "<script" not in html
    assert "http" not in html
    assert "a&lt;b&gt;" in html
    assert "a&lt;b&gt;" in report._repr_html_()


def test_numbers_stand_to_the_right_and_floats_keep_every_digit():
    assert align(["n"], [["1"], ["10"]]) == " n\n 1\n10"
    assert show(0.1 + 0.2) == "0.30000000000000004"
    assert (show(None), show(True), show(1234567)) == ("null", "yes", "1,234,567")


def test_plots_are_well_formed_and_say_what_they_are():
    curve = svg.lines([("a<b", [0, 1], [1, 0])], title="a curve", x_label="x", y_label="y", levels=[("level", 0.5)])
    stacked = svg.bars(["mon", "tue"], [("one", [1, 2]), ("two", [0, 0])], title="bars", x_label="day", y_label="n")
    empty = svg.bars([], [("one", [])], title="nothing", x_label="day", y_label="n")
    assert [">x</text>" in curve, ">y</text>" in curve, ">day</text>" in stacked, ">n</text>" in stacked] == [True] * 4
    for drawing, title in ((curve, "a curve"), (stacked, "bars"), (empty, "nothing")):
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        assert root.get("aria-label") == title
