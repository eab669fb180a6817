"""Pages of products as a server has them, each with random histories, and what a page makes of the events."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

State = dict[str, Any]


class ReviewPage:
    """Reviews of a page: written, changed, voted on, hidden, shown again."""

    product = "reviews"

    def __init__(self, random: Random) -> None:
        self._random = random
        self._all: dict[str, State] = {}
        self.state: State = {"count": 0, "sum": 0, "shown": {}}

    def _summary(self) -> State:
        shown = self.state["shown"].values()
        self.state |= {"count": len(shown), "sum": sum(one["star"] for one in shown)}
        return {"count": self.state["count"], "sum": self.state["sum"]}

    def happen(self, seq: int) -> tuple[str, State]:
        """What happens next: the type and the data of its event."""
        shown: dict[str, State] = self.state["shown"]
        deed = self._random.choice(("write", "write", "change", "vote", "hide", "show", "count"))
        hidden = sorted(set(self._all) - set(shown))
        if deed == "show" and hidden:
            number = self._random.choice(hidden)
        elif deed in ("change", "vote", "hide") and shown:
            number = self._random.choice(sorted(shown))
        elif deed == "count":
            return "summary.updated", {"summary": self._summary()}
        else:
            deed, number = "write", str(seq)
            self._all[number] = {"id": number, "star": self._random.randint(1, 5), "text": f"Words {seq}", "up": 0}
        one = self._all[number]
        if deed == "hide":
            del shown[number]
            return "review.deleted", {"id": number, "summary": self._summary()}
        if deed == "vote":
            one["up"] += 1
            return "review.voted", {"id": number, "up": one["up"], "down": 0}
        if deed == "change":
            one |= {"star": self._random.randint(1, 5), "text": f"Changed {seq}"}
        shown[number] = one
        return ("review.updated" if deed == "change" else "review.created"), {
            "review": deepcopy(one), "summary": self._summary(),
        }  # fmt: skip

    @staticmethod
    def follow(state: State, kind: str, data: State) -> bool:
        """Make of *state* what an event says; False: the page has to be read again."""
        shown = state["shown"]
        state |= data.get("summary") or {}
        if kind == "review.deleted":
            shown.pop(data["id"], None)
        elif kind == "review.voted":
            if data["id"] in shown:
                shown[data["id"]]["up"] = data["up"]
        elif kind in ("review.created", "review.updated"):
            shown[data["review"]["id"]] = data["review"]
        return True


class PollPage:
    """A poll as a stranger sees it: voted in, changed, closed and opened again; its counts may be hidden."""

    product = "polls"

    def __init__(self, random: Random) -> None:
        self._random = random
        self._hidden = random.random() < 0.4
        self._votes = {"1": 0, "2": 0}
        self._closed = False
        self._version = 1

    @property
    def state(self) -> State:
        """What is seen."""
        public = not self._hidden or self._closed
        return {
            "version": self._version, "closed": self._closed, "voters": sum(self._votes.values()) if public else None,
            "votes": dict(self._votes) if public else None,
        }  # fmt: skip

    def happen(self, seq: int) -> tuple[str, State]:
        """What happens next: the type and the data of its event."""
        deed = self._random.choice(("vote", "vote", "vote", "withdraw", "change", "close"))
        if deed in ("vote", "withdraw") and not self._closed:
            option = self._random.choice(sorted(self._votes))
            self._votes[option] = max(0, self._votes[option] + (1 if deed == "vote" else -1))
            return "poll.voted", {"voters": self.state["voters"], "votes": self.state["votes"]}
        self._version += 1
        if deed == "close" and not self._closed:
            self._closed = True
            return "poll.closed", {"voters": self.state["voters"]}
        self._closed = False
        return "poll.updated", {"version": self._version}

    @staticmethod
    def follow(state: State, kind: str, data: State) -> bool:
        """Make of *state* what an event says; False: the page has to be read again."""
        if kind != "poll.voted":
            return False
        if data["voters"] is not None:
            state |= {"voters": data["voters"], "votes": data["votes"]}
        return True
