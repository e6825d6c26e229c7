"""What each connection of a load sends, and a record of what was acknowledged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.bench.load import Script
from tests.bench.payloads import EPOCH_MS, STEP_MS, RunContent
from tests.bench.settings import POINTS_PER_REQUEST
from tests.bench.wire import created_run_id, post_bytes


@dataclass
class Acknowledged:
    """Points or items acknowledged per run, in the order in which runs were first written to."""

    count: dict[str, int] = field(default_factory=dict)
    last_run: str = ""

    def add(self, run_id: str, count: int) -> None:
        """`count` more were acknowledged."""
        self.count[run_id] = self.count.get(run_id, 0) + count
        self.last_run = run_id

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.count.values())


def log_batches(
    run_ids: Iterable[str],
    metrics: Iterable[bytes],
    acknowledged: Acknowledged,
    on_answer: Callable[[], None] = lambda: None,
) -> Script:
    """Fill run after run, each with one request for every JSON array in `metrics`."""
    for run_id in run_ids:
        head = b'{"run_id": "%s", "metrics": ' % run_id.encode()
        for array in metrics:
            yield post_bytes("runs/log-batch", head + array + b"}")
            acknowledged.add(run_id, POINTS_PER_REQUEST)
            on_answer()


def log_metric_requests(run_id: str, key: str, count: int) -> list[bytes]:
    """Requests that log one point each: steps 0 ... count - 1."""
    bodies = (
        f'{{"run_uuid": "{run_id}", "run_id": "{run_id}", "key": "{key}", "value": {1 / (step + 3)!r}, '
        f'"timestamp": {EPOCH_MS + STEP_MS * step}, "step": {step}}}'
        for step in range(count)
    )
    return [post_bytes("runs/log-metric", body.encode()) for body in bodies]


def log_metrics(run_id: str, requests: Sequence[bytes], acknowledged: Acknowledged) -> Script:
    """Send these requests, all for one run."""
    for request in requests:
        yield request
        acknowledged.add(run_id, 1)


@dataclass(frozen=True)
class PreparedRun:
    """A run's requests, but for the id that the server will choose."""

    create: bytes
    batch: bytes
    finish: bytes
    content: RunContent


def prepare(experiment_id: str, content: RunContent) -> PreparedRun:
    """The requests of one whole run."""
    return PreparedRun(
        create=post_bytes("runs/create", content.create_json(experiment_id)),
        batch=content.batch_json(),
        finish=b'"status":"FINISHED","end_time":%d}' % content.end_ms,
        content=content,
    )


def whole_runs(runs: Iterable[PreparedRun], finished: dict[str, RunContent]) -> Script:
    """Create, log into and finish run after run; `finished` gets each once the last of it is acknowledged."""
    for run in runs:
        run_id = created_run_id((yield run.create))
        named = run_id.encode()
        yield post_bytes("runs/log-batch", b'{"run_id":"%s",' % named + run.batch)
        yield post_bytes("runs/update", b'{"run_uuid":"%s","run_id":"%s",' % (named, named) + run.finish)
        finished[run_id] = run.content
