"""The house inspects itself: what DESIGN promises of the code is read off the code (MODELS 4, habit 10).

Each table below is the place where a promise may be changed, on purpose and in sight.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "csstream"

PURE_LIBRARY = {
    "__future__", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools",
    "hashlib", "heapq", "itertools", "math", "operator", "re", "string", "typing", "unicodedata", "zlib", "zoneinfo",
}  # fmt: skip
"""Modules of the standard library without clock, I/O, randomness or threads; zoneinfo reads its own tables."""

CORE_MAY_IMPORT = ("csstream.events", "csstream.policy", "csstream.core", "msgspec")

IMPURE_NAMES = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint", "globals"}
CLOCKS = {"now", "utcnow", "today"}
"""What `datetime` and `date` ask the machine for."""

DRIVERS = {"gateway", "kafka", "logs", "replay", "serve"}
"""Packages that never import each other: what two of them need lies below both (`web`, `notify` and `wall` do)."""

LOWEST = ("core", "events", "policy")
"""What everything stands on; they import nothing of csstream but each other, events and policy not even core."""

MAY_IMPORT = {
    "aiohttp": ("gateway", "kafka", "notify", "serve", "wall", "web"),
    "aiokafka": ("gateway", "kafka", "ledgers.kafka", "notify", "wall"),
    "aiosmtplib": ("notify",),
    "charset_normalizer": ("logs.encoding",),
    "click": ("cli",),
    "faust": ("kafka",),
    "msgspec": (
        "core",
        "events",
        "kafka",
        "ledgers",
        "logs",
        "merge",
        "notify",
        "replay",
        "runner",
        "serve",
        "wall",
        "web",
    ),
    "orjson": ("gateway", "kafka", "logs", "notify", "replay", "serve", "simulate", "wall", "web"),
    "polars": ("logs", "replay"),
    "prometheus_client": ("exporter",),
    "python_calamine": ("logs",),
    "rich": ("cli", "replay", "serve"),
    "zstandard": ("logs", "replay", "serve"),
}
"""Third-party library: the modules or packages of csstream that may import it (msgspec and orjson: where bytes
become events and rows, and back)."""

BANNED_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "base", "common", "misc"}

UNDONE = ("TO" + "DO", "FIX" + "ME", "X" * 3)
PLACES = ("work", "root", "home", "tmp", "Users")
PLACE = re.compile(rf"(?<![\w.:/~}}*-])/({'|'.join(PLACES)})(/|\b(?![-\w.]))")
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "proxy.golang" + ".org",
)


@cache
def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """`core.calendar` for `csstream/core/calendar.py`, `core` for its `__init__`; empty for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path: Path) -> ast.Module:
    """The module, parsed."""
    return ast.parse(path.read_text("utf-8"), str(path))


@cache
def imports(path: Path) -> list[str]:
    """Full names of the modules that a module imports, also inside functions; `a.b` for `from a import b` too."""
    names = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides which way it points"
            assert node.module is not None
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


@cache
def own_imports(path: Path) -> set[str]:
    """The modules of csstream that a module imports, without `csstream.`; of a package and its module, the module."""
    names = {name.removeprefix("csstream.") for name in imports(path) if name.startswith("csstream.")}
    known = {dotted(module) for module in modules()} & names
    return {name for name in known if not any(other.startswith(f"{name}.") for other in known)}


