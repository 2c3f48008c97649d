"""No code reads the text of an error: what it needs to know is an attribute."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tickerkit

ROOT = Path(tickerkit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# What cuts, searches or compares text. `lower`, `strip` and slices only change how it looks.
METHODS = {
    "count",
    "endswith",
    "find",
    "index",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rpartition",
    "rsplit",
    "split",
    "splitlines",
    "startswith",
}
# Methods of a compiled regular expression.
PATTERN_METHODS = {"findall", "finditer", "fullmatch", "match", "search", "split", "sub"}
# Sentences of tickerkit's own that an attribute holds as text.
SENTENCES = {"problem", "fix", "expected", "status_detail", "status_reason", "last_error"}
# Before Python 3.12 asyncio joins the errors of several addresses into one text, and keeps
# nothing else of them.
ALLOWED = {
    f"{name}: f'[Errno {{errno.ECONNREFUSED}}]' in str(error)"
    for name in ("brokers/connection.py", "feed/failures.py")
}


def is_error(node: ast.AST, caught: set[str]) -> bool:
    """Return whether an expression is an error, or the cause of one."""
    match node:
        case ast.Name(name):
            return name in caught
        case ast.Attribute(value=error, attr="__cause__" | "__context__"):
            return is_error(error, caught)
        case ast.BoolOp(values=values):
            return any(is_error(value, caught) for value in values)
    return False


def is_prose(node: ast.AST, caught: set[str], texts: set[str]) -> bool:
    """Return whether an expression is the text of an error, or of a status.

    Args:
        node: the expression.
        caught: names of variables that hold an error.
        texts: names of variables that hold the text of one.
    """
    match node:
        case ast.Name(name):
            return name in texts
        case ast.Call(func=ast.Name("str" | "repr" | "describe"), args=[error]):
            return is_error(error, caught)
        case ast.FormattedValue(value=value):
            return is_error(value, caught) or is_prose(value, caught, texts)
        case ast.JoinedStr(values=values):
            return any(is_prose(value, caught, texts) for value in values)
        case ast.Subscript(value=ast.Attribute(attr="args")):
            return True
        case ast.Subscript(slice=ast.Constant(key)):
            return key in SENTENCES
        case ast.Attribute(attr=name):
            return name in SENTENCES
    return False


def parsed_prose(tree: ast.AST) -> Iterator[str]:
    """Yield each expression that reads the text of an error or of a status."""
    handlers = (node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
    parameters = (
        node.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.arg)
        and node.annotation is not None
        and "Exception" in ast.unparse(node.annotation)
    )
    caught = {"error", *filter(None, handlers), *parameters}
    yield from reads_in(tree, caught, set())
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            texts = {
                target.id
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and is_prose(node.value, caught, set())
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            yield from reads_in(function, caught, texts)


def reads_in(tree: ast.AST, caught: set[str], texts: set[str]) -> Iterator[str]:
    """Yield each expression that cuts, searches or compares prose; arguments as `is_prose`."""
    for node in ast.walk(tree):
        read = False
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=method), args=arguments):
                read = method in METHODS and is_prose(value, caught, texts)
                if method in PATTERN_METHODS or ast.unparse(value) == "re":
                    read = read or any(is_prose(each, caught, texts) for each in arguments)
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[text]):
                read = is_prose(text, caught, texts)
            case ast.Compare(left=text, ops=[ast.Eq() | ast.NotEq()], comparators=[ast.Constant()]):
                read = is_prose(text, caught, texts)
        if read:
            yield ast.unparse(node)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_reads_the_text_of_an_error(path: Path) -> None:
    """A change of wording changes no behaviour."""
    name = path.relative_to(ROOT).as_posix()
    found = parsed_prose(ast.parse(path.read_text(encoding="utf-8")))
    assert {f"{name}: {each}" for each in found} <= ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "str(error).partition(': ')",
        "str(error).replace('port=0', '--port 0')",
        "'no such' in str(error)",
        "f'{error}'.split()",
        "re.sub('a', 'b', str(error))",
        "error.args[0].startswith('no')",
        "try:\n    f()\nexcept OSError as problem:\n    'x' in str(problem)",
        "def f(cause: BaseException):\n    return describe(cause).find('x')",
        "feed.status_detail.partition('; ')",
        "stats['last_error'].startswith('the disk')",
        "error.fix == 'pass a path'",
        "'damaged' not in error.problem",
        "BUSY.search(str(error))",
        "BUSY.search(describe(error.__cause__ or error))",
        "def f(error):\n    text = str(error)\n    return 'x' in text",
        "def f(error):\n    text = f'{error}'\n    return BUSY.match(text)",
    ],
)
def test_reading_an_error_is_found(code: str) -> None:
    """The scan finds each way to parse prose."""
    assert list(parsed_prose(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "print(str(error))",
        "f'{error}; try again'",
        "error.port == 0",
        "stats['last_error'] != noted",
        "(error.strerror or str(error)).lower()",
        "text.partition(':')",
        "DURATION.fullmatch(text)",
        "def f(error):\n    text = str(error)\n    return text or 'no reason'",
    ],
)
def test_showing_an_error_is_allowed(code: str) -> None:
    """The scan lets code print an error, and read its facts."""
    assert not list(parsed_prose(ast.parse(code)))
