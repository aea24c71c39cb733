"""`_core.pyi` is the compiled module: every name, parameter, default and type; and a user's file that leans on it.

Three looks, because each is blind where the next one sees: stubtest compares names and kinds, the signatures pybind11 writes
into docstrings hold the parameters that stubtest cannot read, and typing_example.py is run and type-checked.
"""

import ast
import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

import featlib as fl
from featlib import _core

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "python/featlib/_core.pyi"
EXAMPLE = Path(__file__).with_name("typing_example.py")
TREE = ast.parse(STUB.read_text(encoding="utf-8"))


def run(*command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, "NO_COLOR": "1"})
    return done.stdout + done.stderr


def test_stubtest_finds_each_name_of_the_module_in_the_stub_and_none_besides():
    said = run("mypy.stubtest", "featlib._core", "--concise", "--mypy-config-file", "pyproject.toml")
    # pybind11's metaclass is none of a user's business.
    wrong = [line for line in said.splitlines() if not line.endswith("metaclass differs")]
    assert not wrong, "write what the module has into python/featlib/_core.pyi:\n" + "\n".join(map(with_definition, wrong))


# ---- signatures --------------------------------------------------------------------------------------------------------

# pybind11's words for what a stub says more exactly: these prove nothing, whatever the stub says.
VAGUE = {"object", "dict", "list", "numpy.ndarray", "typing_extensions.CapsuleType", "typing_extensions.Buffer", "collections.abc.Buffer"}
SAME = {
    "typing.SupportsInt | typing.SupportsIndex": "int",
    "typing.SupportsFloat | typing.SupportsIndex": "float",
    "os.PathLike | str | bytes": "_Path",
    "collections.abc.Sequence[str]": "Sequence[str]",
}


def written_by_pybind11(name, doc):
    """The signature at the head of a docstring, as a function definition."""
    text = doc.strip().split("\n")[0]
    try:
        return ast.parse(f"def {name}{text[text.index('('):]}: ...").body[0]
    except SyntaxError:
        pytest.fail(f"{name}{text}: a C++ type shows here; bind its class before the function, or give the default an arg_v text")


def members(tree):
    """(qualified name, node) of every function, method and property; overloads give their first."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        if isinstance(node, ast.ClassDef) and hasattr(_core, node.name):  # a protocol is the stub's alone
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    found.setdefault(f"{node.name}.{item.name}", item)
    return found


def parameters(node):
    """(name, kind, type, default) of each parameter but self."""
    found = []
    args = node.args
    positional = args.posonlyargs + args.args
    defaults = [None] * (len(positional) - len(args.defaults)) + args.defaults
    for arg, default in zip(positional, defaults):
        found.append((arg, "positional", default))
    for arg, default in zip(args.kwonlyargs, args.kw_defaults):
        found.append((arg, "keyword-only", default))
    for arg in filter(None, (args.vararg, args.kwarg)):
        found.append((arg, "starred", None))
    return [
        (arg.arg, kind, arg.annotation and plain_type(arg.annotation), default and ast.unparse(default))
        for arg, kind, default in found
        if arg.arg not in ("self", "arg0")
    ]


def plain_type(node):
    text = ast.unparse(node)
    for word, short in (("featlib._core.", ""), ("numpy.typing.", ""), ("numpy.", "np.")):
        text = text.replace(word, short) if text not in VAGUE else text
    return SAME.get(text, text)


def agrees(theirs, ours):
    """Whether a stub's type is what pybind11 knows, or says more than it does."""
    if theirs == ours or theirs in VAGUE or ours is None:
        return theirs == ours or theirs in VAGUE
    if " | None" in theirs:
        return agrees(theirs.removesuffix(" | None"), ours.removesuffix(" | None"))
    return theirs == "str" and ours.startswith(("_", "Literal["))


def shown(name, node):
    """A definition without its body, to read and to copy."""
    listed, star = (["self"] if "." in name else []), False
    for word, kind, annotation, default in parameters(node):
        if kind == "keyword-only" and not star:
            listed.append("*")
            star = True
        listed.append(word + (f": {annotation}" if annotation else "") + (f" = {default}" if default else ""))
    return f"def {name.split('.')[-1]}({', '.join(listed)}) -> {node.returns and plain_type(node.returns)}: ..."


