"""Rows of any file become events; what cannot is set aside with the line where a person finds it."""

import datetime as dt
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.events import Reject, decode
from csstream.logs import LogError, Mapping, Result, convert, parse_mapping
from tests.canary import TEXT
from tests.logs.sheet import write_xlsx

CHAT = """
timezone = "Asia/Shanghai"
{read}
[[event]]
type = "message"
id = "{{编号}}"
ts = "{{时间}}"
shop = "lamps"
customer = "{{买家}}"
agent = "{{客服}}"
sender = {{ column = "方向", map = {{ "买家" = "customer", "客服" = "human" }} }}
text = "{{内容}}"
"""
HEADER = "编号,时间,买家,客服,方向,内容\n"


def chat(read: str = "") -> Mapping:
    return parse_mapping(CHAT.format(read=f"[read]\n{read}"), "chat.toml")


def run(path: Path, mapping: Mapping, **options: Any) -> tuple[Result, list[dict[str, Any]]]:
    out = io.BytesIO()
    result = convert([path], mapping, out, **options)
    return result, [json.loads(line) for line in out.getvalue().splitlines()]


def _rows(text: str) -> bytes:
    good = "1,2026-03-04 12:00:00,b,,买家,hi"
    return f"{HEADER}{good}\n{text}\n{good}\n{good},{text}".encode("utf-8", "surrogateescape")


