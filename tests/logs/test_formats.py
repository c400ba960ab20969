"""Every shipped format proves itself: its sample gives exactly the events beside it, and they are accepted."""

import io
import json
from importlib import resources

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


def test_a_constant_that_no_event_has_is_refused() -> None:
    with pytest.raises(MappingError, match="no event of order-log has a field `shopp`"):
        shipped("order-log").with_constants(shopp="x")
