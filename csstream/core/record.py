"""The fields of a plain record: a class whose `__init__` sets all of them, in a fixed order.

Such a class can be machine code, which a struct cannot, and its attributes then cost nothing; what reads or writes
all of them asks here, so that no list of them has to be kept by hand.
"""


def names_of(record: object) -> tuple[str, ...]:
    """The names of its fields, in the order in which `__init__` sets them."""
    # A compiled class has no `vars`, and keeps them in an attribute.
    return getattr(record, "__mypyc_attrs__", None) or tuple(vars(record))