def compiled(name):
    """What the module has under a qualified name, and the docstring that holds its signature."""
    owner = _core
    *outer, last = name.split(".")
    for part in outer:
        owner = getattr(owner, part)
    found = inspect.getattr_static(owner, last)
    if isinstance(found, property):
        return found.fget.__doc__
    return getattr(getattr(owner, last), "__doc__", None)


@pytest.mark.parametrize("name", members(TREE))
def test_a_signature_of_the_stub_is_the_compiled_one(name):
    node = members(TREE)[name]
    doc = compiled(name)
    if any(arg.annotation and ast.unparse(arg.annotation) == "Never" for arg in node.args.posonlyargs):
        assert "No constructor defined" in uncallable(name), f"{name} can be called: write its parameters"
        return
    if not re.match(r"\w*\(", doc or ""):  # written by Python itself, such as __str__
        return
    theirs = written_by_pybind11(node.name, doc)
    explained = f"\nthe module: {shown(name, theirs)}\nthe stub:   {shown(name, node)}\n{STUB.name}: write what the module says, or more exactly"
    left, right = parameters(theirs), parameters(node)
    assert [p[:2] for p in left] == [p[:2] for p in right], explained
    for (word, _, type_, default), (_, _, ours, value) in zip(left, right):
        assert agrees(type_, ours), f"{word}: {ours} is not {type_}{explained}"
        assert (default is None) == (value is None), f"the default of {word}{explained}"
        assert value in (None, "...", default), f"the default of {word}{explained}"
    assert agrees(plain_type(theirs.returns), plain_type(node.returns)), explained


def uncallable(name):
    owner = getattr(_core, name.split(".")[0])
    with pytest.raises(TypeError) as refused:
        owner()
    return str(refused.value)


# What may also stand without its name: the one thing a call asks, and a parameter of another protocol.
POSITIONAL = {("Contract.fingerprint", "kind"), ("Table.__arrow_c_stream__", "requested_schema"), ("FeatureTable.__arrow_c_stream__", "requested_schema")}


def test_options_are_keyword_only():
    loose = {(name, word) for name, node in members(TREE).items() for word, kind, _, default in parameters(node) if default and kind == "positional"}
    assert loose == POSITIONAL, f"bind with py::kw_only() what has a default: {loose - POSITIONAL}"


def test_what_is_public_says_what_it_is():
    """Names and shapes speak for themselves in a property; all else has a docstring."""
    silent = [
        name
        for name, node in members(TREE).items()
        if not ast.get_docstring(node) and not node.name.startswith("__") and not any(ast.unparse(d) == "property" for d in node.decorator_list)
    ]
    silent += [node.name for node in TREE.body if isinstance(node, ast.ClassDef) and node.name[0] != "_" and not ast.get_docstring(node)]
    assert not silent, f"{STUB.name}: a docstring (shape, unit, empty value, errors) is missing for {silent}"


def with_definition(line):
    """What stubtest says of a name that is missing, and what to write for it."""
    name, _, said = line.partition(" ")
    name = name.removeprefix("featlib._core.")
    doc = said == "is not present in stub" and compiled(name)
    return f"{line}: {shown(name, written_by_pybind11(name.split('.')[-1], doc))}" if doc and re.match(r"\w*\(", doc) else line


# ---- dicts with known keys -----------------------------------------------------------------------------------------------

CONTRACT = """
featlib: 1
name: stub
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
    columns: {id: {type: int64}, amount: {type: float64}}
features:
  mean_7d: {description: Mean of the week., from: payments, aggregate: mean(amount), window: 7d}
"""
POLICY = "featlib_policy: 1\nname: p\nversion: 1.0.0\nscore: margin\nsegments: [{default: {review: 1, block: 2}}]\nrules: {before: [{name: all, when: true, outcome: review}], after: []}\n"


