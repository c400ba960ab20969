"""How long people take: log-normal, as reading, typing and thinking are, so that a few take very long.

Each distribution is a table of quantiles: to draw is then to index, which is fast and the same everywhere.
"""

import math
from statistics import NormalDist
from typing import Final


def log_normal_ms(median_s: float, sigma: float) -> tuple[int, ...]:
    """A thousand quantiles, in milliseconds, of a log-normal time."""
    bell = NormalDist(math.log(median_s * 1000), sigma)
    return tuple(round(math.exp(bell.inv_cdf((n + 0.5) / 1000))) for n in range(1000))


THINK_MS: Final = log_normal_ms(12, 0.9)  # an agent, from turning to a customer until the reply is sent
READ_MS: Final = log_normal_ms(16, 0.9)  # a customer, until he writes again
TYPE_MS: Final = log_normal_ms(4, 0.6)  # between two messages of one run
LINGER_MS: Final = log_normal_ms(90, 0.7)  # until the session is closed
PATIENCE_MS: Final = log_normal_ms(150, 0.8)  # until an unanswered customer asks again or leaves
