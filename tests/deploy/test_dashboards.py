"""The dashboards as files: what the code makes, what Grafana takes, and nothing that would show as an empty panel."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.boards import FOLDER, documents
from tests.deploy.names import unknown
from tests.deploy.programs import DEPLOY

FILES = sorted(FOLDER.glob("*.json"))
PROVISIONING = DEPLOY / "grafana/provisioning"


def board(name: str) -> Any:
    """A dashboard as Grafana reads it."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def panels(of: Any) -> Iterator[dict[str, Any]]:
    """Its panels, those in rows too."""
    for panel in of["panels"]:
        yield panel
        yield from panels(panel) if panel.get("panels") else ()


NAMES = [path.name for path in FILES]


def test_the_files_are_what_the_code_makes() -> None:
    made = documents()
    assert sorted(made) == NAMES
    for name, text in made.items():
        assert (FOLDER / name).read_text("utf-8") == text, "make dashboards"


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_one_by_grafanas_own_types(name: str) -> None:
    register_default_plugins()
    said = board(name)
    again = json.loads(json.dumps(Dashboard.from_json(said), cls=JSONEncoder))
    assert list(lost(said, again)) == []


def lost(said: Any, again: Any, place: str = "") -> Iterator[str]:
    """What of a document the types did not take; they may add what is the default."""
    if isinstance(said, dict) and isinstance(again, dict):
        for key, value in said.items():
            yield from lost(value, again.get(key), f"{place}/{key}")
    elif isinstance(said, list) and isinstance(again, list) and len(said) == len(again):
        for index, (one, other) in enumerate(zip(said, again, strict=True)):
            yield from lost(one, other, f"{place}/{index}")
    elif said != again:
        yield f"{place}: {said!r} became {again!r}"


def test_a_field_that_grafana_does_not_know_is_found() -> None:
    register_default_plugins()
    said = board("wall.json")
    said["panels"][0]["fieldConfig"]["defaults"]["colour"] = "red"
    again = json.loads(json.dumps(Dashboard.from_json(said), cls=JSONEncoder))
    assert list(lost(said, again)) == ["/panels/0/fieldConfig/defaults/colour: 'red' became None"]


def test_each_dashboard_has_an_address_of_its_own() -> None:
    found = [board(name)["uid"] for name in NAMES]
    assert len(set(found)) == len(found) == 5
    assert all(
        uid == f"csstream-{name.removesuffix('.json')}" for uid, name in zip(found, NAMES, strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_asks_the_source_that_is_provisioned(name: str) -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text("utf-8"))["datasources"]
    source = {"type": sources[0]["type"], "uid": sources[0]["uid"]}
    for panel in panels(board(name)):
        assert panel["datasource"] == source, panel["title"]
        assert panel["targets"], panel["title"]
        assert all(target["datasource"] == source for target in panel["targets"]), panel["title"]
        assert panel["description"], f"{panel['title']}: say what it shows"
    for variable in board(name).get("templating", {}).get("list", ()):
        assert variable["datasource"] == source


@pytest.mark.parametrize("name", NAMES)
def test_every_query_names_metrics_that_are_or_will_be(name: str) -> None:
    asked = [target["expr"] for panel in panels(board(name)) for target in panel["targets"]]
    asked += [each["query"]["query"] for each in board(name).get("templating", {}).get("list", ())]
    assert asked
    assert {expr: unknown(expr) for expr in asked if unknown(expr)} == {}


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_lies_on_another_or_beyond_the_edge(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(board(name)):
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


def test_the_wall_fits_on_one_screen_and_needs_no_mouse() -> None:
    wall = board("wall.json")
    assert len(wall["panels"]) <= 9
    assert (
        max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in wall["panels"]) <= 28
    )  # 1,080 pixels
    assert not wall.get("templating", {}).get("list")


def test_grafana_is_told_where_the_dashboards_are_and_lets_nobody_change_them() -> None:
    provider = yaml.safe_load((PROVISIONING / "dashboards/csstream.yaml").read_text("utf-8"))["providers"][0]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert provider["disableDeletion"] is True