def inside(name: str, places: tuple[str, ...] | set[str]) -> bool:
    """Whether a dotted name is one of the places or in one of them."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def name_of(path: Path) -> str:
    """For test ids and messages."""
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    """The files of the project, as git sees them; where there is no git, all that are not made by tools."""
    if (ROOT / ".git").exists():
        run = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        found = [ROOT / name for name in run.stdout.decode().split("\0") if name]
    else:
        found = [
            path
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(ROOT).parts)
        ]
    return sorted(path for path in set(found) if path.is_file())


def texts() -> Iterator[tuple[Path, int, str]]:
    """Every line of every text file of the project."""
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # samples in other encodings and binary formats
        for number, line in enumerate(text.splitlines(), 1):
            yield path, number, line


CORE = [path for path in modules() if inside(dotted(path), ("core",))]


def test_there_is_something_to_inspect() -> None:
    assert len(CORE) >= 8
    assert len(modules()) > len(CORE)
    assert len(tracked()) > len(modules())


# ---- the core is pure ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*CORE, PACKAGE / "events.py"], ids=name_of)
def test_the_core_imports_nothing_that_has_effects(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] in PURE_LIBRARY or inside(name, CORE_MAY_IMPORT) or name == "csstream", (
            f"{name_of(path)} imports {name}: the core takes time, randomness and I/O as arguments"
        )


@pytest.mark.parametrize("path", [*CORE, PACKAGE / "events.py"], ids=name_of)
def test_the_core_calls_nothing_that_has_effects(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name):
            assert node.id not in IMPURE_NAMES, f"{name_of(path)}:{node.lineno}: {node.id}"
        elif isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            asked = ast.unparse(node.value).rpartition(".")[2]
            assert asked not in {"datetime", "date"}, f"{name_of(path)}:{node.lineno}: time is an argument"
        assert not isinstance(node, ast.Global | ast.AsyncFunctionDef | ast.Await), f"{name_of(path)}: {node}"


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_an_instant_becomes_local_time_only_by_a_zone_that_was_given(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "fromtimestamp":
                assert len(node.args) + len(node.keywords) == 2, (
                    f"{name_of(path)}:{node.lineno}: the machine's zone"
                )
            if node.func.attr == "astimezone":
                assert node.args, f"{name_of(path)}:{node.lineno}: the machine's zone"


def test_the_core_loads_without_any_driver() -> None:
    names = [f"csstream.{dotted(path)}" for path in CORE]
    code = "import importlib, sys\n" + "\n".join(f"importlib.import_module({name!r})" for name in names)
    code += "\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & {"asyncio", "logging", "socket", "subprocess", *MAY_IMPORT} - {"msgspec"}
    own = {name.removeprefix("csstream.") for name in loaded if name.startswith("csstream.")}
    assert all(inside(name, LOWEST) for name in own), own


# ---- arrows point down --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_arrows_point_down(path: Path) -> None:
    here = dotted(path)
    part = here.split(".")[0]
    for name in own_imports(path):
        other = name.split(".")[0]
        assert part not in {"events", "policy"} or other == part, (
            f"{name_of(path)} imports {name}: all others stand on it"
        )
        if part == "core":
            assert inside(name, LOWEST), f"{name_of(path)} imports {name}: the core knows no driver"
        if name == "ledgers":
            continue  # the protocol alone, which its users and its adapters share
        if part in {"merge", "runner", "ledgers"}:
            assert other not in DRIVERS, f"{name_of(path)} imports {name}: it is driven, and does not drive"
        if part in {"core", "merge", "runner"}:
            assert other != "ledgers", (
                f"{name_of(path)} imports {name}: a driver chooses where steps are kept"
            )
        if part in DRIVERS and other != part:
            assert other not in DRIVERS, f"{name_of(path)} imports {name}: drivers do not know each other"
        if part != "cli" and here != "__main__":
            assert other != "cli", f"{name_of(path)} imports {name}: nothing stands on the command line"


def test_the_modules_of_the_package_go_in_no_circle() -> None:
    edges = {dotted(path): {n for n in own_imports(path) if n != dotted(path)} for path in modules()}
    left = dict(edges)
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other in a circle: {sorted(left)}"


# ---- libraries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_library_is_imported_where_it_belongs(path: Path) -> None:
    for name in imports(path):
        library = name.split(".")[0]
        if library in sys.stdlib_module_names or library == "csstream":
            continue
        assert library in MAY_IMPORT, (
            f"{name_of(path)} imports {library}: name it in pyproject.toml and in MAY_IMPORT"
        )
        assert inside(dotted(path), MAY_IMPORT[library]), (
            f"{name_of(path)} imports {library}, which belongs in {', '.join(MAY_IMPORT[library])}"
        )


def test_every_library_of_the_table_is_a_dependency() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    named = {"faust": "faust-streaming"}
    for library in MAY_IMPORT:
        wanted = named.get(library, library).replace("_", "-")
        assert re.search(rf'^  "{wanted}[<>=\[]', project, re.MULTILINE), f"{wanted} is not in pyproject.toml"


# ---- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_is_named_for_what_it_is(path: Path) -> None:
    for part in dotted(path).split("."):
        assert not set(part.split("_")) & BANNED_NAMES, f"{name_of(path)}: find its noun"


def has_text(path: Path) -> bool:
    """Whether there is anything in a module that a header could explain."""
    return bool(path.read_text("utf-8").strip())


@pytest.mark.parametrize(
    "path", [*modules(), *(p for p in sorted((ROOT / "tests").rglob("*.py")) if has_text(p))], ids=name_of
)
def test_a_module_says_why_it_is(path: Path) -> None:
    header = ast.get_docstring(tree(path))
    assert header, f"{name_of(path)} has no docstring: say why the module is as it is"
    assert (
        header.splitlines()[0].rstrip().endswith((".", ":", ",", "?", ")", "!"))
        or len(header.splitlines()) > 1
    ), f"{name_of(path)}: its first line is no sentence"


def public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Public functions, classes and methods; what overrides a method of a library carries that one's words."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and child.name[0] != "_":
            decorators = {ast.unparse(d) for d in child.decorator_list}
            if not any(d in {"overload", "override"} or d.endswith(".setter") for d in decorators):
                yield f"{prefix}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{prefix}{child.name}.")


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_what_is_public_says_what_it_means(path: Path) -> None:
    silent = [
        name
        for name, node in public(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not ast.get_docstring(node)
    ]
    assert not silent, f"{name_of(path)}: no docstring on {', '.join(silent)}"


def test_nothing_is_left_undone() -> None:
    word = re.compile(rf"\b({'|'.join(UNDONE)})\b")
    found = [
        f"{name_of(path)}:{number}: {line.strip()}" for path, number, line in texts() if word.search(line)
    ]
    assert found == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}" for path, number, line in texts() if PLACE.search(line)
    ]
    assert found == []


def test_no_file_names_a_registry() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path, number, line in texts()
        if any(registry in line for registry in REGISTRIES)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "seen"),
    [("{}/x", True), ("'{}'", True), ("cd {}/a b", True), ("`{}`", True), ("http://h{}", False), ("a{}/b", False),
     ("{}er", False), ("~{}/x", False)],
)  # fmt: skip
def test_a_place_on_the_machine_is_told_from_other_words(text: str, seen: bool) -> None:
    assert bool(PLACE.search(text.format("/" + PLACES[0]))) is seen
