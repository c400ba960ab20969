"""A visit while it lasts: the customer asks, somebody is found who replies, and in time the reply comes.

Everything that makes a customer wait is here: the queue, the promises an agent made before, and what happens
when there are too many of them.
"""

from typing import Final

from csstream.simulate import phrases
from csstream.simulate.agent import GONE, Agent
from csstream.simulate.chat import Chat
from csstream.simulate.durations import LINGER_MS, PATIENCE_MS, READ_MS, THINK_MS, TYPE_MS
from csstream.simulate.farewell import Farewell
from csstream.simulate.plan import HOUR_MS
from csstream.simulate.roster import Roster
from csstream.simulate.story import Story

_BUSY_SHARE: Final = 0.55  # of the thinking keeps the hands busy; the rest runs beside other chats
_BUSY_MAX_MS: Final = 60_000  # nobody works longer on one reply: the rest is waiting for a colleague
_BACKLOG_MS: Final = 150_000  # work promised ahead by which a chat is moved elsewhere or forgotten
_BACKLOG_MAX_MS: Final = 480_000  # no agent is behind by more than this: further customers are not answered
_QUEUE_MAX_MS: Final = 2 * HOUR_MS  # nobody waits longer for the morning
_RUNS: Final = (1, 1, 1, 1, 1, 2, 2, 2, 3, 4)  # messages in a row


