"""Who may use the telnet console: one user, one password at a time; repeated wrong answers are delayed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime

from cackled.admin.secrets import same
from cackled.clock import sleep
from cackled.turns import Turns

FREE_TRIES = 5
LONGEST_DELAY = 30.0
# Seconds between two checks for a source with too many wrong tries. Short: the right password may come from there too.
SPACING = 0.25
FORGET_AFTER = 900.0
MOST_SOURCES = 1_000


class Gate:
    """Admits one user, and checks one password at a time over all connections.

    Wrong tries of others never lock out the right password: checks are queued and the queue is short. Only the answer
    to a wrong try is delayed, after the fifth of a *source* by 1, 2, 4 .. 30 seconds, and checks for that source are a
    quarter of a second apart. A right password, or 15 minutes without a wrong one, resets the source.

    Args:
        verify: checks the password; the caller makes it run in a thread.
        known: whether a password was right before, without a thread: then it does not wait in the queue.
    """

    def __init__(
        self,
        clock: IReactorTime,
        user: str,
        verify: Callable[[str], Awaitable[bool]],
        known: Callable[[str], bool] = lambda password: False,
    ) -> None:
        self._clock = clock
        self._user = user
        self._verify = verify
        self._known = known
        self._turns = Turns()
        # By source: number of wrong tries and when the last one was checked; the oldest first.
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def admit(
        self, user: str, password: str, source: str = "", gone: Callable[[], bool] = lambda: False
    ) -> bool:
        """Whether *user* with *password* may log in; takes as long for a wrong user as for a wrong password.

        A client that is *gone* when its turn comes is not checked.
        """
        if self._known(password) and same(user, self._user):
            self._wrong.pop(source, None)
            return True
        async with self._turns:
            if gone():
                return False
            count, last = self._of(source)
            wait = last + SPACING - self._clock.seconds()
            if count >= FREE_TRIES and wait > 0:
                await sleep(self._clock, wait)
            right = await self._verify(password)
            if same(user, self._user) and right:
                self._wrong.pop(source, None)
                return True
            count += 1
            self._wrong[source] = (count, self._clock.seconds())
            self._wrong.move_to_end(source)
            if len(self._wrong) > MOST_SOURCES:
                self._wrong.popitem(last=False)
        if count > FREE_TRIES:
            # The delay is outside the queue, so nobody else waits for it.
            await sleep(self._clock, min(LONGEST_DELAY, 2.0 ** min(count - FREE_TRIES - 1, 10)))
        return False

    def _of(self, source: str) -> tuple[int, float]:
        count, last = self._wrong.get(source, (0, 0.0))
        return (0, 0.0) if self._clock.seconds() - last > FORGET_AFTER else (count, last)
