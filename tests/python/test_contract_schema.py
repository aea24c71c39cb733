"""The JSON Schema accepts what the library accepts, and refuses with it what can be seen without the rest of the file."""

import random
import re

import jsonschema
import pytest
import yaml

import featlib as fl
import generators
from featlib.cli import main
from featlib.cli.doctor import SELF_TEST
from featlib.demo import CONTRACT as HANDBOOK
from pages import ROOT, blocks, text_of

SCHEMA = fl.contract_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CARD_RISK = (ROOT / "examples/card_risk.yaml").read_text(encoding="utf-8")


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema: NO is text and so is 2024-01-01, as editors read them."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", r"<<", "<"),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first))


def complaints(text):
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(yaml.load(text, Core))]


def real_contracts():
    """(where it stands, its text)."""
    yield "handbook", HANDBOOK if isinstance(HANDBOOK, str) else HANDBOOK.read_text(encoding="utf-8")
    yield "doctor", SELF_TEST
    for path in ("README.md", "examples/quickstart.py", "examples/cpp_embed/main.cpp", "tests/python/test_bad_input.py"):
        for i, text in enumerate(re.findall(r'(?:"""|R"[a-z]*\()\\?\n?(featlib: 1\n.*?)(?:"""|\)[a-z]*")', text_of(path), re.DOTALL)):
            yield f"{path} {i}", text
    for path in sorted((ROOT / "examples").glob("*.yaml")):
        yield path.name, path.read_text(encoding="utf-8")
    for block in blocks("yaml"):
        if block.text.startswith("featlib: "):
            yield block.place, block.text


REAL = list(real_contracts())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_there_are_real_contracts():
    assert {"handbook", "README.md 0", "examples/quickstart.py 0", "examples/cpp_embed/main.cpp 0", "card_risk.yaml"} <= {name for name, _ in REAL}


@pytest.mark.parametrize("text", [text for _, text in REAL], ids=[name for name, _ in REAL])
def test_real_contracts_and_their_resolved_forms_fit(text):
    assert complaints(text) == []
    assert complaints(fl.Contract.parse(text).resolved_json()) == []


