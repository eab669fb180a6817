"""Fan-out: one message to many clients in slices, so that nobody else waits for long.

A channel's messages keep their order; channels with messages on their way take turns. Messages that come together
(`hold`) are sent together: one system call for each client, however many they are. A slice is at most `SENDS` sends or
`SLICE` seconds (a send is about 8 us of CPU, nearly all of it the kernel's; 15,000 in one turn would be a pause of
0.15 s). Two slices may come between two polls of the reactor: one where a message arrives, one when timers are looked
at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from cackled.realtime.channel import FRAME, GONE, SINGLE, Channel, Client, Job, Subscription
from cackled.realtime.messages import Message, Run

SENDS = 256
SLICE = 0.002
CHUNK = 32
# Messages of one channel that have not been sent to anyone yet are joined, up to this many, or about this many bytes.
RUN = 64
RUN_BYTES = 24 * 1024


class FanOut:
    """Carries messages to subscriptions.

    *sent* is called with the number of sends after a slice, *done* with a job's seconds from start to last. A client
    that turns out dead or slow while a slice runs is only noted (`condemn`) and ended after the loop, through *bury*.
    """

    def __init__(
        self,
        clock: IReactorTime,
        sent: Callable[[int], None],
        done: Callable[[float], None],
        bury: Callable[[Client, str], None],
    ) -> None:
        self._clock = clock
        self._sent = sent
        self._done = done
        self._bury = bury
        self._busy: deque[Channel] = deque()
        self._condemned: dict[Client, str] = {}
        # Sends since the last pause. Not reset each turn: a burst over several turns only pauses earlier.
        self._burst = 0
        self._scheduled = False
        self._burying = False
        self._holding = False

    def hold(self) -> None:
        """Send nothing in this turn before `release`: more messages are about to come."""
        self._holding = True

    def release(self) -> None:
        """Send the messages collected since `hold`."""
        self._holding = False
        if self._busy and not self._scheduled:
            self._slice()

    def spread(self, channel: Channel, message: Message, skip: Client | None = None) -> None:
        """Send *message* to all live subscribers of *channel* except *skip*.

        Sends at once until the slice is used up.
        """
        to = channel.everyone()
        if not to:
            return
        jobs = channel.jobs
        if jobs and _joined(jobs[-1], message, to):
            return
        jobs.append(Job(message, to, skip))
        if len(jobs) == 1:
            self._busy.append(channel)
            if not self._scheduled and not self._holding:
                self._slice()

    def condemn(self, client: Client, reason: str) -> None:
        """Mark *client* to be ended as soon as no loop over clients is running."""
        self._condemned.setdefault(client, reason)
        if not self._scheduled and not self._burying:
            self._burying = True
            self._clock.callLater(0, self.bury)

    def bury(self) -> None:
        """End the clients marked by `condemn`."""
        self._burying = False
        while self._condemned:
            client, reason = self._condemned.popitem()
            self._bury(client, reason)

    def _turn(self) -> None:
        self._scheduled = False
        self._burst = 0
        self._slice()

    def _slice(self) -> None:
        busy, now = self._busy, self._clock.seconds
        began = now()
        sent = 0
        while busy:
            if self._burst >= SENDS or now() - began > SLICE:
                self._scheduled = True
                self._clock.callLater(0, self._turn)
                # Rotate: the next turn starts with another channel.
                busy.rotate(-1)
                break
            channel = busy[0]
            if not channel.jobs:
                busy.popleft()
                continue
            job = channel.jobs[0]
            size = min(CHUNK, len(job.to) - job.done)
            self._chunk(job, size)
            self._burst += size
            sent += size * len(job.message.parts)
            if job.done >= len(job.to):
                # Not a plain popleft: a send may have reset the channel, which removes its jobs.
                if channel.jobs and channel.jobs[0] is job:
                    channel.jobs.popleft()
                self._done(now() - job.message.at)
                busy.rotate(-1)
        if sent:
            self._sent(sent)
        if self._condemned:
            self.bury()

    @staticmethod
    def _chunk(job: Job, size: int) -> None:
        message, seq, start = job.message, job.message.seq, job.done
        job.done = start + size
        if isinstance(message, Run):
            for subscription in job.to[start:start + size]:
                if subscription.seq < message.first:
                    subscription.seq = seq
                    subscription.client.deliver(subscription, message)
                    continue
                for part in message.parts:
                    if subscription.seq < part.seq:
                        subscription.seq = part.seq
                        subscription.client.deliver(subscription, part)
        elif seq:
            # The hot path: most clients get the same bytes, passed straight to their transport.
            single = frame = b""
            for subscription in job.to[start:start + size]:
                if subscription.seq < seq:
                    subscription.seq = seq
                    client: Any = subscription.client
                    form = client.form
                    if form == SINGLE and len(client.subscriptions) == 1 and client.ours and not client.state:
                        single = single or message.single(subscription.channel.sub)
                        held = client.transport.push(single)
                    elif form == FRAME and client.ours and not client.state:
                        frame = frame or message.frame
                        held = client.transport.push(frame)
                    else:
                        client.deliver(subscription, message)
                        continue
                    if held:
                        client.behind(held)
        else:
            for subscription in job.to[start:start + size]:
                if subscription.seq < GONE and subscription.client is not job.skip:
                    subscription.client.deliver(subscription, message)


def _joined(job: Job, message: Message, to: tuple[Subscription, ...]) -> bool:
    """Add *message* to *job* if the job has not started, its recipients are the same, and both are durable.

    Returns whether.
    """
    last = job.message
    if job.done or job.to is not to or not last.seq or message.seq != last.seq + 1:
        return False
    size = job.bytes + len(message.body)
    if size > RUN_BYTES or len(last.parts) >= RUN:
        return False
    if not isinstance(last, Run):
        last = job.message = Run(last)
    last.add(message)
    job.bytes = size
    return True
