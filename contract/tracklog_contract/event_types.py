"""Every event type there is, by the kind and version that stand in a log row."""

from typing import Final

from tracklog_contract.access_events import ACCESS_EVENT_TYPES
from tracklog_contract.artifact_events import ARTIFACT_EVENT_TYPES
from tracklog_contract.events import EVENT_TYPES, Event
from tracklog_contract.purge_events import PURGE_EVENT_TYPES
from tracklog_contract.quota_events import QUOTA_EVENT_TYPES
from tracklog_contract.trace_events import TRACE_EVENT_TYPES

ALL_EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    *EVENT_TYPES,
    *TRACE_EVENT_TYPES,
    *ARTIFACT_EVENT_TYPES,
    *ACCESS_EVENT_TYPES,
    *PURGE_EVENT_TYPES,
    *QUOTA_EVENT_TYPES,
)
EVENT_TYPE_BY_KIND: Final = {(event.kind, event.version): event for event in ALL_EVENT_TYPES}
assert len(EVENT_TYPE_BY_KIND) == len(ALL_EVENT_TYPES)
