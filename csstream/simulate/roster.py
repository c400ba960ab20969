"""Who is on: shifts, rests and broken lines, and who of those present takes a customer."""

from collections.abc import Callable

from csstream.simulate.agent import NAMES, Agent
from csstream.simulate.plan import DAY_MS, HOUR_MS, ZONE_MS
from csstream.simulate.story import Story


class Roster:
    """The agents of one shop. Until they sign up, everybody is on all day and no event says so."""

    def __init__(self, story: Story, agents: int) -> None:
        self._story = story
        self._agents = [Agent(n, agents, 0.75 + 0.6 * story.random()) for n in range(agents)]
        self._online: list[Agent] = list(self._agents)

    def sign_up(self, ts: int) -> None:
        """Introduce everybody, and let shifts decide from `ts` on who is there."""
        for agent in self._agents:
            self._story.of_agent("profile", ts, agent).update(
                number=str(agent.index + 1),
                name=NAMES[agent.index % len(NAMES)],
                group=agent.group,
                tenure=self._story.pick(("新人", "半年", "一年", "三年")),
                valid_from=ts,
            )
            agent.state = "offline"
        self._online.clear()
        midnight = ts - (ts + ZONE_MS) % DAY_MS
        for agent in self._agents:
            if midnight - DAY_MS + agent.hours[1] * HOUR_MS > ts:
                self._shift(ts, agent, midnight - DAY_MS)
        self._day(ts, midnight)
        for agent in self._agents:
            # What began before the log does is told at its first instant.
            self._presence(ts, (agent, agent.state))

    def choose(
        self, group: str, but: Agent | None = None, random: Callable[[], float] | None = None
    ) -> Agent | None:
        """Who takes a customer: the freer of two at random, as platforms deal; of the group if one is there.

        `random` is the story's, unless the choice must leave no trace in it.
        """
        random = random or self._story.random
        able = [agent for agent in self._online if agent.group == group and agent is not but]
        if not able:
            able = [agent for agent in self._online if agent is not but]
        if not able:
            return None
        one = able[int(random() * len(able))]
        two = able[int(random() * len(able))]
        return one if one.free_ms <= two.free_ms else two

    def _day(self, ts: int, midnight: int) -> None:
        for agent in self._agents:
            self._shift(ts, agent, midnight)
        self._story.push(midnight + DAY_MS, self._next_day, None)

    def _shift(self, ts: int, agent: Agent, midnight: int) -> None:
        """An agent's shift on the local day from `midnight`, and when he comes, rests and goes."""
        day = (midnight + ZONE_MS) // DAY_MS
        start, end = (midnight + hour * HOUR_MS for hour in agent.hours)
        self._story.of_agent("shift", ts, agent).update(
            shift=f"{agent.id}-{day}",
            start=start,
            end=end,
            group=agent.group,
            duty=agent.index == day % len(self._agents),
        )
        before = []
        rest = start + int((0.35 + 0.3 * self._story.random()) * (end - start))
        for at, state in (
            (start + int(self._story.random() * 60_000), "online"),
            (rest - int((3 + 4 * self._story.random()) * 60_000), "hung"),
            (rest, "away"),
            (rest + int((10 + 15 * self._story.random()) * 60_000), "online"),
            (end - int((1 + 3 * self._story.random()) * 60_000), "hung"),
            (end - int(self._story.random() * 1000), "offline"),
            *self._drop(start, rest),
        ):
            if at < ts:
                before.append((at, state))
            else:
                self._story.push(at, self._presence, (agent, state))
        if before:
            agent.state = max(before)[1]

    def _drop(self, start: int, rest: int) -> tuple[tuple[int, str], ...]:
        """Now and then the line breaks in mid-shift: nobody was warned, and the customers are passed on."""
        if self._story.random() > 0.25:
            return ()
        at = start + int((0.3 + 0.5 * self._story.random()) * (rest - start))
        return (at, "dropped"), (at + int((2 + 4 * self._story.random()) * 60_000), "online")

    def _next_day(self, ts: int, _: None) -> None:
        self._day(ts, ts)

    def _presence(self, ts: int, subject: tuple[Agent, str]) -> None:
        agent, state = subject
        agent.state = state
        self._story.of_agent("presence", ts, agent).update(
            state="offline" if state == "dropped" else state, capacity=10
        )
        self._online = [other for other in self._agents if other.state == "online"]
