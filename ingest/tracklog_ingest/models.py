"""Commands that make and change logged models (MLflow 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected
from tracklog_contract.events import (
    Event,
    LoggedModelChanged,
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelFinalized,
    LoggedModelTagDeleted,
    NewEntry,
)
from tracklog_contract.locations import below
from tracklog_ingest.state import Model, State, Wants


@dataclass
class CreateModel:
    """Answers nothing; the new model can be read as soon as the views have it."""

    model_id: str
    experiment_id: int
    name: str
    model_type: str
    source_run_id: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    now_ms: int
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The experiment."""
        wants.experiments.add(self.experiment_id)

    def admit(self, state: State) -> None:
        """Refused for an unknown or deleted experiment."""
        experiment = state.experiment(self.experiment_id)
        experiment.check_active()
        model = Model(self.model_id, self.experiment_id)
        state.models[self.model_id] = model
        location = below(experiment.artifact_location, f"models/{self.model_id}/artifacts")
        append(
            state,
            model,
            LoggedModelCreated(
                self.model_id, self.name, location, self.now_ms, self.model_type, self.source_run_id,
                self.params, self.tags,
            ),
        )  # fmt: skip
        _set_params_and_tags(state, model, self.params, self.tags)


@dataclass
class OfModel:
    """What commands about one existing logged model share."""

    model_id: str
    payload_bytes: int = field(default=0, kw_only=True)

    def wants(self, wants: Wants) -> None:
        """The model."""
        wants.models.add(self.model_id)


@dataclass
class FinalizeModel(OfModel):
    """Answers nothing."""

    status: int
    now_ms: int

    def admit(self, state: State) -> None:
        """Refused for an unknown or deleted model."""
        append(
            state, state.model(self.model_id), LoggedModelFinalized(self.model_id, self.status, self.now_ms)
        )


@dataclass
class DeleteModel(OfModel):
    """Answers nothing."""

    now_ms: int

    def admit(self, state: State) -> None:
        """Refused for an unknown or deleted model."""
        model = state.model(self.model_id)
        model.deleted = True
        append(state, model, LoggedModelDeleted(self.model_id, self.now_ms))


@dataclass
class ChangeModel(OfModel):
    """Add params (write-once) and set tags; answers nothing."""

    params: Mapping[str, str]
    tags: Mapping[str, str]

    def wants(self, wants: Wants) -> None:
        """The model; the params there already."""
        super().wants(wants)
        wants.model_params.update((self.model_id, key) for key in self.params)

    def admit(self, state: State) -> None:
        """Refused for an unknown or deleted model, and for a changed param."""
        model = state.model(self.model_id)
        new = dict(self.params)
        for key, value in self.params.items():
            old = state.model_params.get((self.model_id, key))
            if old is not None and old != value:
                raise Rejected(
                    INVALID,
                    f"Changing param values is not allowed. Param with key='{key}' was already logged with "
                    f"value='{old}' for model ID='{self.model_id}'. Attempted logging new value '{value}'.",
                )
            if old is not None:
                del new[key]
        if new or self.tags:
            append(state, model, LoggedModelChanged(self.model_id, new, self.tags))
            _set_params_and_tags(state, model, new, self.tags)


@dataclass
class DeleteModelTag(OfModel):
    """Answers nothing."""

    key: str

    def wants(self, wants: Wants) -> None:
        """The model; is the key set."""
        super().wants(wants)
        wants.model_tags.add((self.model_id, self.key))

    def admit(self, state: State) -> None:
        """Refused for an unknown or deleted model, and for a key that is not set."""
        model = state.model(self.model_id)
        if (self.model_id, self.key) not in state.model_tags:
            raise Rejected(
                NOT_FOUND, f"No tag with key '{self.key}' found for model with ID '{self.model_id}'."
            )
        state.model_tags.remove((self.model_id, self.key))
        append(state, model, LoggedModelTagDeleted(self.model_id, self.key))


def append(state: State, model: Model, event: Event) -> None:
    """Append an event of `model`, and note where the model's last entry is."""
    model.position = state.append(NewEntry(event, model.experiment_id))


def _set_params_and_tags(
    state: State, model: Model, params: Mapping[str, str], tags: Mapping[str, str]
) -> None:
    for key, value in params.items():
        state.model_params[model.model_id, key] = value
        state.new_model_params.append((model.model_id, key, value))
    for key in tags:
        state.model_tags.add((model.model_id, key))
