"""Uploads that may come to the artifact store: commands that remember and forget them, and reads of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tracklog_contract.artifact_events import ArtifactFile
from tracklog_contract.artifact_places import PATH_START_CHARS, UploadIntent, bounds_below, path_key
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import UPLOAD_ID_CHARS_MAX
from tracklog_ingest.artifact_state import Intent
from tracklog_ingest.artifacts import BytesGrowth, OfArtifacts, check_file, checked_owner
from tracklog_ingest.state import SQL, State


@dataclass
class IntendUploads(OfArtifacts):
    """Uploads were signed, all or none of them; answers the ETags that are recorded there, by path.

    One signed again replaces itself.
    """

    intents: Sequence[UploadIntent]

    def paths(self) -> Iterable[str]:
        """The uploads'."""
        return (intent.path for intent in self.intents)

    def admit(self, state: State) -> dict[str, str]:
        """Refused for an owner unknown or deleted, and for more bytes than a quota has room for."""
        intents = {(intent.path, intent.upload_id): intent for intent in self.intents}
        new = [self._reserving(state, intent) for intent in intents.values()]
        growth = BytesGrowth(state)
        for intent in new:
            growth.add(intent.experiment_id, intent.run_id, intent.principal, intent.reserved)
            if old := state.artifacts.intents.get(intent.path, {}).get(intent.upload_id):
                growth.give_back(old)
        growth.check()
        growth.count()
        for intent in new:
            state.artifacts.set_intent(intent)
        known = state.artifacts.files
        return {intent.path: known[intent.path].etag for intent in new if intent.path in known}

    def _reserving(self, state: State, intent: UploadIntent) -> Intent:
        owner = checked_owner(state, intent.path)
        check_file(ArtifactFile(intent.path, intent.size_bytes or 0, intent.sha256))
        if len(intent.upload_id) > UPLOAD_ID_CHARS_MAX or "\0" in intent.upload_id:
            raise Rejected(INVALID, "Invalid upload id")
        old = state.artifacts.files.get(intent.path)
        counted = intent.expires_at_s > self.now_s
        reserved = max(0, (intent.size_bytes or 0) - (old.size_bytes if old else 0)) if counted else 0
        return Intent(
            intent.path, intent.upload_id, owner.experiment_id, owner.run_id, intent.size_bytes,
            intent.sha256, intent.expires_at_s, reserved, counted, state.caller.principal,
        )  # fmt: skip


@dataclass
class ForgetIntents(OfArtifacts):
    """Uploads will not come; answers nothing. They are named by path and upload id."""

    intents: Sequence[tuple[str, str]]

    def paths(self) -> Iterable[str]:
        """The uploads'."""
        return (path for path, _ in self.intents)

    def admit(self, state: State) -> None:
        """Never refused."""
        growth = BytesGrowth(state)
        for path, upload_id in self.intents:
            if intent := state.artifacts.intents.get(path, {}).get(upload_id):
                growth.give_back(intent)
                state.artifacts.drop_intent(path, upload_id)
        growth.count()


async def read_intents(connection: Any, path: str) -> list[UploadIntent]:
    """The uploads intended at a path, expired ones included, by upload id."""
    return [UploadIntent(*row) for row in await connection.fetch(SQL["get_upload_intents"], path_key(path))]


async def walk_intents(connection: Any, path: str, *, after: str, limit: int) -> list[UploadIntent]:
    """Of the uploads intended at a path and below it, those of paths after `after`, by path.

    Whoever gets `limit` or more asks again, after the last one's path: none of its uploads is left out here.
    """
    least, greatest, prefix = bounds_below(path)
    least = max(least, after[:PATH_START_CHARS])
    rows = await connection.fetch(
        SQL["walk_upload_intents"], path_key(path), least, greatest, prefix, after, limit
    )
    return [UploadIntent(*row) for row in rows]