def write(folder: Path, text: str, encoding: str = "utf-8", name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_line_break_in_a_message_does_not_shift_the_line_of_a_later_bad_row(tmp_path: Path) -> None:
    log = HEADER + '1,2026-03-04 12:00:00,b,,买家,"一\n二\n三"\n2,someday,b,,买家,x\n'
    result, events = run(write(tmp_path, log), chat())
    assert events[0]["text"] == "一\n二\n三"
    (bad,) = result.rejects
    assert (bad.line, bad.column, bad.value) == (5, "时间", "'someday'")
    assert str(bad).startswith(f"{tmp_path / 'log.csv'}:5: column `时间`: 'someday': no time in the formats")


def test_each_bad_row_is_counted_and_kept_and_no_good_one_is_lost(tmp_path: Path) -> None:
    rows = [f"{n},{'2026-03-04 12:00:00' if n % 2 else 'x'},b,,买家,hi\n" for n in range(100)]
    kept = io.BytesIO()
    result, events = run(write(tmp_path, HEADER + "".join(rows)), chat(), rejects=kept)
    assert (result.rows, result.events, result.rejected, len(result.rejects)) == (100, 50, 50, 20)
    assert len(events) == 50
    rejected = [json.loads(line) for line in kept.getvalue().splitlines()]
    assert [each["line"] for each in rejected] == [*range(2, 102, 2)]
    assert rejected[1]["raw"] == rows[2]


def test_a_check_lists_the_first_twenty_bad_rows_and_writes_nothing(tmp_path: Path) -> None:
    out = io.BytesIO()
    path = write(tmp_path, HEADER + "1,x,b,,买家,hi\n" * 30 + "2,2026-03-04 12:00:00,b,,买家,hi\n")
    result = convert([path], chat(), out, check=True)
    assert out.getvalue() == b""
    assert (len(result.rejects), result.rejected, result.events) == (20, 30, 1)
    assert [bad.line for bad in result.rejects] == [*range(2, 22)]


@pytest.mark.parametrize("rows", [1, 400])
def test_a_character_cut_in_half_spoils_its_row_and_not_the_encoding_of_the_file(
    tmp_path: Path, rows: int
) -> None:
    good = "{},2026-03-04 12:00:00,小王,七七,客服,您好，有货的，今天下单明天发\n"
    cut = "x,2026-03-04 12:00:00,小王,,买家,有货".encode("gbk")[:-1] + b"\n"
    path = tmp_path / "log.csv"
    text = HEADER + "".join(good.format(n) for n in range(rows))
    path.write_bytes(text.encode("gbk") + cut + good.format("last").encode("gbk"))
    result, events = run(path, chat())
    assert "gb18030" in result.encodings[str(path)]
    assert (result.events, result.rejected, events[-1]["text"]) == (
        rows + 1,
        1,
        "您好，有货的，今天下单明天发",
    )
    assert result.rejects[0].line == rows + 2


@pytest.mark.parametrize(
    ("head", "says"),
    [(b"\x1f\x8b\x08\0", "gzip -dk"), (b"\x28\xb5\x2f\xfd", "zstd -d"), (b"PK\x03\x04", "excel")],
)
def test_a_packed_file_is_told_from_text_and_its_bytes_stay_off_the_screen(
    tmp_path: Path, head: bytes, says: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(head + b"\x1b[2J\x80\xff,\n")
    with pytest.raises(LogError, match=says) as caught:
        run(path, chat())
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r"])
def test_another_alphabet_is_not_taken_for_damaged_chinese(tmp_path: Path, encoding: str) -> None:
    said = "Добрый день, подскажите пожалуйста когда будет доставлен мой заказ"
    mapping = parse_mapping(
        '[[event]]\ntype="message"\nts="{ts}"\nshop="s"\ncustomer="c"\nsender="customer"\ntext="{text}"',
        "far.toml",
    )
    path = write(tmp_path, "ts|text\n" + f"2026-03-04T12:00:00Z|{said}\n" * 20, encoding)
    _, events = run(path, mapping)
    assert events[0]["text"] == said


@pytest.mark.parametrize("length", [1_100_000, 3_000_000])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_line_that_is_too_long_is_one_bad_row(tmp_path: Path, kind: str, length: int) -> None:
    columns = HEADER.strip().split(",")
    rows = [
        [str(n), f"2026-03-04 12:00:0{n}", "b", "", "买家", "长" * size]
        for n, size in enumerate((1, length, 1, length))
    ]
    if kind == "csv":
        text = HEADER + "".join(",".join(row) + "\r\n" for row in rows)
    else:
        text = "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    kept = io.BytesIO()
    result, events = run(write(tmp_path, text, name=f"log.{kind}"), chat(), rejects=kept)
    assert [event["id"] for event in events] == ["0", "2"]
    first = 2 if kind == "csv" else 1
    assert [bad.line for bad in result.rejects] == [first + 1, first + 3]
    assert "more than 1048576 characters" in str(result.rejects[0])
    assert all(len(line) < 1 << 23 for line in kept.getvalue().splitlines())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le"])
def test_the_encoding_is_found_where_the_first_chinese_text_is_far_down(
    tmp_path: Path, encoding: str
) -> None:
    mapping = parse_mapping(
        '[[event]]\ntype="message"\nid="{id}"\nts="{ts}"\nshop="s"\ncustomer="c"\nsender="customer"\ntext="{text}"',
        "far.toml",
    )
    rows = "".join(f"{n},2026-03-04T12:00:00Z,plain words\n" for n in range(40_000))
    text = f"id,ts,text\n{rows}last,2026-03-04T12:00:01Z,“在吗”，多少钱？\n"
    path = tmp_path / "log.csv"
    path.write_bytes(("\ufeff" if encoding == "utf-16-le" else "").encode(encoding) + text.encode(encoding))
    _, events = run(path, mapping)
    assert events[-1] == events[-1] | {"id": "last", "text": "“在吗”，多少钱？"}
    assert len(events) == 40_001


def test_a_broken_byte_spoils_its_row_and_not_the_file(tmp_path: Path) -> None:
    log = (HEADER + "1,2026-03-04 12:00:00,b,,买家,你好\n2,2026-03-04 12:00:00,b,,买家,#\n").encode()
    path = tmp_path / "log.csv"
    path.write_bytes(log.replace(b"#", b"\xff") + "3,2026-03-04 12:00:00,b,,买家,好的\n".encode())
    kept = io.BytesIO()
    result, events = run(path, chat(), rejects=kept)
    assert [event["text"] for event in events] == ["你好", "好的"]
    assert (result.rejected, result.rejects[0].line) == (1, 3)
    assert json.loads(kept.getvalue())["line"] == 3


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_the_one_that_gives_the_mapped_columns(tmp_path: Path, delimiter: str) -> None:
    log = HEADER.replace(",", delimiter) + delimiter.join(["1", "2026-03-04 12:00:00", "b", "", "买家", "hi"])
    assert len(run(write(tmp_path, log), chat())[1]) == 1


def test_a_declared_delimiter_and_lines_above_the_header_are_honoured(tmp_path: Path) -> None:
    log = (
        "exported,by,hand\n\n"
        + HEADER.replace(",", "^")
        + "1^2026-03-04 12:00:00^b^^买家^a,b\n2^x^b^^买家^\n"
    )
    result, events = run(write(tmp_path, log), chat('delimiter = "^"\nskip = 2'))
    assert events[0]["text"] == "a,b"
    assert result.rejects[0].line == 5


def test_empty_lines_above_the_header_are_no_header(tmp_path: Path) -> None:
    log = "\r\n\r\n" + HEADER.replace(",", "\t") + "1\tx\tb\t\t买家\thi\n"
    assert run(write(tmp_path, log), chat())[0].rejects[0].line == 4


def test_names_of_columns_may_differ_in_spaces_and_width(tmp_path: Path) -> None:
    log = (
        HEADER.replace("时间", " 时间 ").replace("买家,", "买家\u3000,")
        + "1,2026-03-04 12:00:00,b,,买家,hi\n"
    )
    assert len(run(write(tmp_path, log), chat())[1]) == 1


def test_a_missing_column_ends_the_run_and_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no column `方向`; did you mean `消息方向`"):
        run(write(tmp_path, HEADER.replace("方向", "消息方向")), chat())


def test_an_unquoted_delimiter_is_a_bad_row_and_not_a_shifted_one(tmp_path: Path) -> None:
    result, events = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,买家,a,b\n"), chat())
    assert events == []
    assert "7 cells where the header has 6" in result.rejects[0].reason


def test_a_quote_that_is_never_closed_is_told_and_not_read_as_one_long_message(tmp_path: Path) -> None:
    log = HEADER + '1,2026-03-04 12:00:00,b,,买家,"never\n2,2026-03-04 12:00:00,b,,买家,x\n'
    result, events = run(write(tmp_path, log), chat())
    assert events == []
    assert result.rejects[0].line == 2
    assert 'quote = ""' in result.rejects[0].fix
    assert len(run(write(tmp_path, log), chat('quote = ""'))[1]) == 2


def test_no_message_text_is_ever_shown(tmp_path: Path) -> None:
    secret = TEXT
    result, _ = run(
        write(tmp_path, HEADER + f"1,2026-03-04 12:00:00,,,买家,{secret}\n,x,b,,?,{secret}\n"), chat()
    )
    assert result.rejected == 2
    assert secret not in str([str(bad) for bad in result.rejects])


def test_a_row_is_whole_or_not_at_all(tmp_path: Path) -> None:
    mapping = parse_mapping(
        """
        [fields]
        shop = "s"
        customer = "{order}"
        order = "{order}"
        [[event]]
        type = "order"
        status = "created"
        ts = "{created}"
        [[event]]
        type = "order"
        status = "paid"
        when = { column = "paid", present = true }
        ts = "{paid}"
        """,
        "two.toml",
    )
    log = "order,created,paid\n1,2026-03-04T12:00:00Z,2026-03-04T12:00:05Z\n2,2026-03-04T12:00:00Z,soon\n"
    result, events = run(write(tmp_path, log), mapping)
    assert [(event["order"], event["status"]) for event in events] == [("1", "created"), ("1", "paid")]
    assert result.rejects[0].column == "paid"


def test_an_agent_side_message_without_its_agent_is_refused_with_its_column(tmp_path: Path) -> None:
    result, _ = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,客服,hi\n"), chat())
    assert (result.rejects[0].column, "`agent` is needed" in result.rejects[0].reason) == ("客服", True)


def test_a_customers_message_carries_no_agent_where_the_log_has_none(tmp_path: Path) -> None:
    _, events = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,买家,hi\n"), chat())
    assert "agent" not in events[0]


def test_an_unknown_value_is_told_with_the_nearest_of_the_map(tmp_path: Path) -> None:
    result, _ = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,客服人员,hi\n"), chat())
    assert (result.rejects[0].value, "客服" in result.rejects[0].fix) == ("'客服人员'", True)


def test_a_repeated_event_is_written_once_and_another_with_its_id_is_kept_apart(tmp_path: Path) -> None:
    row = "1,2026-03-04 12:00:00,b,,买家,{}\n"
    log = write(tmp_path, HEADER + row.format("a") + row.format("b") + row.format("a"))
    result, events = run(log, chat())
    assert [event["text"] for event in events] == ["a", "b"]
    assert (result.duplicates, result.renamed) == (1, 1)
    assert events[0]["id"] == "1"
    assert events[1]["id"].startswith("1~")
    assert run(log, chat())[1] == events


def test_two_equal_rows_of_a_log_without_ids_are_two_messages(tmp_path: Path) -> None:
    mapping = parse_mapping(CHAT.format(read="").replace('id = "{编号}"', ""), "chat.toml")
    row = "1,2026-03-04 12:00:00,b,,买家,嗯\n"
    result, events = run(write(tmp_path, HEADER + row + row), mapping)
    assert len({event["id"] for event in events}) == 2
    assert result.duplicates == 0


def test_events_are_sorted_by_time_or_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    log = write(tmp_path, HEADER + "".join(f"{n},2026-03-04 12:00:0{9 - n},b,,买家,x\n" for n in range(5)))
    assert [event["id"] for event in run(log, chat())[1]] == ["4", "3", "2", "1", "0"]
    assert [event["id"] for event in run(log, chat(), sort=False)[1]] == ["0", "1", "2", "3", "4"]


def test_spread_keeps_the_order_of_the_file_inside_a_second(tmp_path: Path) -> None:
    rows = [("1", "b", "00"), ("2", "b", "00"), ("3", "other", "00"), ("4", "b", "00"), ("5", "b", "01")]
    log = HEADER + "".join(f"{n},2026-03-04 12:00:{second},{who},,买家,x\n" for n, who, second in rows)
    result, events = run(write(tmp_path, log), chat(), spread=True)
    assert {event["id"]: event["ts"] % 60_000 for event in events} == {
        "1": 0,
        "2": 1,
        "3": 0,
        "4": 2,
        "5": 1000,
    }
    assert result.spread == 2


def test_a_burst_does_not_spread_into_the_next_second(tmp_path: Path) -> None:
    log = HEADER + "".join(f"{n},2026-03-04 12:00:00,b,,买家,x\n" for n in range(1_200))
    _, events = run(write(tmp_path, log), chat(), spread=True)
    assert max(event["ts"] % 60_000 for event in events) == 999


def test_json_lines_keep_the_digits_of_an_amount_and_reach_inner_fields(tmp_path: Path) -> None:
    mapping = parse_mapping(
        """
        [[event]]
        type = "order"
        status = "created"
        shop = "{shop.name}"
        customer = "{buyer|user.id}"
        order = "{order}"
        ts = "{ts}"
        amount = "{amount}"
        items = "{items}"
        cod = "{cod}"
        """,
        "orders.toml",
    )
    lines = [
        """{"order":12345678901234567890,"ts":"2026-03-04T12:00:00Z","amount":0.10000000000000000001,
        "shop":{"name":"s"},"user":{"id":7},"items":[{"sku":"a","qty":2}],"cod":true}""".replace("\n", ""),
        "[1]",
        "{",
        "",
        '{"order":"2","ts":"2026-03-04T12:00:00Z","amount":"¥1,234.50","shop":{"name":"s"},"buyer":"b"}',
    ]
    result, events = run(write(tmp_path, "\n".join(lines), name="log.jsonl"), mapping)
    assert [bad.line for bad in result.rejects] == [2, 3]
    first, second = events
    assert (first["order"], first["amount"], first["customer"]) == (
        "12345678901234567890",
        "0.10000000000000000001",
        "7",
    )
    assert (first["items"], first["cod"]) == ([{"sku": "a", "qty": 2}], True)
    assert (second["amount"], second["customer"]) == ("1234.50", "b")


def test_parquet_gives_the_same_events_as_csv(tmp_path: Path) -> None:
    at = dt.datetime(2026, 3, 4, 12, 0, 0, 250_000)  # noqa: DTZ001 - local to the mapping
    columns = {
        "编号": [1, 2],
        "时间": [at, at],
        "买家": ["b", None],
        "客服": [None, None],
        "方向": ["买家", "买家"],
    }
    polars.DataFrame(columns | {"内容": ["hi", "hi"], "unused": [[1], [2]]}).write_parquet(
        tmp_path / "log.parquet"
    )
    result, events = run(tmp_path / "log.parquet", chat())
    _, same = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00.250,b,,买家,hi\n"), chat())
    assert events == same
    assert (result.rejected, result.rejects[0].line, result.rejects[0].column) == (1, 2, "买家")


def test_a_sheet_gives_its_dates_and_ids_and_the_rows_as_the_sheet_counts_them(tmp_path: Path) -> None:
    at = dt.datetime(2026, 3, 4, 12, 0, 0)  # noqa: DTZ001 - local to the mapping
    rows: list[list[object]] = [
        ["编号", "时间", "买家", "客服", "方向", "内容"],
        [20260304001, at, "b", None, "买家", "hi"],
        [],
        [2, "2026-03-04 12:00:01", 77, "amy", "客服", "hello"],
        [3, "soon", "b", None, "买家"],
    ]
    result, events = run(write_xlsx(tmp_path / "log.xlsx", rows, first=3), chat())
    assert [(e["id"], e["customer"], e["ts"]) for e in events] == [
        ("20260304001", "b", 1772596800000),
        ("2", "77", 1772596801000),
    ]
    assert [bad.line for bad in result.rejects] == [7]
    with pytest.raises(LogError, match="no sheet 'Sheet'; did you mean `Sheet1`"):
        run(tmp_path / "log.xlsx", chat('sheet = "Sheet"'))


def test_a_midnight_in_a_sheet_is_a_time_too(tmp_path: Path) -> None:
    at = dt.datetime(2026, 3, 4)  # noqa: DTZ001 - local to the mapping
    rows: list[list[object]] = [
        ["编号", "时间", "买家", "客服", "方向", "内容"],
        [1, at, "b", None, "买家", "hi"],
    ]
    assert run(write_xlsx(tmp_path / "log.xlsx", rows), chat())[1][0]["ts"] == 1772553600000


def test_day_and_time_of_two_columns_are_joined(tmp_path: Path) -> None:
    mapping = parse_mapping(
        'times=["%Y/%m/%d %H:%M"]\n[[event]]\ntype="message"\nts="{day} {time}"\nshop="s"\ncustomer="c"\nsender="customer"',
        "joined.toml",
    )
    _, events = run(write(tmp_path, "day,time\n2026/3/4,12:00\n"), mapping)
    assert events[0]["ts"] == 1772625600000


def test_rows_that_no_event_wants_are_refused_or_counted_as_the_mapping_says(tmp_path: Path) -> None:
    text = """
    [read]
    unmatched = "{}"
    [[event]]
    type = "order"
    status = "paid"
    when = {{ column = "status", is = ["paid", "done"] }}
    order = "{{order}}"
    customer = "{{order}}"
    shop = "s"
    ts = "{{ts}}"
    """
    log = write(tmp_path, "order,status,ts\n1,paid,2026-03-04T12:00:00Z\n2,draft,2026-03-04T12:00:00Z\n")
    assert run(log, parse_mapping(text.format("reject"), "x"))[0].rejected == 1
    result, events = run(log, parse_mapping(text.format("skip"), "x"))
    assert (result.skipped, result.rejected, len(events)) == (1, 0, 1)
    assert any("left out" in note for note in result.notes)


def test_standard_input_is_read_and_its_encoding_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tmp_path
    data = (HEADER + "1,2026-03-04 12:00:00,b,,买家,你好\n").encode("gbk")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    out = io.BytesIO()
    result = convert(["-"], chat(), out)
    assert json.loads(out.getvalue())["text"] == "你好"
    assert "gb18030" in result.encodings["<stdin>"]


def test_several_files_are_one_log(tmp_path: Path) -> None:
    first = write(tmp_path, HEADER + "2,2026-03-04 12:00:01,b,,买家,x\n", "gbk", "a.csv")
    second = write(
        tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,买家,x\n2,2026-03-04 12:00:01,b,,买家,x\n", name="b.csv"
    )
    out = io.BytesIO()
    seen: list[float] = []
    result = convert([first, second], chat(), out, on_progress=lambda _, share: seen.append(share))
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == ["1", "2"]
    assert result.duplicates == 1
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.xlsx", "log.jsonl"])
def test_a_file_that_is_not_there_or_not_what_it_says_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(LogError, match=name):
        run(tmp_path / name, chat())
    if name in ("log.parquet", "log.xlsx"):
        (tmp_path / name).write_bytes(b"not at all")
        with pytest.raises(LogError, match=name):
            run(tmp_path / name, chat())


def test_an_empty_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no header"):
        run(write(tmp_path, ""), chat())


def test_an_empty_agent_can_mean_the_queue(tmp_path: Path) -> None:
    text = CHAT.format(read="").replace('agent = "{客服}"', 'agent = { column = "客服", empty = "null" }')
    _, events = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,买家,hi\n"), parse_mapping(text, "x"))
    assert events[0]["agent"] is None


def test_words_that_mean_nothing_are_nothing(tmp_path: Path) -> None:
    mapping = chat('empty = ["NULL", "-"]')
    _, events = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,NULL,买家, hi \n"), mapping)
    assert "agent" not in events[0]
    assert events[0]["text"] == " hi "


def test_an_optional_column_may_be_missing_and_another_may_not(tmp_path: Path) -> None:
    text = CHAT.format(read="").replace('agent = "{客服}"', 'agent = { column = "工号", optional = true }')
    _, events = run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,买家,hi\n"), parse_mapping(text, "x"))
    assert "agent" not in events[0]


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("¥1,080.50", "1080.50"),
        ("1080.5元", "1080.5"),
        ("0", "0"),
        ("1,08", None),
        ("about 5", None),
        ("-3", None),
    ],
)
def test_an_amount_is_exact_or_refused(tmp_path: Path, cell: str, amount: str | None) -> None:
    mapping = parse_mapping(
        '[[event]]\ntype="order"\nstatus="paid"\nts="{ts}"\nshop="s"\ncustomer="c"\norder="{o}"\namount="{money}"',
        "x",
    )
    result, events = run(write(tmp_path, f'o,ts,money\n1,2026-03-04T12:00:00Z,"{cell}"\n'), mapping)
    assert [event["amount"] for event in events] == ([amount] if amount else [])
    assert [bad.column for bad in result.rejects] == ([] if amount else ["money"])


