"""The fields of a plain record: a class whose `__init__` sets all of them, in a fixed order.

Such a class can be machine code, which a struct cannot, and its attributes then cost nothing. What has to know their
names asks here; a record that is written to rows gives its values itself (`fields`), which costs a fraction of asking
for each by its name, and `tests/core/test_compiled.py` says when the two differ.
"""


def names_of(record: object) -> tuple[str, ...]:
    """The names of its fields, in the order in which `__init__` sets them."""
    # A compiled class has no `vars`, and keeps them in an attribute.
    return getattr(record, "__mypyc_attrs__", None) or tuple(vars(record))
