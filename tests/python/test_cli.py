"""The command line: exit codes, formats, files, and errors that help."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import featlib as fl
from featlib.cli import main
from featlib.cli.doctor import SELF_TEST
from featlib.cli.progress import Progress, colour_wanted
from featlib.demo import CONTRACT

pa = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.csv")
pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def contract(tmp_path):
    path = tmp_path / "contract.yaml"
    path.write_text(SELF_TEST)
    return str(path)


@pytest.fixture
def payments():
    return pa.table(
        {
            "id": np.arange(40),
            "card_id": [f"00{i % 4}" for i in range(40)],
            "at": 1_600_000_000 + 300 * np.arange(40),
            "amount": np.arange(40) / 8,
        }
    )


@pytest.fixture
def replayed(tmp_path, contract, payments):
    source, out = tmp_path / "payments.parquet", tmp_path / "features.parquet"
    pa.parquet.write_table(payments, source)
    arguments = [
        "replay",
        contract,
        "--decisions",
        str(source),
        "--source",
        f"payments={source}",
        "--as-of",
        "at:s",
        "-o",
        str(out),
    ]
    assert main([*arguments, "--quiet"]) == 0
    return out


def test_a_good_contract_passes(contract, capsys):
    assert main(["lint", contract]) == 0
    assert "lint: " in capsys.readouterr().out


def test_every_fault_of_a_contract_is_listed_with_its_place(tmp_path, capsys):
    path = tmp_path / "bad.yaml"
    path.write_text(SELF_TEST.replace("owner:", "ownr:").replace("window: 1h}", "window: 7x}"))
    assert main(["lint", str(path)]) == 1
    out = capsys.readouterr().out
    assert f"error[unknown-key] {path}:4:1" in out
    assert out.count("error[bad-duration]") == 2
    assert "help:" in out


@pytest.mark.parametrize("format", ["json", "junit", "sarif", "github", "html"])
def test_lint_speaks_every_format_into_a_file(format, tmp_path, contract, capsys):
    out = tmp_path / "out"
    assert main(["lint", contract, "--format", format, "-o", str(out)]) == 0
    assert out.read_text()
    assert capsys.readouterr().out == ""


def test_a_missing_file_could_not_run(capsys):
    assert main(["lint", "nowhere.yaml"]) == 2
    assert "nowhere.yaml: no such file" in capsys.readouterr().err


def test_show_prints_the_resolved_contract(capsys):
    assert main(["show", str(CONTRACT)]) == 0
    assert "TERMINAL_ID_RISK_7DAY_WINDOW" in capsys.readouterr().out
    assert main(["show", str(CONTRACT), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["fingerprints"]["semantic"] == fl.Contract.load(str(CONTRACT)).fingerprint()


def test_show_sets_a_long_name_apart_from_its_type(capsys):
    assert main(["show", str(Path(__file__).parents[2] / "examples/card_risk.yaml")]) == 0
    assert capsys.readouterr().out.count("\n  merchant_category string\n") == 2


def test_replay_writes_decisions_features_and_statuses(replayed):
    table = pa.parquet.read_table(replayed)
    assert table.num_rows == 40
    assert {"id", "mean_1h", "count_1h", "mean_1h__status", "count_1h__status"} <= set(table.column_names)
    assert table["count_1h"].to_pylist()[-1] == 3  # the card's rows are 1,200 s apart, and [t - 1 h, t) holds its tail
    assert table["mean_1h"].to_pylist()[0] is None


def test_csv_columns_have_the_contracts_types(tmp_path, contract, payments, replayed):
    source, out = tmp_path / "payments.csv", tmp_path / "features.arrow"
    pa.csv.write_csv(payments, source)
    arguments = [
        "replay",
        contract,
        "--decisions",
        str(source),
        "--source",
        f"payments={source}",
        "--as-of",
        "at:s",
        "-o",
        str(out),
    ]
    assert main([*arguments, "--quiet"]) == 0
    assert main(["skew", str(replayed), str(out), "--key", "id", "--quiet"]) == 0
    with pa.ipc.open_file(out) as reader:
        assert reader.read_all()["card_id"].to_pylist()[:2] == ["000", "001"]


def test_skew_names_feature_row_and_values(tmp_path, replayed, capsys):
    table = pa.parquet.read_table(replayed)
    values = table["mean_1h"].to_pylist()
    values[7] = np.nextafter(values[7], np.inf)
    other = tmp_path / "other.parquet"
    pa.parquet.write_table(table.set_column(table.column_names.index("mean_1h"), "mean_1h", [values]), other)
    assert main(["skew", str(replayed), str(other), "--key", "id"]) == 1
    out = capsys.readouterr().out
    assert "mean_1h" in out
    assert "count_1h" not in out
    assert str(values[7]) in out


def test_skew_without_its_key_could_not_run(replayed, capsys):
    assert main(["skew", str(replayed), str(replayed), "--key", "nope"]) == 2
    assert "no column `nope`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--as-of", "at:weeks", "-o", "x.parquet"], "`weeks` is no unit"),
        (["--as-of", "at:s"], "needs -o FILE"),
        (["--as-of", "at:s", "-o", "x.parquet", "--source", "payments"], "expected NAME=FILE"),
    ],
)
def test_replay_says_what_it_expected(arguments, says, contract, tmp_path, payments, capsys):
    source = tmp_path / "payments.parquet"
    pa.parquet.write_table(payments, source)
    assert main(["replay", contract, "--decisions", str(source), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_an_error_of_the_library_is_text_and_not_a_traceback(contract, tmp_path, payments, capsys):
    source = tmp_path / "payments.parquet"
    pa.parquet.write_table(payments.drop_columns(["amount"]), source)
    arguments = [
        "replay",
        contract,
        "--decisions",
        str(source),
        "--source",
        f"payments={source}",
        "--as-of",
        "at:s",
        "-o",
        "x.parquet",
    ]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "error[missing-column]" in err
    assert "Traceback" not in err


def test_score_refuses_a_bundle_without_a_model(tmp_path, replayed, capsys):
    bundle = tmp_path / "features.flb"
    fl.Bundle(contract=fl.Contract.parse(SELF_TEST)).save(bundle)
    assert main(["score", str(bundle), str(replayed), "-o", str(tmp_path / "scored.parquet")]) == 2
    assert "features.flb has no model" in capsys.readouterr().err


def test_explain_refuses_a_log_that_is_not_there(capsys):
    assert main(["explain", "nowhere.db", "1"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_doctor_is_well(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "self-test" in out
    assert "not ok" not in out
    xgboost = pytest.importorskip("xgboost")  # whichever package it came from
    assert out.split("xgboost ")[1].split()[:2] == ["optional", xgboost.__version__]


def test_help_teaches(capsys):
    for verb in ("lint", "show", "replay", "score", "skew", "explain", "doctor", "demo"):
        with pytest.raises(SystemExit) as stopped:
            main([verb, "--help"])
        assert stopped.value.code == 0
        assert f"featlib {verb}" in capsys.readouterr().out.partition("examples:")[2]


def test_no_verb_prints_the_help_and_could_not_run(capsys):
    assert main([]) == 2
    assert "usage: featlib" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_needs_a_terminal_and_no_NO_COLOR(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colour_wanted(Terminal())
    assert not colour_wanted(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_wanted(Terminal())


def test_progress_lives_on_a_terminal_and_is_one_line_a_step_elsewhere(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for stream, living in ((Terminal(), True), (io.StringIO(), False)):
        with Progress(stream).step("replay") as step:
            step.update(1, 2)
            step.note = "done"
        assert ("50 %" in stream.getvalue()) == living
        assert stream.getvalue().endswith("s  done\n")
    shares = Terminal()
    with Progress(shares).step("replay") as step:
        step.update(0.375, 1.0)  # as replay tells it
    assert "[#########...............]  37 %" in shares.getvalue()
    quiet = io.StringIO()
    with Progress(quiet, quiet=True).step("replay"):
        pass
    assert quiet.getvalue() == ""


def test_importing_the_library_and_the_command_imports_no_data_frames():
    code = "import sys, featlib, featlib.cli; print([m for m in ('pandas', 'pyarrow', 'polars', 'xgboost', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_quickstart_prints_each_number_twice():
    example = Path(__file__).parents[2] / "examples" / "quickstart.py"
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, check=True)
    pairs = [line.split("replayed")[1].split("served") for line in done.stdout.splitlines()]
    assert len(pairs) == 12
    missing = {"nan": "None"}
    assert all(missing.get(offline.strip(), offline.strip()) == online.strip() for offline, online in pairs)
