"""Names for what the two servers know by different ids: `<run 3>` is the fourth run made, on either side.

Calls are written with names. `Names.bind` puts a side's own ids in before sending, and `Names.mask` puts the
names back into what comes back, so that the answers can be compared as they are.
"""

import base64
import math
import re
from collections import Counter
from typing import Any, Final
from urllib.parse import quote

THEIRS, OURS = 0, 1
# Stands at the front of every experiment's name, so that a round played again can have new ones.
SALT: Final = "<@>"
SALT_CHARS: Final = 5
# Stands at the front of a trace's number in the id that its client chose; in hex or, in spans, in base64.
HEX_SALT: Final = "<#>"
_NAME: Final = re.compile(r"<(?:experiment|run|model|page|trace|assessment) \d+>")
_PUT_IN_LATER: Final = re.compile(f"{_NAME.pattern}|{SALT}|{HEX_SALT}")
_HEX_ID: Final = re.compile(r"(?:m-|a-|tr-)?[0-9a-f]{32}")
_ROOT: Final = re.compile(r"^mlflow-artifacts:/(\d+)")
_RANDOM_RUN_NAME: Final = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
# An experiment's id in an error message.
_TOLD_ID: Final = re.compile(
    r"(?:(?<=Experiment with id=)|(?<=experiment with id )|(?<=experiment ))\d+\b|(?<=')\d+(?=/)"
)
# Python tells sets in any order.
_TOLD_SET: Final = re.compile(r"\{('[^{}]*')\}")
# Made by the server's clock: there or not is all that can agree.
_CLOCK: Final = frozenset(
    {
        "creation_time", "last_update_time", "creation_timestamp_ms", "last_updated_timestamp_ms",
        "creationTime", "lastUpdateTime", "create_time",
    }
)  # fmt: skip
_EXPERIMENT_FIELDS: Final = frozenset({"experiment_id", "experimentId", "root_experiment"})
# Lists in which MLflow keeps no order.
_BAGS: Final = frozenset(
    {
        "params", "tags", "dataset_inputs", "model_inputs", "model_outputs", "files", "dataset_summaries",
        "request_metadata", "assessments", "datasetInputs", "modelInputs", "modelOutputs",
    }
)  # fmt: skip
GREATEST: Final = 1.7976931348623157e308


def new_trace_id(number):
    """A trace's id, of the form that MLflow gives to what comes over OTLP; another one in each round."""
    return f"tr-{HEX_SALT}{number:020x}"


def _salt_bytes(salt):
    # A multiple of three, so that it is the same text in base64 whatever follows.
    return salt.encode() + b"\0"


def quoted(text, safe="/"):
    """Text as a URL has it; names stay as they are, for what they stand for is put in later."""
    kept = [quote(part, safe=safe) for part in _PUT_IN_LATER.split(text)]
    return "".join(part + name for part, name in zip(kept, [*_PUT_IN_LATER.findall(text), ""], strict=True))


class UnknownNameError(Exception):
    """A call is written with a name that nothing was made under."""


class Names:
    """What was made, in order of making: a pair of ids each, MLflow's and ours. `salt` stands for SALT."""

    def __init__(self, salt="zq---"):
        assert len(salt) == SALT_CHARS
        self.salt = salt
        self._ids = {"<experiment 0>": ("0", "0")}
        self._counts = Counter({"experiment": 1})
        self._known = [{}, {}]
        self._experiments = [{"0": "<experiment 0>"}, {"0": "<experiment 0>"}]

    def add(self, kind, ids, name=""):
        """The name of a new pair of ids: the next of its kind, unless one is given."""
        name = name or f"<{kind} {self._counts[kind]}>"
        self._counts[kind] += 1
        self._ids[name] = tuple(ids)
        known = self._experiments if kind == "experiment" else self._known
        for side, own_id in enumerate(ids):
            known[side][own_id] = name
        return name

    def bind(self, value: Any, side: int) -> Any:
        """The value with this side's ids in place of names, wherever they stand in it.

        Raises: UnknownNameError.
        """
        if isinstance(value, str):
            if "<" not in value:
                return value
            try:
                bound = _NAME.sub(lambda found: self._ids[found[0]][side], value)
            except KeyError as missing:
                raise UnknownNameError(missing) from None
            return bound.replace(SALT, self.salt).replace(HEX_SALT, _salt_bytes(self.salt).hex())
        if isinstance(value, list):
            return [self.bind(item, side) for item in value]
        if isinstance(value, dict):
            return {key: self.bind(item, side) for key, item in value.items()}
        return value

    def mask(self, value: Any, side: int, field: str = "", around: str = "") -> Any:
        """The value with names in place of ids, and without what need not agree."""
        if isinstance(value, dict):
            # In one order, for lists are sorted by the text of their items.
            return {key: self.mask(value[key], side, key, field) for key in sorted(value)}
        if isinstance(value, list):
            if field == "errors":
                return [self.mask_message(error, side) for error in value]
            items = [self.mask(item, side, field, around) for item in value]
            is_bag = field in _BAGS or (field == "metrics" and around == "data")
            return sorted(items, key=repr) if is_bag else items
        if field in _CLOCK:
            return "<time>" if value else "<no time>"
        if field in ("next_page_token", "nextPageToken"):
            return "<token>" if value else value
        if isinstance(value, float):
            # SQLite has no -0.0 either, and lists that are sorted by their text must not tell.
            if math.isnan(value):
                return "NaN"  # get-history-bulk writes it bare, which is no JSON
            return math.copysign(GREATEST, value) if math.isinf(value) else value + 0.0
        return self._masked_text(value, side, field) if isinstance(value, str) else value

    def mask_message(self, text: str, side: int) -> str:
        """An error's message with names in place of ids, and with every set in one order."""
        own = self._experiments[side]
        text = _TOLD_ID.sub(lambda told: own.get(told[0], told[0]), text)
        text = _TOLD_SET.sub(lambda told: f"{{{', '.join(sorted(told[1].split(', ')))}}}", text)
        return self._masked_text(text, side, "")

    def _masked_text(self, text, side, field):
        if field in _EXPERIMENT_FIELDS:
            return self._experiments[side].get(text, text)
        if field == "value" and text in ("Infinity", "-Infinity"):
            return math.copysign(GREATEST, float(text))
        if field in ("run_name", "runName", "value") and _RANDOM_RUN_NAME.fullmatch(text):
            return "<random name>"
        text = _ROOT.sub(
            lambda root: "mlflow-artifacts:/" + self._experiments[side].get(root[1], root[1]), text
        )
        text = _HEX_ID.sub(lambda found: self._known[side].get(found[0], found[0]), text)
        for coded in (_salt_bytes(self.salt).hex(), base64.b64encode(_salt_bytes(self.salt)).decode()):
            text = text.replace(coded, HEX_SALT)
        return text.replace(self.salt, SALT)
