"""Every shipped format proves itself: its sample gives exactly the events beside it, and they are accepted."""

import io
import json
from importlib import resources
from pathlib import Path

import pytest

from csstream.events import Reject, decode
from csstream.logs import MappingError, convert, formats, shipped

FOLDER = resources.files("csstream.logs").joinpath("formats")


@pytest.mark.parametrize("name", formats())
def test_a_shipped_format_turns_its_sample_into_the_events_beside_it(name: str) -> None:
    out = io.BytesIO()
    with resources.as_file(FOLDER.joinpath(f"{name}.csv")) as sample:
        result = convert([sample], shipped(name), out)
    expected = FOLDER.joinpath(f"{name}.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        json.loads(line) for line in expected
    ]
    assert result.rejected == 0
    assert result.events == len(expected)


@pytest.mark.parametrize("name", formats())
def test_the_events_of_a_shipped_format_are_accepted_by_the_rest_of_the_program(name: str) -> None:
    for line in FOLDER.joinpath(f"{name}.jsonl").read_bytes().splitlines():
        assert not isinstance(decode(line), Reject)


def test_an_unknown_format_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(MappingError, match="did you mean `twcs-pairs`"):
        shipped("twcs-pair")


def test_a_shop_can_be_named_for_a_log_that_names_none() -> None:
    out = io.BytesIO()
    with resources.as_file(FOLDER.joinpath("tmall-orders.csv")) as sample:
        convert([sample], shipped("tmall-orders").with_constants(shop="my-shop"), out)
    assert {json.loads(line)["shop"] for line in out.getvalue().splitlines()} == {"my-shop"}


@pytest.mark.parametrize(
    "created", ["2020-2-1 9:05:03", "2020/2/1 9:05:03", "2020-02-01 09:05:03", "2020-02-01T01:05:03Z"]
)
def test_an_order_report_is_read_however_its_sheet_was_saved_again(created: str, tmp_path: Path) -> None:
    """A shipped mapping cannot be edited: rows with hours of one digit would be lost to its user."""
    log = tmp_path / "report.csv"
    log.write_text(
        f'总金额,退款金额,订单编号,订单付款时间,订单创建时间\n"1,234.50",,7,,{created}\n', encoding="gbk"
    )
    out = io.BytesIO()
    assert convert([log], shipped("tmall-orders"), out).rejected == 0
    assert json.loads(out.getvalue())["ts"] == 1_580_519_103_000


def test_a_constant_that_no_event_has_is_refused() -> None:
    with pytest.raises(MappingError, match="no event of order-log has a field `shopp`"):
        shipped("order-log").with_constants(shopp="x")