def test_a_wrong_declared_encoding_is_told_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="encoding"):
        run(write(tmp_path, HEADER + "1,2026-03-04 12:00:00,b,,买家,hi\n"), chat('encoding = "utf-16"'))


def test_numbers_of_a_million_digits_are_refused_at_once(tmp_path: Path) -> None:
    mapping = parse_mapping(
        'times=["epoch_s"]\n[[event]]\ntype="rating"\nts="{ts}"\nshop="s"\ncustomer="c"\nagent="a"\nscore="{score}"',
        "x",
    )
    result, events = run(
        write(tmp_path, "ts,score\n1e999999,5\n1700000000,1e999999\n1700000000,5.0\n"), mapping
    )
    assert [bad.line for bad in result.rejects] == [2, 3]
    assert [event["score"] for event in events] == [5]


def test_a_log_larger_than_the_cache_is_sorted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csstream.logs.spool._CACHE_KIB", 64)
    seconds = [(n * 7919) % 20_011 for n in range(20_000)]
    rows = "".join(
        f"{n},2026-03-04 {s // 3600:02}:{s // 60 % 60:02}:{s % 60:02},b,,买家,x\n"
        for n, s in enumerate(seconds)
    )
    result, events = run(write(tmp_path, HEADER + rows), chat())
    assert result.events == 20_000
    assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)


