"""The configuration: mistakes are told at their line before they cost an alert, and secrets are never shown."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from csstream.core import rules
from csstream.core.floor import rulebook
from csstream.notify.config import ConfigError, load
from csstream.notify.sinks import KINDS
from tests.canary import MARK
from tests.notify.service import Service

WHOLE = """\
language = "en"
timezone = "Asia/Shanghai"
wall_url = "https://wall.example.com/"

[sinks.ops]
kind = "dingtalk"
url_file = "ding-url"
secret_env = "DING_SECRET"
fallback = "mail"
fallback_after = "5m"

[sinks.mail]
kind = "mail"
host = "smtp.example.com"
tls = "starttls"
username = "csstream"
password_file = "mail-password"
from = "csstream@example.com"
to = ["boss@example.com"]
quiet = "22:00-08:00"
quiet_below = "breach"
language = "zh"

[[routes]]
sinks = ["ops"]
severity = "warning"

[[routes]]
sinks = ["mail"]
shops = ["s0*"]
groups = ["vip"]
rules = ["wait", "storm", "feed_silent"]
severity = "critical"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration and its secrets."""
    (tmp_path / "notify.toml").write_text(WHOLE, "utf-8")
    (tmp_path / "ding-url").write_text(f"https://oapi.example.com/robot/send?access_token={MARK}\n", "utf-8")
    (tmp_path / "mail-password").write_text(MARK, "utf-8")
    return tmp_path


def problems(folder: Path, text: str, **environment: str) -> list[str]:
    """What is wrong with a configuration, without the file's name."""
    file = folder / "notify.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        load(file, environment)
    assert MARK not in str(error.value)
    return [problem.removeprefix(f"{file}:") for problem in error.value.problems]


