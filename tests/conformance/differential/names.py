"""Names for what the two servers know by different ids: `<run 3>` is the fourth run made, on either side.

Calls are written with names. `Names.bind` puts a side's own ids in before sending, and `Names.mask` puts the
names back into what comes back, so that the answers can be compared as they are.
"""

import math
import re
from typing import Any, Final

THEIRS, OURS = 0, 1
_NAME: Final = re.compile(r"<(experiment|run|model|page) (\d+)>")
_HEX_ID: Final = re.compile(r"(?:m-)?[0-9a-f]{32}")
_ROOT: Final = re.compile(r"^mlflow-artifacts:/(\d+)")
_RANDOM_RUN_NAME: Final = re.compile(r"[a-z]+-[a-z]+-\d{1,3}")
# Made by the server's clock: there or not is all that can agree.
_CLOCK: Final = frozenset(
    {"creation_time", "last_update_time", "creation_timestamp_ms", "last_updated_timestamp_ms"}
)
# Lists in which MLflow keeps no order.
_BAGS: Final = frozenset({"params", "tags", "dataset_inputs", "model_inputs", "model_outputs", "files"})
GREATEST: Final = 1.7976931348623157e308


class Names:
    """What was made, in order of making: a pair of ids each, MLflow's and ours."""

    def __init__(self):
        self.made = {"experiment": [("0", "0")], "run": [], "model": [], "page": []}
        self._known = [{}, {}]
        self._experiments = [{"0": "<experiment 0>"}, {"0": "<experiment 0>"}]

    def add(self, kind, pair):
        """The name of a new pair of ids."""
        name = f"<{kind} {len(self.made[kind])}>"
        self.made[kind].append(tuple(pair))
        known = self._experiments if kind == "experiment" else self._known
        for side, own_id in enumerate(pair):
            known[side][own_id] = name
        return name

    def last(self, kind):
        """The name of what was made last."""
        return f"<{kind} {len(self.made[kind]) - 1}>"

    def bind(self, value: Any, side: int) -> Any:
        """The value with this side's ids in place of names, wherever they stand in it."""
        if isinstance(value, str):
            return _NAME.sub(lambda found: self.made[found[1]][int(found[2])][side], value)
        if isinstance(value, list):
            return [self.bind(item, side) for item in value]
        if isinstance(value, dict):
            return {key: self.bind(item, side) for key, item in value.items()}
        return value

    def mask(self, value: Any, side: int, field: str = "", around: str = "") -> Any:
        """The value with names in place of ids, and without what need not agree."""
        if isinstance(value, dict):
            shown = {key: self.mask(item, side, key, field) for key, item in value.items()}
            return {"key": shown.pop("key"), **shown} if "key" in shown else shown
        if isinstance(value, list):
            items = [self.mask(item, side, field, around) for item in value]
            if field == "metrics" and around == "data" and items and "model_id" in items[0]:
                items = _latest(items)
            is_bag = field in _BAGS or (field == "metrics" and around == "data")
            return sorted(items, key=repr) if is_bag else items
        if field in _CLOCK:
            return "<time>" if value else "<no time>"
        if field == "next_page_token":
            return "<token>"
        if isinstance(value, float):
            # SQLite has no -0.0 either, and lists that are sorted by their text must not tell.
            if math.isnan(value):
                return "NaN"  # get-history-bulk writes it bare, which is no JSON
            return math.copysign(GREATEST, value) if math.isinf(value) else value + 0.0
        return self._masked_text(value, side, field) if isinstance(value, str) else value

    def _masked_text(self, text, side, field):
        if field in ("experiment_id", "root_experiment"):
            return self._experiments[side].get(text, text)
        if field == "value" and text in ("Infinity", "-Infinity"):
            return math.copysign(GREATEST, float(text))
        if field in ("run_name", "value") and _RANDOM_RUN_NAME.fullmatch(text):
            return "<random name>"
        text = _ROOT.sub(
            lambda root: "mlflow-artifacts:/" + self._experiments[side].get(root[1], root[1]), text
        )
        return _HEX_ID.sub(lambda found: self._known[side].get(found[0], found[0]), text)


def _latest(metrics):
    """Of a logged model's points the last of each run and dataset: tracklog shows these, MLflow shows all."""
    last = {}
    for metric in metrics:
        of = tuple(metric.get(name) for name in ("key", "run_id", "dataset_name", "dataset_digest"))
        last[of] = max(last.get(of, metric), metric, key=lambda point: (point["step"], point["timestamp"]))
    return list(last.values())
