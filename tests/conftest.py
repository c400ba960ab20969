"""What holds for every test: nothing of what it puts out may show chat text or secrets; and which ones come first."""

import pytest

pytest_plugins = ("pytester", "tests.leaks")

LONG = (
    (
        "tests/deploy/test_system.py",
        "tests/kafka/test_kills.py",
        "tests/kafka/test_rebuild.py",
        "tests/kafka/",
    ),
    (
        "tests/test_mutants.py",
        "tests/laws/",
        "tests/test_simulate.py",
        "tests/replay/",
    ),
    (
        "tests/kafka/test_orders.py",
        "tests/kafka/test_notify.py",
        "tests/kafka/test_feeds.py",
        "tests/deploy/test_panels.py",
        "tests/gateway/",
    ),
)
"""What takes minutes, in three parts: one computes, two mostly wait for brokers and other programs."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, each begins with a part of what takes long.

    At first each gets as many tests as the others, in the order given; who has none left takes half of the last ones of
    somebody else. So what is short comes last, and a module whose tests share a set-up of many seconds stays whole.
    """
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    if processes == 1:
        return
    shares: list[list[pytest.Item]] = [[] for _ in range(processes)]
    places = {name: (part, place) for part, names in enumerate(LONG) for place, name in enumerate(names)}
    found = {item: max(filter(item.nodeid.startswith, places), key=len, default="") for item in items}
    for item in sorted(filter(found.get, items), key=lambda item: places[found[item]]):
        shares[places[found[item]][0] % processes].append(item)
    short = [item for item in items if not found[item]]
    for at, share in enumerate(shares):
        size = (len(items) - sum(map(len, shares[:at]))) // (processes - at)
        more = max(0, size - len(share))
        share.extend(short[:more])
        del short[:more]
    items[:] = [item for share in (*shares, short) for item in share]