def test_a_whole_configuration_says_who_is_told_what(folder: Path) -> None:
    config = load(folder / "notify.toml", {"DING_SECRET": MARK})
    ops, mail = config.sinks["ops"], config.sinks["mail"]
    assert ops.settings.secrets["url"].text().endswith(MARK)
    assert ops.settings.voice.language == "en"
    assert (ops.target.fallback, ops.target.fallback_after_ms) == ("mail", 300_000)
    assert ops.target.rate.burst + 60_000 // ops.target.rate.interval_ms <= 20
    assert mail.target.quiet is not None
    assert mail.target.quiet.severity == "breach"
    assert mail.settings.lists["to"] == ("boss@example.com",)
    assert config.routes[1].shops == ("s0*",)
    assert config.doubts() == []
    assert MARK not in repr(config)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "dingtalk"', 'kind = "dingding"', "6: sinks.ops.kind must be one of console,"),
        ('kind = "dingtalk"', "", "5: sinks.ops.kind is missing"),
        ('url_file = "ding-url"', f'url = "https://x.example.com/{MARK}"', "7: sinks.ops.url is a secret and must not"),
        ('url_file = "ding-url"', 'url_file = "gone"', "7: sinks.ops.url_file names gone, which cannot be read"),
        ('url_file = "ding-url"', 'url_env = "GONE"', "7: sinks.ops.url_env names GONE, which is not in the env"),
        ('url_file = "ding-url"', "", "5: sinks.ops.url is missing: write url_file or url_env"),
        ('url_file = "ding-url"', 'url_flie = "ding-url"', "7: sinks.ops.url_flie is not known: did you mean `url_file`?"),
        ('fallback = "mail"', 'fallback = "ops"', "9: sinks.ops.fallback must be another sink"),
        ('fallback = "mail"', "", "10: sinks.ops.fallback_after has no use without fallback"),
        ('fallback_after = "5m"', 'fallback_after = "soon"', "10: sinks.ops.fallback_after must be a duration"),
        ('tls = "starttls"', 'tls = "ssl"', "15: sinks.mail.tls must be one of tls, starttls, none"),
        ('to = ["boss@example.com"]', 'to = ["boss"]', "19: sinks.mail.to[0] is no mail address"),
        ('to = ["boss@example.com"]', 'to = []', "19: sinks.mail.to must be a list"),
        ('quiet = "22:00-08:00"', 'quiet = "22-8"', "20: sinks.mail.quiet must be two times of day"),
        ('quiet = "22:00-08:00"', "", "21: sinks.mail.quiet_below has no use without quiet"),
        ('sinks = ["ops"]', 'sinks = ["opps"]', "25: routes[0].sinks[0] is no sink: did you mean `ops`?"),
        ('sinks = ["ops"]', "", "24: routes[0].sinks is missing"),
        ('rules = ["wait",', 'rules = ["waits",', "32: routes[1].rules[0] is no rule: did you mean `wait`?"),
        ('severity = "critical"', 'severity = "high"', "33: routes[1].severity must be one of info, warning"),
        ('timezone = "Asia/Shanghai"', 'timezone = "Shanghai"', "2: timezone must be a time zone"),
        ('wall_url = "https://wall.example.com/"', 'wall_url = "javascript:alert(1)"', "3: wall_url must be a URL"),
        ("[sinks.ops]", "[sinks.Ops]", "5: sinks.Ops must be named in small letters"),
        ("[[routes]]", "[[route]]", "1: routes is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_line_with_the_way_out(folder: Path, old: str, new: str, said: str) -> None:
    found = problems(folder, WHOLE.replace(old, new), DING_SECRET="x")
    assert any(problem.startswith(said) for problem in found), found


def test_every_mistake_is_told_at_once(folder: Path) -> None:
    assert (
        len(problems(folder, WHOLE.replace("ding-url", "gone").replace("22:00", "25:00"), DING_SECRET="x"))
        == 2
    )


def test_a_bad_url_in_a_secret_is_told_without_the_url(folder: Path) -> None:
    (folder / "ding-url").write_text(f"http://10.0.0.1/{MARK}", "utf-8")
    assert "must be https" in problems(folder, WHOLE, DING_SECRET="x")[0]


def test_fall_backs_must_end_somewhere(folder: Path) -> None:
    circle = WHOLE.replace('language = "zh"', 'fallback = "ops"')
    assert "circle" in " ".join(problems(folder, circle, DING_SECRET="x"))


def test_what_is_no_toml_is_told(folder: Path) -> None:
    assert "is not TOML" in problems(folder, "[sinks")[0]


def test_what_is_probably_not_meant_is_told_too(folder: Path) -> None:
    text = '[sinks.a]\nkind = "console"\n[sinks.b]\nkind = "console"\n[[routes]]\nsinks = ["a"]\nrules = ["wait"]\n'
    (folder / "notify.toml").write_text(text, "utf-8")
    doubts = " ".join(load(folder / "notify.toml").doubts())
    assert "`storm`" in doubts
    assert "sinks.b: no route leads to it" in doubts


def test_a_route_may_name_every_rule_of_the_core(folder: Path) -> None:
    names = rulebook.all_names()
    assert {rule.name for rule in rules.RULES} < set(names)
    route = f'[sinks.a]\nkind = "console"\n[[routes]]\nsinks = ["a"]\nrules = {list(names)}'
    (folder / "notify.toml").write_text(route, "utf-8")
    assert load(folder / "notify.toml").routes[0].rules == names


def test_every_kind_of_sink_can_be_made_from_what_it_asks_for(folder: Path) -> None:
    lines = []
    for kind in KINDS.values():
        lines += [f"[sinks.{kind.name}]", f'kind = "{kind.name}"']
        for field in kind.fields:
            if field.form == "addresses":
                lines.append(f'{field.name} = ["a@example.com"]')
            elif field.form == "address":
                lines.append(f'{field.name} = "a@example.com"')
            elif field.form in {"secret", "secret_url", "url"}:
                lines.append(f'{field.name}_file = "ding-url"')
            elif field.form == "text":
                lines.append(f'{field.name} = "x"')
        lines += ["[[routes]]", f'sinks = ["{kind.name}"]']
    (folder / "notify.toml").write_text("\n".join(lines), "utf-8")
    config = load(folder / "notify.toml")
    assert [type(sink.make()).__name__ for sink in config.sinks.values()]
    assert len(config.targets) == len(KINDS) == 8


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run csstream."""
    root = Path(__file__).parent.parent.parent
    return subprocess.run(
        [sys.executable, "-m", "csstream", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(root), "DING_SECRET": MARK, "PATH": "", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_check_shows_routes_and_no_secret(folder: Path) -> None:
    done = run("alerts", "check", "notify.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "ops              dingtalk, en, at most 20 messages a minute, mail after 300 s" in done.stdout
    assert "critical and above; shops s0*; groups vip; rules wait, storm, feed_silent -> mail" in done.stdout
    assert MARK not in done.stdout + done.stderr


def test_the_check_of_a_bad_file_fails_with_status_2(folder: Path) -> None:
    (folder / "notify.toml").write_text(WHOLE.replace("ding-url", "gone"), "utf-8")
    done = run("alerts", "check", "notify.toml", cwd=folder)
    assert done.returncode == 2
    assert "notify.toml:7: sinks.ops.url_file names gone" in done.stderr


async def test_a_test_message_proves_a_sink_by_what_its_service_answered(folder: Path) -> None:
    async with Service(["ok", "errcode"]) as service:
        (folder / "ding-url").write_text(f"{service.url}?access_token={MARK}", "utf-8")
        text = WHOLE.replace('kind = "dingtalk"', 'kind = "dingtalk"\nallow_private = true')
        (folder / "notify.toml").write_text(text, "utf-8")
        words = ("alerts", "test", "notify.toml", "--sink", "ops")
        good = await asyncio.to_thread(run, *words, cwd=folder)
        bad = await asyncio.to_thread(run, *words, cwd=folder)
    assert (good.returncode, good.stdout) == (0, "ops: sent (errcode 0)\n")
    assert bad.returncode == 1
    assert "errcode 310000: refused by the robot's security setting" in bad.stdout
    assert "csstream notification test" in service.requests[0].json["markdown"]["text"]
    assert MARK not in good.stdout + good.stderr + bad.stdout + bad.stderr
