"""The count of rows by family is what a count of all rows would say, whatever is written, written again or ended."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from csstream.census import Census
from csstream.core.rows import decode_key, encode_key

keys = st.tuples(st.sampled_from(["chapter", "customer", "shop"]), st.sampled_from("abc")).map(encode_key)
steps = st.lists(st.dictionaries(keys, st.sampled_from([b"row", None])))


@given(st.dictionaries(keys, st.just(b"row")), steps)
def test_a_count_that_is_kept_says_what_a_count_anew_would(
    loaded: dict[bytes, bytes], written: list[dict[bytes, bytes | None]]
) -> None:
    census, there = Census(loaded), set(loaded)
    for step in written:
        census.note(step)
        there |= {key for key, row in step.items() if row is not None}
        there -= {key for key, row in step.items() if row is None}
        assert +census.counts == Counter(decode_key(key)[0] for key in there)