def test_a_name_that_no_json_line_has_is_told(tmp_path: Path) -> None:
    text = (
        '[[event]]\ntype="message"\nts="{ts}"\nshop="s"\ncustomer="{a|b}"\nsender="customer"\ntext="{txet}"'
    )
    log = '{"ts":"2026-03-04T12:00:00Z","b":"x","text":"hi"}\n'
    result, events = run(write(tmp_path, log, name="log.jsonl"), parse_mapping(text, "x"))
    assert len(events) == 1
    (note,) = result.notes
    assert "no row has `txet`" in note


@given(
    st.one_of(st.binary(max_size=300), st.text('ab,;"\n\r\t|x1\udcff好"', max_size=60).map(_rows)),
    st.sampled_from([".csv", ".jsonl"]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_no_input_breaks_the_import_and_every_row_is_accounted_for(
    data: bytes, suffix: str, spread: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"log{suffix}")
        path.write_bytes(data)
        out, kept = io.BytesIO(), io.BytesIO()
        try:
            result = convert([path], chat(), out, spread=spread, rejects=kept)
        except LogError:
            return
    lines = out.getvalue().splitlines()
    assert not [line for line in lines if isinstance(decode(line), Reject)]
    assert result.events == len(lines)
    assert result.rejected == len(kept.getvalue().splitlines())
    assert result.rows == result.events + result.duplicates + result.rejected