class Conversation:
    """The steps from a customer's question to the agent's reply, for all visits of one shop."""

    def __init__(self, story: Story, roster: Roster, farewell: Farewell) -> None:
        self._story = story
        self._roster = roster
        self._farewell = farewell

    def ask(self, ts: int, chat: Chat) -> None:
        """The customer begins a run of messages."""
        chat.run = self._story.pick(_RUNS)
        self._write(ts, chat)

    def greet(self, ts: int, chat: Chat) -> None:
        """The platform greets in the agent's name, which is no reply."""
        self._story.message(ts, chat, "auto", self._story.pick(phrases.AUTO))

    def _write(self, ts: int, chat: Chat) -> None:
        """One message of a run; the first that nobody is about to answer makes somebody owe a reply."""
        if chat.bot and chat.bot_turns == 0 and chat.agent is None:
            self._story.message(ts, chat, "customer", self._story.pick(phrases.FOR_A_PERSON))
        else:
            choices = phrases.FOLLOW_UPS if chat.replies else phrases.QUESTIONS[chat.group]
            event = self._story.message(ts, chat, "customer", self._story.pick(choices))
            chance = self._story.random()
            if chance < 0.12:
                if chance < 0.08:
                    event.update(kind="image", text="[图片]")
                elif chance < 0.1:
                    event.update(kind="emoji", text=self._story.pick(phrases.EMOJI))
                else:
                    event.update(kind="card", text="[商品]", sku=f"k{int(self._story.random() * 200):03d}")
        chat.run -= 1
        if chat.run:
            self._story.push(ts + self._story.pick(TYPE_MS), self._write, chat)
        if chat.asked:
            return
        chat.asked = True
        if chat.agent is not None:
            self._promise(ts, chat)
        elif chat.bot_turns:
            chat.bot_turns -= 1
            self._story.push(ts + 800 + int(self._story.random() * 1700), self._answer_by_bot, chat)
        else:
            chat.since_ms = ts
            self._story.push(ts + 1000 + int(self._story.random() * 3000), self._assign, chat)

    def _answer_by_bot(self, ts: int, chat: Chat) -> None:
        self._story.message(ts, chat, "bot", self._story.pick(phrases.BOT))
        chat.asked = False
        if chat.run:
            return
        if chat.bot_turns == 0 and self._story.random() < 0.2:
            self._story.push(ts + self._story.pick(LINGER_MS), self._farewell.close, chat)
        else:
            self._story.push(ts + self._story.pick(READ_MS), self.ask, chat)

    def _assign(self, ts: int, chat: Chat) -> None:
        """From the queue to an agent; where nobody is on, look again every minute until patience ends."""
        agent = self._roster.choose(chat.group)
        if agent is None:
            waited_ms = ts - chat.since_ms
            if waited_ms > _QUEUE_MAX_MS or (waited_ms > 60_000 and self._story.random() < 0.08):
                self._farewell.give_up(ts, chat)
            else:
                self._story.push(ts + 60_000, self._assign, chat)
            return
        self._transfer(ts, chat, agent, "divert")
        if chat.bot:
            self._story.message(ts, chat, "system", phrases.SYSTEM)["agent"] = None
        self._promise(ts, chat)

    def _transfer(self, ts: int, chat: Chat, to: Agent | None, reason: str) -> None:
        event = self._story.event("transfer", ts, chat.customer)
        event["from_agent"] = None if chat.agent is None else chat.agent.id
        event["to_agent"] = None if to is None else to.id
        event["reason"] = reason
        if reason == "manual" and self._story.random() < 0.05:
            event["authorised"] = False
        chat.agent = to

    def _move(self, ts: int, subject: tuple[Chat, str]) -> None:
        """The agent is gone: the customer goes to another, else back to the queue."""
        chat, reason = subject
        self._transfer(ts, chat, self._roster.choose(chat.group, but=chat.agent), reason)
        if chat.agent is None:
            chat.since_ms = ts
            self._story.push(ts + 60_000, self._assign, chat)
        else:
            self._promise(ts, chat)

    def _promise(self, ts: int, chat: Chat) -> None:
        """When will the agent reply: after all that was promised before, and then some thinking; or never."""
        agent = chat.agent
        assert agent is not None
        random = self._story.random
        if agent.state in GONE:
            self._story.push(ts + 2000 + self._story.pick(TYPE_MS), self._move, (chat, GONE[agent.state]))
            return
        begin = max(ts, agent.free_ms)
        chance = random()
        if begin - ts > _BACKLOG_MS:
            if chance < 0.5:
                other = self._roster.choose(chat.group, but=agent)
                if other is not None and other.free_ms < begin - 60_000:
                    self._transfer(ts, chat, other, "timeout")
                    agent = other
                    begin = max(ts, agent.free_ms)
            elif chance < 0.8:
                begin = ts + _BACKLOG_MAX_MS + 1
            if begin - ts > _BACKLOG_MAX_MS:
                if random() < 0.1:
                    # Tidying a crowded list by closing what was never answered: SPEC 4, W10.
                    self._story.push(ts + 30_000 + self._story.pick(READ_MS), self._farewell.shut, chat)
                self._story.push(ts + 60_000 + self._story.pick(PATIENCE_MS), self._farewell.give_up, chat)
                return
        elif chance < 0.012:
            self._story.push(ts + 60_000 + self._story.pick(PATIENCE_MS), self._farewell.give_up, chat)
            return
        think = int(THINK_MS[int(random() * 1000)] * agent.pace)
        if random() < 0.008:
            think *= 8  # looks it up in the warehouse, or simply forgot
        busy = int(think * _BUSY_SHARE)
        agent.free_ms = begin + min(_BUSY_MAX_MS, busy)
        self._story.push(begin + think, self._reply, chat)

    def _reply(self, ts: int, chat: Chat) -> None:
        agent = chat.agent
        assert agent is not None
        random = self._story.random
        if agent.state in GONE:
            self._move(ts, (chat, GONE[agent.state]))
            return
        other = None
        if chat.transfer:
            other = self._roster.choose(chat.group, but=agent)
            chat.transfer = False
            if other is not None and random() < 0.5:
                self._transfer(ts, chat, other, "manual")
                self._promise(ts, chat)
                return
        sender = "assist_bot" if random() < 0.12 else "human"
        event = self._story.message(ts, chat, sender, self._story.pick(phrases.ANSWERS))
        chance = random()
        if chance < 0.2:
            event["quick_reply"] = f"q{int(chance * 100):02d}"
        elif chance < 0.26:
            event["kind"] = "card"
            event["sku"] = f"k{int(random() * 200):03d}"
        chat.asked = False
        chat.replies += 1
        if chance > 0.8:
            self._story.push(ts + self._story.pick(TYPE_MS), self._add, (chat, agent))
        if chat.noted:
            chat.noted = False
            self._story.push(ts + self._story.pick(TYPE_MS), self._note, (chat, agent))
        if other is not None:
            # He who has answered and then hands over leaves no open leg behind: SPEC 4, V19.
            self._transfer(ts, chat, other, "manual")
        if chat.run:
            return
        chat.turns -= 1
        then = self.ask if chat.turns > 0 else self._farewell.finish
        self._story.push(ts + self._story.pick(READ_MS), then, chat)

    def _add(self, ts: int, subject: tuple[Chat, Agent]) -> None:
        chat, agent = subject
        if chat.agent is agent and agent.state not in GONE:
            self._story.message(ts, chat, "human", self._story.pick(phrases.EXTRA))

    def _note(self, ts: int, subject: tuple[Chat, Agent]) -> None:
        chat, agent = subject
        if agent.state not in GONE:
            note = self._story.message(ts, chat, "human", self._story.pick(phrases.NOTES))
            note.update(agent=agent.id, internal=True)
