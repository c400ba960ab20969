"""The dashboards as code: one module a dashboard, each answers one question of one person.

Grafana's own JSON is a few thousand lines that nobody can review. So the dashboards are written here with Grafana's
types, and `make dashboards` writes the JSON that Grafana is provisioned with; a test holds the two
equal. Who only runs csstream needs the JSON alone.
"""

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.boards import agent, orders, pipeline, shop_day, wall

FOLDER = Path(__file__).parent.parent / "dashboards"
"""Where the JSON lies; mounted into Grafana as it is."""

BOARDS = (wall, shop_day, agent, orders, pipeline)


def documents() -> dict[str, str]:
    """File name -> JSON text of every dashboard."""
    built = [board.board() for board in BOARDS]
    return {f"{_uid(each)}.json": _text(each) for each in built}


def _uid(builder: Dashboard) -> str:
    uid = builder.build().uid
    assert uid is not None
    return uid.removeprefix("csstream-")


def _text(builder: Dashboard) -> str:
    return json.dumps(builder.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
