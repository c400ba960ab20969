"""What holds for every test: nothing of what it puts out may show chat text or secrets; and which ones come first."""

import pytest

pytest_plugins = ("pytester", "tests.leaks")

LONGEST = (
    "tests/test_mutants.py",
    "tests/deploy/test_system.py",
    "tests/deploy/test_panels.py",
    "tests/kafka/test_kills.py",
    "tests/kafka/test_orders.py",
    "tests/kafka/test_rebuild.py",
    "tests/kafka/test_notify.py",
)
"""Modules of minutes. Where several processes share the tests, these are not left for the end, when only one would have
anything to do; nor are they split between two, which would both set up what a module shares."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, module by module; all others stay in their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))
