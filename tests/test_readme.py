"""The README says what the program does: tables read off the code, commands run, examples decoded.

`python -m tests.test_readme --write` writes the tables and the output of the commands anew. The tests hold the file
equal to that, so a metric or a policy field is added in its one place and the README follows.
"""

import ast
import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import msgspec
import pytest

from csstream import __version__
from csstream.cli import cli
from csstream.core.floor import rulebook
from csstream.core.metrics import BY_NAME, METRICS
from csstream.core.rows import FAMILIES
from csstream.core.rules import RULES
from csstream.events import MAX_BYTES, TOPIC_OF, TYPES, Event, Reject, decode
from csstream.logs import formats, shipped
from csstream.policy import Policy, describe, load, profiles

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")

COMMON = ("id", "ts", "shop", "v", "customer")
"""Fields of events that the README explains once, for all types."""

SCOPES = {"S": "state", "F": "firsts", "P": "process"}
KINDS = {"g": "gauge", "c": "counter", "h": "histogram"}


# ---- tables -------------------------------------------------------------------------------------------------------


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Text as it is typed; nothing for nothing."""
    return f"`{text}`" if text else ""


def codes(texts: tuple[str, ...]) -> str:
    """Several of them."""
    return ", ".join(map(code, texts))


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The commands that do something, by full name."""
    if isinstance(command, click.Group):
        for part, child in sorted(command.commands.items()):
            yield from leaves(child, f"{name} {part}")
    else:
        yield name, command


def commands_table() -> str:
    """Every command and the first sentence of its help."""
    rows = [
        (code(name), (command.help or "").split("\n\n")[0].replace("\n", " "))
        for name, command in leaves(cli, "csstream")
    ]
    return table(("command", "does"), rows)


def allowed(kind: Any) -> tuple[str, ...]:
    """The values of a field of few values."""
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    return next((found for part in get_args(kind) if (found := allowed(part))), ())


def event_fields(cls: type[msgspec.Struct], *, required: bool) -> str:
    """The fields of a type beyond the common ones, with the values that may stand there."""
    shown = []
    for field in msgspec.structs.fields(cls):
        if field.encode_name not in COMMON and field.required is required:
            values = allowed(field.type)
            shown.append(code(field.encode_name) + (f" ({', '.join(values)})" if values else ""))
    return ", ".join(shown)


def events_table() -> str:
    """The types of events."""
    rows = [
        (
            code(name),
            code(TOPIC_OF[cls]),
            (cls.__doc__ or "").split("\n")[0],
            event_fields(cls, required=True),
            event_fields(cls, required=False),
        )
        for name, cls in TYPES.items()
    ]
    return table(("type", "topic", "says", "required", "optional"), rows)


def metrics_table() -> str:
    """METRICS."""
    rows = [
        (code(m.name), KINDS[m.type], ", ".join(m.labels), f"{m.scope} {SCOPES[m.scope]}", m.help)
        for m in METRICS
    ]
    return table(("`csstream_` +", "type", "labels", "scope", "meaning"), rows)


def value(shown: object) -> str:
    """A policy value as a person reads it."""
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if isinstance(shown, dict):
        return " ".join(value(part) for part in shown.values())
    if isinstance(shown, list):
        return ("; " if any(isinstance(part, dict) for part in shown) else " ").join(map(value, shown))
    return str(shown)


def field_meanings() -> dict[str, str]:
    """What the comments of handbook.toml say of its fields: the section's, then the field's own."""
    found: dict[str, str] = {}
    section = of_section = ""
    for line in (ROOT / "csstream/policies/handbook.toml").read_text("utf-8").splitlines():
        said = line.rpartition("# ")[2].strip() if "# " in line else ""
        if head := re.match(r"\[(\w+)\]", line):
            section, of_section = f"{head[1]}.", said
        elif key := re.match(r"(\w+) *=", line):
            found[section + key[1]] = "; ".join(part for part in (of_section, said) if part)
            of_section = ""
    return found


def unread_fields() -> set[str]:
    """Fields that are read and checked, but that no module but the policy's own looks at."""
    names = {field.metadata["name"]: field.name for field in policy_fields()}
    words = {
        word
        for path in (ROOT / "csstream").rglob("*.py")
        if ROOT / "csstream/policy" not in path.parents
        for word in re.findall(r"\.(\w+)", path.read_text("utf-8"))
    }
    return {name for name, attribute in names.items() if attribute not in words}


def policy_fields() -> list[Any]:
    """The fields of a policy that have a name in the file."""
    return [field for field in Policy.__dataclass_fields__.values() if "name" in field.metadata]


