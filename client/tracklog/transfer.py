"""A file on its way to the server, and how far it has come: as a whole, or in parts."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from tracklog.artifact import Owner
from tracklog.content import Content
from tracklog.putting import Place, PutFailed
from tracklog_contract.errors import Rejected


class Upload:
    """A file on its way; when it is `done`, `error` is why it was refused, None when the server has it."""

    def __init__(self, owner: Owner, path: str, content: Content) -> None:
        self.owner = owner
        self.path = path
        self.content = content
        self.sha256 = ""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Have everything before it, but for the checksum."""
        self.done = False
        self.error: Rejected | None = None
        self.parts: Parts | None = None
        self.is_alone = False
        self.restarts = 0
        self.failures = 0
        self.not_before = 0.0

    @property
    def key(self) -> tuple[str, str]:
        """What it replaces."""
        return self.owner.id, self.path

    def fields(self) -> dict[str, Any]:
        """The file as requests name it."""
        return {"path": self.path, "size": self.content.size, "sha256": self.sha256}

    def completing(self) -> dict[str, Any]:
        """The file as the request that completes it names it."""
        return self.fields() | (self.parts.fields() if self.parts is not None else {})


class Parts:
    """The parts of a file, as far as the store has them."""

    def __init__(self, size: int, answer: Mapping[str, Any]) -> None:
        self.upload_id = str(answer["upload_id"])
        self._size = size
        self._part_size = int(answer["part_size"])
        self.etags = {
            int(part["number"]): str(part["etag"])
            for part in answer.get("parts") or ()
            if int(part["size"]) == self.stretch(int(part["number"]))[1]
        }
        count = -(-size // self._part_size)
        self.missing = deque(number for number in range(1, count + 1) if number not in self.etags)
        self.places: deque[tuple[int, Place]] = deque()
        self.under_way = 0
        self._is_gone = False
        # Of some part there is no answer: it may be there.
        self._is_in_doubt = False

    def stretch(self, number: int) -> tuple[int, int]:
        """Where a part begins, and its size."""
        start = (number - 1) * self._part_size
        return start, max(0, min(self._part_size, self._size - start))

    def bytes_there(self) -> int:
        """How much of the file the store has."""
        return sum(self.stretch(number)[1] for number in self.etags)

    def failed(self, number: int, error: PutFailed) -> None:
        """A part was not taken, or nobody knows whether it was."""
        self.missing.append(number)
        self._is_gone |= error.is_gone
        self._is_in_doubt |= error.is_lost
        if error.is_refusal:
            # The other places may have expired as well.
            self.missing.extend(waiting for waiting, _ in self.places)
            self.places.clear()

    @property
    def need_places(self) -> bool:
        """Is it to be asked where parts are to be put."""
        return bool(self.missing) and not self.places and not self._is_in_doubt

    @property
    def may_start(self) -> bool:
        """Is there a part to put, and no doubt about others."""
        return bool(self.places) and not self._is_in_doubt

    @property
    def are_to_be_asked_for(self) -> bool:
        """Is it time to ask anew what is there, before a part is sent twice; not while one is under way."""
        return self._is_gone or (self._is_in_doubt and not self.under_way)

    @property
    def are_there(self) -> bool:
        """Has the store all of them."""
        return not self.missing and not self.places and not self.under_way

    def fields(self) -> dict[str, Any]:
        """The parts as the completing request names them."""
        parts = [{"number": number, "etag": self.etags[number]} for number in sorted(self.etags)]
        return {"upload_id": self.upload_id, "parts": parts}
