"""Dead letters by reason: a figure is worth what was read for it."""

from csstream.replay.figures import count
from csstream.replay.markup import Html, both, ident, join, tag
from csstream.replay.report.input import ReportInput
from csstream.replay.report.limits import SHOPS_LISTED
from csstream.replay.report.table import left_out, plain

_REASONS = {
    "not_json": ("不是 JSON", "is not JSON"),
    "not_object": ("不是 JSON 对象", "is no JSON object"),
    "missing": ("缺少字段", "a field is missing"),
    "bad": ("字段的值不合格式", "a field's value does not fit"),
    "unknown_type": ("未知的事件类型", "no known type of event"),
    "unsupported_version": ("版本过新", "a newer format version"),
    "too_large": ("超过 1 MiB", "over 1 MiB"),
    "internal": ("程序自身的错误", "our own fault"),
}


def body(report: ReportInput) -> Html:
    """The lines that could not be read, by reason, most first."""
    if not report.dead_letters:
        return tag("p", both("没有：每一行都读入了。", "None: every line was read."))
    ordered = sorted(report.dead_letters.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = [
        (ident(reason), both(*_REASONS.get(reason.partition(":")[0], ("", ""))), join((count(number),)))
        for reason, number in ordered[:SHOPS_LISTED]
    ]
    rest = ordered[SHOPS_LISTED:]
    if rest:
        rows.append(
            (
                join(("…",)),
                both("其他原因", "other reasons"),
                join((count(sum(number for _, number in rest)),)),
            )
        )
    return join(
        (
            left_out(
                "原文、文件和行号在 dead_letters.jsonl。",
                "The lines themselves, with file and line number, are in dead_letters.jsonl.",
            ),
            plain((("原因", "reason"), ("含义", "meaning"), ("行数", "lines")), rows),
        )
    )