def policy_table() -> str:
    """Every field of a policy: the handbook's value, what the other profiles say instead, and its meaning."""
    handbook = describe(load("handbook"))
    others = {name: describe(load(name)) for name in profiles() if name != "handbook"}
    meanings, unread = field_meanings(), unread_fields()
    rows = []
    for name, said in handbook.items():
        if name in {"id", "version"}:
            continue
        differs = "; ".join(
            f"{other}: {value(each[name])}" for other, each in others.items() if each[name] != said
        )
        mark = " ○" if name in unread else ""
        rows.append((code(name) + mark, value(said), differs, meanings.get(name, "")))
    return table(("field", "handbook", "other profiles", "meaning"), rows)


def formats_table() -> str:
    """The shipped log formats."""
    return table(("`--format`", "for"), [(code(name), shipped(name).about) for name in formats()])


def rules_table() -> str:
    """The alert rules of both kinds."""
    rules = [(rule.name, "c", rule.meaning) for rule in RULES]
    rules += [(rule.name, "s", rule.meaning) for rule in rulebook.AGENT_RULES]
    rules += [(rule.name, "s", rule.meaning) for rule in rulebook.SHOP_RULES]
    return table(
        ("rule", "kind", "stands when"), [(code(name), kind, meaning) for name, kind, meaning in rules]
    )


def rows_table() -> str:
    """FAMILIES."""
    rows = [(code(f.name), f.key, f.bytes_a_row, f.ends) for f in FAMILIES]
    return table(("family", "one for each", "bytes", "ends"), rows)


TABLES = {
    "commands": commands_table,
    "events": events_table,
    "metrics": metrics_table,
    "policy": policy_table,
    "formats": formats_table,
    "rows": rows_table,
    "rules": rules_table,
}


def between(text: str, name: str) -> str:
    """What stands between the markers of a table."""
    parts = re.findall(rf"<!-- {name}:begin -->\n(.*?)\n<!-- {name}:end -->", text, re.DOTALL)
    assert len(parts) == 1, f"README.md: the markers of {name} stand there {len(parts)} times, not once"
    return str(parts[0])


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_what_the_code_says(name: str) -> None:
    assert between(README.read_text("utf-8"), name) == TABLES[name](), "python -m tests.test_readme --write"


def test_every_field_of_the_policy_is_explained() -> None:
    meanings = field_meanings()
    assert [name for name in describe(load("handbook")) if name not in meanings] == []


# ---- commands -----------------------------------------------------------------------------------------------------

CONSOLE = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
PACE = re.compile(r"in [\d.]+ s \([\d,]+/s\)")


def run_consoles(text: str, folder: Path) -> str:
    """The text with the output of its console blocks as it is now; they run in order, in one folder."""
    for name, content in FILE.findall(text):
        (folder / name).write_text(content, "utf-8")
    tools = folder / ".bin"
    tools.mkdir()
    program = tools / "csstream"
    program.write_text(f"#!{sys.executable}\nfrom csstream.cli import main\n\nmain()\n", "utf-8")
    program.chmod(0o755)
    path = os.pathsep.join((str(tools), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    setting = {
        name: said
        for name, said in os.environ.items()
        if name not in {"COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"}
    } | {
        "PATH": path,
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT)),
        "PYTHONUTF8": "1",
        "TERM": "dumb",
    }

    def output(command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=setting,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            encoding="utf-8",
        )
        return f"$ {command}\n{done.stdout}"

    def again(block: re.Match[str]) -> str:
        return "".join(output(line[2:]) for line in block[0].splitlines() if line.startswith("$ "))

    return CONSOLE.sub(again, text)