@pytest.mark.parametrize("seed", range(40))
def test_generated_contracts_fit(seed):
    text = generators.triple(random.Random(seed)).text
    resolved = fl.Contract.parse(text).resolved_json()
    assert complaints(text) == [] and complaints(resolved) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: card_risk", "name: 404"),
        ("owner:", "tags: fraud\nowner:"),
        ("key: card_id, type: string", "key: [card_id], type: [string]"),
        ("entity: card", "entities: card"),
        ("event_time: paid_at", "event_time: {column: paid_at, unit: s, tz: Europe/Berlin, floor: true}"),
        ("scale: 2", "scale: 2, nan: null, round: true"),
        ("retention: 400d", "retention: forever"),
        ("window: 24h", "window: 0.5d"),
        ("\nrequest_of:", "  money: {union: [transactions, payments], retention: 90d}\nrequest_of:"),
        ("window: 24h", "last: 10"),
        ("window: 24h", "lifetime: true"),
        ("window: 24h", "window: 1d\n    bucket: complete\n    origin: 2024-01-01T05:00:00Z"),
        ("window: 24h", "gap: 30m\n    max_length: 4h"),
        ("aggregate: count()\n    window: 24h", "aggregate: as_of(amount)\n    max_age: 10d"),
        ("aggregate: count()\n    window: 24h", "aggregate: ' decay_sum( amount , 12h ) '"),
        ("fallback: 0.0", "fallback: 1e3"),
        ("range: [0, 100000]", "range: [null, 5]"),
        ("[clothing, electronics, food, fuel, gambling, travel]", "[NO, 1, true, 2024-01-01]"),
        ("expr: request.amount / avg_amount_30d", "expr: 1"),
    ],
)
def test_what_the_library_reads_fits(old, new):
    text = CARD_RISK.replace(old, new, 1)
    assert text != CARD_RISK
    fl.Contract.parse(text)
    assert complaints(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("owner:", "ownr:"),
        ("key: card_id", "ky: card_id"),
        ("dedup:", "dedupe:"),
        ("available_after:", "availabl_after:"),
        ("event_time: ts", "event_time: {column: ts, units: s}"),
        ("window: 24h", "windw: 24h"),
        ("null_rate:", "null_rates:"),
        ("\nrequest_of:", "  money: {union: [transactions, payments], dedup: txn_id}\nrequest_of:"),
        ("features:\n", "defaults: {minrows: 1}\nfeatures:\n"),
        ("version: 2.1.0\n", ""),
        ("    retention: 400d\n", ""),
        (", type: string}\n\nsources", "}\n\nsources"),
        ("    entity: card\n", ""),
        ("    entity: card\n", "    entity: card\n    entities: [card]\n"),
        ("delay: 0s", "delay: 0s\n    available_time: seen"),
        ("scale: 2, ", ""),
        ("{type: bool,", "{type: boole,"),
        ("{type: bool,", "{type: bool, scale: 2,"),
        ("available_after: 7d", "available_after: 7d, available_at: seen"),
        ("version: 2.1.0", "version: 2.1"),
        ("featlib: 1", "featlib: 2"),
        ("window: 24h", "window: 1 day"),
        ("window: 24h", "window: 24"),
        ("window: 24h", "window: 24h\n    bounds: '[('"),
        ("window: 24h", "window: 24h\n    bucket: hourly"),
        ("window: 24h", "window: 24h\n    last: 0"),
        ("window: 24h", "window: 24h\n    last: 1.5"),
        ("window: 24h", "window: 24h\n    include_request: yes"),
        ("window: 24h", "gap: 30m"),
        ("aggregate: count()", "aggregate: count"),
        ("aggregate: count()", "aggregate: count()\n    expr: 1"),
        ("expr: request.amount", "from: payments\n    expr: request.amount"),
        ("expr: request.amount", "from: request.amount\n    expr: request.amount"),
        ("expr: request.amount", "window: 7d\n    expr: request.amount"),
        ("    expr: request.amount / avg_amount_30d\n", ""),
        ("from: request.merchant_category", "from: transactions"),
        ("min_rows: 3", "min_rows: '3'"),
        ("model_missing: 999", "model_missing: none"),
        ("range: [0, 100000]", "range: [0]"),
        ("null_rate: 0.01", "null_rate: 1.5"),
        ("    vocabulary: [clothing, electronics, food, fuel, gambling, travel]\n", ""),
        ("    type: category\n", ""),
        ("  amount_vs_avg:", "  amount-vs-avg:"),
    ],
)
def test_what_an_editor_can_see_is_refused_by_both(old, new):
    text = CARD_RISK.replace(old, new, 1)
    assert text != CARD_RISK
    assert complaints(text)
    with pytest.raises(fl.ContractError):
        fl.Contract.parse(text)


def properties():
    for place, schema in {"top": SCHEMA, **SCHEMA["$defs"]}.items():
        for key, value in schema.get("properties", {}).items():
            yield pytest.param(value, key, id=f"{place}.{key}")


@pytest.mark.parametrize(("schema", "key"), list(properties()))
def test_the_example_and_the_default_of_a_key_fit_it(schema, key):
    example = yaml.load(re.search(r"For example `(.*)`\.$", schema["description"])[1], Core)
    whole = {**schema, "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(whole).validate(example[key])
    if "default" in schema and schema["default"] != "":
        jsonschema.Draft202012Validator(whole).validate(schema["default"])
    assert schema["x-fingerprint"] in {"semantic", "policy", "document"}


def test_show_prints_the_schema_that_the_tree_holds(tmp_path, capsys):
    out = tmp_path / "contract.schema.json"
    assert main(["show", "--schema", "-o", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == text_of("schema/contract.schema.json")
    assert main(["show"]) == 2 and main(["show", "x.yaml", "--schema"]) == 2
    assert "give a CONTRACT, or --schema" in capsys.readouterr().err


def test_the_page_prints_a_real_error():
    printed = next(block.text for block in blocks() if block.page == "docs/contract.md" and block.text.startswith("error["))
    with pytest.raises(fl.ContractError) as refused:
        fl.Contract.parse(CARD_RISK.replace("retention: 100d", "retention: 30d"), name="card_risk.yaml")
    assert str(refused.value) == printed.rstrip("\n")


def test_the_page_names_every_code_of_contracts():
    named = set(re.findall(r"^\| `([a-z-]+)` \| [A-Z]", text_of("docs/contract.md"), re.MULTILINE))
    codes = re.findall(r'FEATLIB_ERROR\(\w+, "([^"]+)", contract,', text_of("include/featlib/core/error_codes.def"))
    assert set(codes) <= named

