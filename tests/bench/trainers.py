"""Many training processes at once, each logging by the tracklog client; run by its path.

`trainers.py URL DIRECTORY TRAINERS SECONDS` prints as JSON each trainer's run id, what each of its calls took
in nanoseconds, and the processor time of all trainers. They are forks of one process, so that 200 of them do
not import everything 200 times, which no number here is about.
"""

import json
import multiprocessing
import resource
import sys
import time
from array import array
from pathlib import Path

import tracklog

CALLS_PER_S = 20
KEYS = ("loss", "accuracy", "lr", "grad_norm", "epoch")
FLUSH_TIMEOUT_S = 120.0


def train(url: str, directory: Path, number: int, trainers: int, seconds: float) -> None:
    """Log at an even pace, a run of its own."""
    run = tracklog.init(url, experiment="crowd", name=f"trainer-{number:03}")
    took = array("q")
    # Not all at the same moment of each second.
    due = time.perf_counter() + number / trainers / CALLS_PER_S
    for step in range(int(CALLS_PER_S * seconds)):
        time.sleep(max(0.0, due - time.perf_counter()))
        due += 1 / CALLS_PER_S
        values = {key: (number + 1) / (step + place + 1) for place, key in enumerate(KEYS)}
        began = time.perf_counter_ns()
        run.log(values, step)
        took.append(time.perf_counter_ns() - began)
    run.finish()
    delivered = run.flush(FLUSH_TIMEOUT_S)
    told = {"run_id": run.id, "took_ns": took.tolist(), "delivered": delivered}
    (directory / f"{number}.json").write_text(json.dumps(told))


def main(url: str, directory: Path, trainers: int, seconds: float) -> None:
    """Start them, wait for them, tell."""
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=train, args=(url, directory, number, trainers, seconds))
        for number in range(trainers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit(f"trainers failed: {[process.exitcode for process in processes]}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "trainers": [json.loads(file.read_text()) for file in directory.glob("*.json")],
        "cpu_s": used.ru_utime + used.ru_stime,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
