"""Whatever an outbox holds, what brings it to its server."""

from collections.abc import Mapping
from typing import TypeAlias

from tracklog.artifact_api import ArtifactApi
from tracklog.delivery import Delivery
from tracklog.file_delivery import FileDelivery
from tracklog.post import Post
from tracklog.spool import Outbox

AnyDelivery: TypeAlias = Delivery | FileDelivery


def delivery_of(outbox: Outbox, environment: Mapping[str, str]) -> AnyDelivery:
    """The delivery of an outbox, for whoever holds its sender lock; `environment` has the credentials.

    Raises: OSError, when the outbox cannot be read and written.
    """
    assert outbox.url is not None
    if outbox.holds_files:
        return FileDelivery(outbox, ArtifactApi(outbox.url, environment))
    return Delivery(outbox, Post(outbox.url, environment))
