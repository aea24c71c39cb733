"""What the pages say holds: every block of README.md and docs/ is run, loaded, compiled or found where it comes from.

Python blocks of one page share a namespace, in order, and a comment after a print is what it must print. pages.py has the
markers for blocks that need a context; a block in a language that nothing here checks needs `<!-- not run: why -->`.
"""

import ast
import contextlib
import io
import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import tokenize

import pytest

import featlib as fl
from featlib.cli import VERBS, parser
from pages import NAMES, ROOT, blocks, prose, text_of

CHECKED = {
    "python": {""},
    "yaml": {"", "in", "from"},
    "cpp": {"", "given", "from"},
    "sql": {""},
    "": {""},  # shell
    "cmake": {"from"},
}


def each(*languages):
    """One test a block, named by its place."""
    found = blocks(*languages)
    return pytest.mark.parametrize("block", found, ids=[block.place for block in found])


@each()
def test_a_block_is_checked_or_says_why_not(block):
    known = CHECKED.get(block.language, set()) | {"not run"}
    assert block.how in known, f"{block.place}: {block.language or 'a'} block: put `<!-- {' | '.join(sorted(known - {''}))}: ... -->` on the line before it"


# ---- Python --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("python")}))
def test_python_runs_and_prints_what_its_comments_say(page, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(ROOT / "examples", tmp_path, dirs_exist_ok=True))
    names = {"__name__": page}
    for block in blocks("python"):
        if block.page == page:
            run(block, names)