def renewed(text: str) -> str:
    """The README as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        text = run_consoles(text, Path(folder))
    for name, make in TABLES.items():
        between(text, name)  # it must be there, once
        marks = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
        text = marks[1].join((text.partition(marks[0])[0] + marks[0] + make(), text.partition(marks[1])[2]))
    return text


def test_the_commands_print_what_the_readme_shows(tmp_path: Path) -> None:
    said = PACE.sub("in N s", README.read_text("utf-8"))
    now = PACE.sub("in N s", run_consoles(README.read_text("utf-8"), tmp_path))
    assert now == said, "python -m tests.test_readme --write\n" + "\n".join(
        difflib.unified_diff(said.splitlines(), now.splitlines(), "README.md", "now", lineterm="", n=0)
    )


def shell_lines() -> list[str]:
    """Every line with a command of ours in a code block of a page."""
    found = []
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text("utf-8")):
            if language in {"sh", "console"}:
                lines = block.splitlines() if language == "sh" else re.findall(r"(?m)^\$ (.*)$", block)
                found += [line for line in lines if line.startswith(("csstream ", "make "))]
    return found


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("csstream ")])
def test_a_command_line_is_one_that_the_program_takes(line: str) -> None:
    words = shlex.split(re.split(r" [|>;] ?", line)[0], comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="csstream")
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    if words not in (["--help"], ["-h"]):
        command.make_context("csstream", words, parent=context)  # reads the arguments, and runs nothing


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("make ")])
def test_a_make_target_exists(line: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf-8")))
    assert shlex.split(line, comments=True)[1] in targets


@pytest.mark.parametrize("name", ["serve", "worker", "diff", "explain", "topics"])
def test_what_is_called_not_yet_there_is_not_yet_there(name: str) -> None:
    text = README.read_text("utf-8")
    listed = text[text.index("Not yet:") :].split("\n\n")[0]
    assert (f"`{name}`" in listed) is (name not in cli.commands)


@pytest.mark.parametrize(
    ("words", "status"),
    [(("policy", "check", "handbook"), 0), (("replay", "no-such.jsonl", "--out", "audit"), 1),
     (("policy", "check", "no-such.toml"), 2), (("replay",), 2)],
)  # fmt: skip
def test_the_exit_codes_are_those_of_the_table(words: tuple[str, ...], status: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "csstream", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert re.search(rf"(?m)^\| {status} \| \S", README.read_text("utf-8"))


# ---- events -------------------------------------------------------------------------------------------------------


def examples() -> list[bytes]:
    """The example events."""
    text = README.read_text("utf-8")
    return [
        line.encode()
        for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]


def test_the_examples_are_one_event_of_each_type() -> None:
    read = [decode(line) for line in examples()]
    assert [each for each in read if isinstance(each, Reject)] == []
    assert sorted(type(each).__name__ for each in read) == sorted(cls.__name__ for cls in get_args(Event))


def reasons() -> set[str]:
    """The reasons of the table of dead letters."""
    return set(re.findall(r"(?m)^\| `([^`]+)` \|", between(README.read_text("utf-8"), "reasons")))


MESSAGE = b'{"id":"1","type":"message","ts":0,"shop":"s","customer":"c","sender":"customer"}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "not_json"),
        (b"[]", "not_object"),
        (MESSAGE.replace(b'"shop":"s",', b""), "missing:<field>"),
        (MESSAGE.replace(b'"ts":0', b'"ts":"noon"'), "bad:<field>"),
        (MESSAGE.replace(b'"message"', b'"mail"'), "unknown_type"),
        (MESSAGE.replace(b"{", b'{"v":2,'), "unsupported_version"),
        (MESSAGE + b" " * MAX_BYTES, "too_large"),
    ],
)
def test_a_record_that_does_not_fit_is_set_aside_for_a_reason_of_the_table(line: bytes, reason: str) -> None:
    refused = decode(line)
    assert isinstance(refused, Reject)
    assert re.sub(r":.*", ":<field>", refused.reason) == reason
    assert reason in reasons()


def test_the_table_of_dead_letters_has_every_reason_of_the_code_and_no_other() -> None:
    found = set()
    for path in (ROOT / "csstream").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).endswith(("Reject", "set_aside"))
                and node.args
            ):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(re.sub(r":.*", ":<field>", str(first.value)))
                elif isinstance(first, ast.JoinedStr):
                    assert isinstance(first.values[0], ast.Constant)
                    found.add(str(first.values[0].value) + "<field>")
                elif isinstance(first, ast.Name):
                    found.add(first.id.lower())  # a constant that is spelt like the reason
    assert reasons() == found


# ---- the file -----------------------------------------------------------------------------------------------------


def test_it_begins_with_the_two_commands() -> None:
    first = BLOCK.search(README.read_text("utf-8"))
    assert first is not None
    assert [shlex.split(line, comments=True) for line in first[2].splitlines()] == [
        ["make", "demo"],
        ["make", "test"],
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"(?m)^#+ (.*)$", text)
    }
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in headings, f"{page.name}: no heading for {link}"
        elif "://" not in link:
            assert (ROOT / link.partition("#")[0]).exists(), f"{page.name}: {link} is not there"
    for path in re.findall(r"`((?:csstream|tests|deploy)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), f"{page.name}: {path} is not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_metric_that_is_named_is_a_metric(page: Path) -> None:
    for name in re.findall(r"csstream_(\w+)", page.read_text("utf-8")):
        assert name in BY_NAME or re.sub(r"_(bucket|sum|count)$", "", name) in BY_NAME, f"{page.name}: {name}"


def test_the_changelog_tells_of_this_version() -> None:
    newest = re.search(r"(?m)^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert newest is not None
    assert newest[1] == __version__


def test_the_licence_is_the_one_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert re.match(r"\s+Apache License\s+Version 2\.0, January 2004", (ROOT / "LICENSE").read_text("utf-8"))


if __name__ == "__main__":
    page = README.read_text("utf-8")
    now = renewed(page)
    if "--write" in sys.argv:
        README.write_text(now, "utf-8")
    elif PACE.sub("", now) != PACE.sub("", page):
        sys.exit("README.md is not what the program says; python -m tests.test_readme --write")
