"""All artifact endpoints over one store and log, put together."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tracklog_artifacts import requests
from tracklog_artifacts.carried import Carried
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.credentials import Credentials
from tracklog_artifacts.files_api import FilesApi
from tracklog_artifacts.in_parts import InParts
from tracklog_artifacts.intake import Intake
from tracklog_artifacts.ledger import Ledger
from tracklog_artifacts.multipart import Multipart
from tracklog_artifacts.native import NATIVE, Native
from tracklog_artifacts.owned import Owned
from tracklog_artifacts.places import Places
from tracklog_artifacts.presigned import Presigned
from tracklog_artifacts.proxy import Proxy
from tracklog_artifacts.requests import Route
from tracklog_artifacts.settle import Settler
from tracklog_artifacts.shared import Shared
from tracklog_artifacts.store import ArtifactStore


class Artifacts:
    """The endpoints over `store`, of which `ledger` is what the log knows.

    `artifact_uri` tells a run's artifact root from its id, `model_artifact_uri` a logged model's; they raise
    Rejected for a run or model that does not exist.
    """

    def __init__(
        self,
        store: ArtifactStore,
        ledger: Ledger,
        artifact_uri: Callable[[str], Awaitable[str]],
        model_artifact_uri: Callable[[str], Awaitable[str]],
        config: ArtifactConfig | None = None,
    ) -> None:
        config = config or ArtifactConfig()
        self._carried = Carried()
        self.settler = Settler(store, ledger, config)
        shared = Shared(
            store=store,
            ledger=ledger,
            places=Places(artifact_uri, model_artifact_uri),
            intake=Intake(store, ledger, config, self._carried),
            in_parts=InParts(store, ledger, config),
            settler=self.settler,
            config=config,
        )
        self._owned = Owned(shared)
        # For what has files in the store, but is told of by another room.
        self.credentials = Credentials(shared)
        self._ways = (
            Proxy(shared),
            Multipart(shared),
            Presigned(shared),
            self._owned,
            self.credentials,
            FilesApi(shared),
            Native(shared),
        )

    def routes(self) -> list[Route]:
        """Routes to mount under each API prefix."""
        usage: Route = ("GET", f"{NATIVE}/carried", self._told_carried)
        return [*(route for way in self._ways for route in way.routes()), usage]

    def root_routes(self) -> list[Route]:
        """Routes to mount without a prefix."""
        return self._owned.root_routes()

    async def run(self) -> None:
        """Settle, in the background, uploads that came without a word. Never ends."""
        await self.settler.run()

    async def _told_carried(self, _: web.Request) -> web.StreamResponse:
        return requests.json({"carried_bytes": self._carried.bytes})