def dicts(folder):
    """One dict of each kind that a TypedDict of the stub describes."""
    contract = fl.Contract.parse(CONTRACT)
    payments = {"id": np.arange(3), "card_id": np.array(["a", "a", "b"]), "at": 1_600_000_000 + np.arange(3), "amount": np.array([1.0, np.nan, 3.0])}
    report = fl.replay(contract, {"card_id": ["a"], "at": [1_600_000_100]}, {"payments": payments}, as_of=("at", "s")).report["payments"]
    log = f"sqlite:{folder / 'log.db'}"
    scorer = fl.Scorer(fl.Bundle(contract=contract, policy=POLICY), log=log)
    scorer.observe("payments", payments)
    scorer.decide({"card_id": "a"}, as_of=1_600_000_100_000_000, request_id="r")
    stats = scorer.stats()
    scorer.flush()
    replayed = fl.replay_decisions(log, {"payments": {**payments, "amount": np.array([5.0, 5.0, 5.0])}})
    yield "_RowReport", report
    yield "_RefusedRow", report["first_refused"][0]
    yield "_Stats", stats
    yield "_SourceStats", stats["sources"]["payments"]
    yield "_Record", fl.DecisionLog(log).record("r")
    yield "_DecisionReplay", replayed
    yield "_DecisionDifference", replayed["first"][0]

    x = np.arange(20, dtype=np.float32).reshape(-1, 1)
    model = fl.Ensemble.from_xgboost(xgb.train({"base_score": 0.5}, xgb.DMatrix(x, x[:, 0], feature_names=["mean_7d"]), 2))
    yield "_Verification", model.verify(x)
    scorer = fl.Scorer(fl.Bundle(contract=contract, model=model))
    scorer.observe("payments", payments | {"amount": np.array([19.0, 19.0, 19.0])})
    yield "_Reason", scorer.decide({"card_id": "a"}, as_of=1_600_000_100_000_000).reasons[0]


def typed_dicts():
    """Keys (required, optional) of every TypedDict in the stub."""
    found = {}
    for node in TREE.body:
        if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["TypedDict"]:
            fields = {item.target.id: ast.unparse(item.annotation) for item in node.body if isinstance(item, ast.AnnAssign)}
            found[node.name] = {key: kind.startswith("NotRequired") for key, kind in fields.items()}
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "TypedDict":
            found[node.targets[0].id] = {key.value: False for key in node.value.args[1].keys}
    return found


def test_the_dicts_featlib_returns_have_the_keys_of_their_typed_dicts(tmp_path):
    described = typed_dicts()
    for name, given in dicts(tmp_path):
        keys = described.pop(name)
        more, less = given.keys() - keys.keys(), {key for key, optional in keys.items() if not optional} - given.keys()
        assert not more, f"{STUB.name}: add to {name}: {', '.join(f'{key}: {type(given[key]).__name__}' for key in more)}"
        assert not less, f"{STUB.name}: {name} has keys that no such dict holds: {less}"
    assert described.keys() == {"_Threshold"}, f"dicts() in {Path(__file__).name} makes none of {described.keys() - {'_Threshold'}}"


# ---- a user ----------------------------------------------------------------------------------------------------------------


def test_the_python_layer_is_typed_throughout():
    assert (ROOT / "python/featlib/py.typed").exists()
    said = run("mypy")
    assert said.startswith("Success"), said


def test_a_users_file_is_typed_as_it_expects():
    said = run("mypy", str(EXAMPLE))
    assert said.startswith("Success"), f"{said}\n{EXAMPLE.name} says how featlib is used: a type of _core.pyi or of the Python layer is wrong"


def test_the_users_file_runs_and_names_all_that_is_public():
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    right = [part for part in ast.parse(EXAMPLE.read_text(encoding="utf-8")).body if getattr(part, "name", "") != "mistakes"]
    used = {node.attr for part in right for node in ast.walk(part) if isinstance(node, ast.Attribute)}
    methods = {name for name in members(TREE) if "." in name and not name.split(".")[1].startswith("_")}
    unused = (set(fl.__all__) - used) | {name for name in methods if name.split(".")[1] not in used}
    assert not unused, f"{EXAMPLE.name}: use {sorted(unused)} once, with the types a user would expect"