def run(block, names):
    source = "\n" * (block.line - 1) + block.text  # so that a traceback shows the page's lines
    expected = comments(source)
    for statement in ast.parse(source).body:
        printed = io.StringIO()
        code = compile(ast.Module([statement], []), str(ROOT / block.page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        if is_print(statement) and statement.end_lineno in expected:
            place = f"{block.page}:{statement.end_lineno}"
            assert printed.getvalue().rstrip("\n") == expected.pop(statement.end_lineno), f"{place}: the comment is not what is printed"
    lost = [line for line in expected if "print(" in source.splitlines()[line - 1]]
    assert not lost, f"{block.page}: lines {lost}: a print inside another statement has no comment that could be compared"


def is_print(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and ast.unparse(statement.value.func) == "print"


def comments(source):
    """The comment that ends each line of code, by line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.removeprefix("#").strip() for t in tokens if t.type == tokenize.COMMENT and not t.line.lstrip().startswith("#")}


# ---- YAML ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if block.how != "from"], ids=lambda block: block.place)
def test_yaml_is_a_contract_a_part_of_one_or_a_policy(block):
    if not block.how:
        fl.Contract.parse(block.text, name=block.place)
    elif block.text.startswith("featlib_policy:"):
        fl.Bundle(contract=fl.Contract.load(ROOT / block.what), policy=block.text)
    else:
        fl.Contract.parse(merged((ROOT / block.what).read_text(encoding="utf-8"), block.text), base=(ROOT / block.what).parent, name=block.place)


def merged(contract, part):
    """`part` put into a contract: sections of a contract's top level, or features."""
    found = sections(contract)
    given = sections(part)
    if not given.keys() <= {"entities", "sources", "request", "request_of", "defaults", "features", "model"}:
        given = {"features": "".join(f"  {line}\n" for line in part.splitlines())}
    for name, lines in given.items():
        head, _, rest = lines.partition("\n") if lines.startswith(name) else ("", "", lines)
        known = found.get(name)
        found[name] = known + rest if known and rest else lines
    return "".join(found.values())


def sections(text):
    """The top-level keys of a YAML text, each with all its lines."""
    return {piece.split(":")[0]: piece for piece in re.split(r"^(?=\w+:)", text, flags=re.MULTILINE) if ":" in piece}


# ---- C++, SQL, other files' lines ----------------------------------------------------------------------------------


def test_cpp_compiles():
    """Each block is the body of a function; all in one unit, with the pages' own lines in the messages."""
    compiler = shutil.which("c++") or pytest.skip("no C++ compiler")
    unit = "#include <featlib/featlib.hpp>\n"
    for i, block in enumerate(block for block in blocks("cpp") if block.how != "from"):
        unit += f'void block_{i}({block.what}) {{\n#line {block.line} "{block.page}"\n{block.text}}}\n'
    command = [compiler, "-std=c++20", "-fsyntax-only", f"-I{ROOT / 'include'}", "-x", "c++", "-"]
    done = subprocess.run(command, input=unit, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@each("sql")
def test_sql_runs_on_a_decision_log(block, tmp_path):
    fl.Scorer(fl.Bundle(contract=fl.Contract.load(ROOT / "examples/card_risk.yaml")), log=f"sqlite:{tmp_path / 'log.db'}").flush()
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as log:
        for statement in filter(str.strip, block.text.split(";")):
            log.execute(statement)


FROM = [block for block in blocks() if block.how == "from"]


@pytest.mark.parametrize("block", FROM, ids=[block.place for block in FROM])
def test_lines_of_another_file_stand_there(block):
    theirs = {line_of(line) for line in (ROOT / block.what).read_text(encoding="utf-8").splitlines()}
    lost = [line for line in block.text.splitlines() if line_of(line) not in theirs | {""}]
    assert not lost, f"{block.place}: not in {block.what}:\n" + "\n".join(lost)


def line_of(text):
    """A line without its comment, its indentation and the namespace."""
    return " ".join(re.sub(r"(//|# ).*|\bfeatlib::", "", text).split())


# ---- shell, names, links -------------------------------------------------------------------------------------------

TARGETS = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
PRESETS = {preset["name"] for kind, presets in json.loads(text_of("CMakePresets.json")).items() if kind.endswith("Presets") for preset in presets}
VERB_NAMES = {verb.__name__.rpartition(".")[2] for verb in VERBS}


@each("")
def test_shell_lines_name_targets_presets_and_verbs_that_exist(block):
    lines = block.text.replace("\\\n", " ").splitlines()
    session = any(line.startswith("$ ") for line in lines)  # the other lines are answers
    for line in lines:
        if session and not line.startswith("$ "):
            continue
        for command in re.split(r"&&|\|", line.removeprefix("$ ")):
            words = shlex.split(command, comments=True)
            if words:
                understood(words, f"{block.place}: {line}")


def understood(words, place):
    match words:
        case ["make", *targets]:
            assert not {target for target in targets if "=" not in target} - TARGETS, f"{place}\nno such target; there are {sorted(TARGETS)}"
        case ["featlib", *arguments]:
            with contextlib.redirect_stderr(io.StringIO()) as said:
                try:
                    parser().parse_args(arguments)
                except SystemExit:
                    pytest.fail(f"{place}\n{said.getvalue()}")
        case ["cmake", *options]:
            named = options[options.index("--preset") + 1] if "--preset" in options else None
            assert named is None or named in PRESETS, f"{place}\nno such preset; there are {sorted(PRESETS)}"
        case ["python", script, *_]:
            assert (ROOT / script).is_file(), f"{place}\nno such file"
        case ["pip", "install", *_]:
            pass
        case _:
            pytest.fail(f"{place}\nno command that this test knows: teach it, or mark the block")


@pytest.mark.parametrize("page", [*NAMES, "CONTRIBUTING.md"])
def test_names_in_the_text_exist(page):
    spans = re.findall(r"`([^`\n]+)`", prose(page)) + re.findall(r"^    (make .*)", text_of(page), re.MULTILINE)
    for span in spans:
        tool, _, rest = span.partition(" ")
        name = rest.split(" ")[0]
        if re.fullmatch(r"[a-z-]+", name):
            assert tool != "make" or name in TARGETS, f"{page}: `{span}`: no such target; there are {sorted(TARGETS)}"
            assert tool != "featlib" or name in VERB_NAMES, f"{page}: `{span}`: no such verb; there are {sorted(VERB_NAMES)}"


def test_the_command_lines_page_lists_every_verb():
    listed = re.findall(r"^\| `([a-z]+)", text_of("docs/cli.md"), re.MULTILINE)
    assert set(listed) == VERB_NAMES


@pytest.mark.parametrize("page", [*NAMES, "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose(page)):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page}: nothing at {target}"
