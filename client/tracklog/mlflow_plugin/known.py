"""What this process knows of a run without asking: enough to print its address and to answer its end."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from mlflow.entities import Run, RunData, RunInfo, RunStatus, RunTag

_NAME_TAG: Final = "mlflow.runName"
# MLflow prints no address for runs of some types.
_SHOWN_TAGS: Final = (_NAME_TAG, "mlflow.runType")


class Known:
    """A run's info as it was last read, with the changes that this process has made since."""

    def __init__(self, info: Any, tags: Mapping[str, str]) -> None:
        self._info = info
        self._tags: dict[str, str] = {}
        self.set_tags(tags.items())

    @property
    def experiment_id(self) -> str:
        """The experiment in which the run is."""
        return str(self._info.experiment_id)

    def set_info(self, info: Any) -> None:
        """Take in a newer RunInfo."""
        self._info = info
        self._tags[_NAME_TAG] = info.run_name or ""

    def set_tags(self, tags: Iterable[tuple[str, str]]) -> None:
        """Take in tags that were set."""
        self._tags.update({key: value for key, value in tags if key in _SHOWN_TAGS})

    def info(self, status: str = "", end_time: int | None = None) -> Any:
        """The run's RunInfo; with another status and end time where they are given."""
        message = self._info.to_proto()
        if self._tags.get(_NAME_TAG):
            message.run_name = self._tags[_NAME_TAG]
        if status:
            message.status = RunStatus.from_string(status)
        if end_time is not None:
            message.end_time = end_time
        return RunInfo.from_proto(message)

    def run(self) -> Any:
        """The run, with no more in it than is shown at its end."""
        return Run(self.info(), RunData(tags=[RunTag(key, value) for key, value in self._tags.items()]))
