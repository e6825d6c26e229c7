"""Which parts a multipart upload may be completed with: the same rules in every store."""

from collections.abc import Iterable, Sequence
from typing import Final

from tracklog_artifacts.store import Part
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected

# S3's limits, everywhere: what works with one store works with all.
PART_BYTES_MIN: Final = 5 * 2**20
PARTS_MAX: Final = 10_000


def chosen(there: Iterable[Part], wanted: Sequence[tuple[int, str]]) -> list[Part]:
    """The parts to make a file of, from those that are there, by the numbers and ETags of the wanted ones.

    Raises: Rejected, when a part is missing, too small or another than its ETag says.
    """
    numbers = [number for number, _ in wanted]
    if not numbers or numbers != sorted(set(numbers)):
        raise Rejected(INVALID, "The parts of an upload must be given once each, in ascending order.")
    by_number = {part.number: part for part in there}
    for number, etag in wanted:
        part = by_number.get(number)
        if part is None or part.etag != etag.strip('"'):
            raise Rejected(INVALID, f"Part {number} is not there, or is another than its ETag says.")
        if part.size_bytes < PART_BYTES_MIN and number != numbers[-1]:
            raise Rejected(
                INVALID,
                f"Part {number} has {part.size_bytes} bytes; all but the last need {PART_BYTES_MIN}.",
            )
    return [by_number[number] for number in numbers]


def no_such_upload() -> Rejected:
    """The error for an id that no unfinished upload of the file has."""
    return Rejected(NOT_FOUND, "There is no such multipart upload: it was completed or aborted.")
