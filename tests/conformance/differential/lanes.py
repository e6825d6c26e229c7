"""Plays generated calls in several lanes at once, each of which has both servers to itself."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.conformance.differential.mlflow_server import running_mlflow
from tests.conformance.differential.pair import Pair, api
from tests.conformance.differential.script import play
from tests.support.server import running_server

# One MLflow server is busy for most of a call's time; two keep two processors busy.
LANES = 2


@contextlib.contextmanager
def running_lanes(lanes=LANES) -> Iterator[list[Pair]]:
    """A pair of new and empty servers for each lane."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(2 * lanes) as starters:
        # Started together, since MLflow takes seconds.
        started = [
            starters.submit(stack.enter_context, manager)
            for _ in range(lanes)
            for manager in (running_mlflow(), running_server())
        ]
        servers = [future.result() for future in started]
        yield [
            stack.enter_context(contextlib.closing(Pair(api(their_url), api(ours.url))))
            for their_url, ours in zip(servers[::2], servers[1::2], strict=True)
        ]


def play_lanes(pairs, seed, calls, differences_max=100):
    """Make about `calls` calls on both servers, shared among the lanes, each with a script of its own."""
    with ThreadPoolExecutor(len(pairs)) as players:
        played = [
            players.submit(play, pair, f"{seed} {lane}", calls // len(pairs), differences_max)
            for lane, pair in enumerate(pairs)
        ]
        for future in played:
            future.result()
