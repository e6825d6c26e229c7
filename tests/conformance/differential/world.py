"""What the generated calls have made so far in this round, and the chances by which they go on."""

import itertools
import random

from tests.conformance.differential.call import BASES, Call
from tests.conformance.differential.deck import Decks
from tests.conformance.differential.names import SALT, new_trace_id
from tests.conformance.differential.values import (
    UNKNOWN_EXPERIMENTS,
    UNKNOWN_MODELS,
    UNKNOWN_RUNS,
    UNKNOWN_TRACES,
)

UNKNOWN = {
    "run": UNKNOWN_RUNS,
    "experiment": UNKNOWN_EXPERIMENTS,
    "model": UNKNOWN_MODELS,
    "trace": UNKNOWN_TRACES,
}


class World:
    """A round's experiments, runs and models by name; rounds begin with none, so that searches stay small.

    `files`: those that were put; `thinned`: the runs and models of which a file was deleted.
    `homes`: the experiment of each run, model and trace. `whole`: traces whose spans have all come;
    `rooted`: whose root has.
    `assessments`: each as its trace and itself;
    `expectations`: those that are some. `scrap`: one of each kind that is written to, not read, by
    calls which one server may take and the other refuse.
    """

    def __init__(self, pair, seed):
        self.pair = pair
        self.random = random.Random(seed)
        self.decks = Decks(self.random)
        self.made = {"experiment": [], "run": [], "model": [], "trace": [], "assessment": []}
        self.whole = []
        self.rooted = set()
        self.assessments = []
        self.expectations = set()
        self.homes = {}
        self.scrap = {}
        self.deleted_models = []
        self.files = []
        self.thinned = set()
        self._numbers = itertools.count(1)

    def start_round(self):
        """Forget what was made; it stays on the servers. Make what may be spoiled."""
        self.pair.start_round()
        for names in self.made.values():
            names.clear()
        self.files.clear()
        self.thinned.clear()
        self.deleted_models.clear()
        self.whole.clear()
        self.rooted.clear()
        self.assessments.clear()
        self.expectations.clear()
        self.send("POST experiments/create", {"name": f"{SALT}scrap"}, makes="experiment")
        fields = {"experiment_id": self.known("experiment")}
        self.send("POST runs/create", {**fields, "start_time": 1, "run_name": "scrap"}, makes="run")
        self.send("POST logged-models", {**fields, "name": "scrap"}, makes="model")
        self.send("POST logged-models", {**fields, "name": "deleted"}, makes="model")
        deleted = self.made["model"].pop()
        self.send("DELETE logged-models/{model_id}", path=f"logged-models/{deleted}")
        self.scrap = {kind: names.pop() for kind, names in self.made.items() if names} | {
            "deleted model": deleted
        }

    def new_scrap_run(self):
        """The name of a new run that nothing else uses."""
        fields = {"experiment_id": self.scrap["experiment"], "run_name": "scrap"}
        self.send("POST runs/create", fields, makes="run")
        return self.made["run"].pop()

    def new_scrap_trace(self):
        """The id of a new trace that nothing else uses."""
        trace = new_trace_id(self.number())
        place = {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": self.scrap["experiment"]},
        }
        info = {"trace_id": trace, "trace_location": place, "state": "OK"}
        self.send("POST traces", {"trace": {"trace_info": info}}, path="/3.0/mlflow/traces", version_3=False)
        return trace

    def number(self):
        """A number that no earlier call has got."""
        return next(self._numbers)

    def chance(self, probability):
        """True as often as that."""
        return self.random.random() < probability

    def pick(self, *choices):
        """One of these."""
        return self.random.choice(choices)

    def deal(self, name, cards):
        """The next card of the deck of this name."""
        return self.decks.deal(name, cards)

    def known(self, kind):
        """The name of something made; an unknown id when there is none."""
        return self.random.choice(self.made[kind] or UNKNOWN[kind][:1])

    def some(self, kind):
        """Mostly `known`, now and then something that does not exist or is no id at all."""
        return self.deal(f"unknown {kind}", UNKNOWN[kind]) if self.chance(0.04) else self.known(kind)

    def other_page(self):
        """The name of a page token that some search or history of this round gave; one that none gave."""
        given = [step.made for step in self.pair.steps if step.made.startswith("<page")]
        return self.random.choice(given) if given else "zzz"

    def send(self, endpoint, fields=None, *, makes="", **more):
        """Make the call on both sides, under either prefix; gives both answers when both succeed."""
        answers = self.pair.send(self._call(endpoint, fields, makes=makes, **more))
        if makes and self.pair.steps[-1].made:
            made = self.pair.steps[-1].made
            self.made[makes].append(made)
            self.homes[made] = fields.get("experiment_id")
        return answers

    def page(self, endpoint, fields):
        """Make the call on both sides; the name of the page token that it gave, "" when it gave none."""
        self.pair.send(self._call(endpoint, fields, makes="page"))
        return self.pair.steps[-1].made

    def pages(self, endpoint, fields, *, field="page_token", **more):
        """Make the call on both sides and follow its pages to the end."""
        self.pair.pages(self._call(endpoint, fields, **more), field)

    def _call(self, endpoint, fields, **more):
        # MLflow has version 3.0 of few endpoints and some under one prefix only; tracklog has all of all.
        where = {"base": self.random.choice(BASES), "version_3": self.chance(0.2), **more}
        if where["base"] and self.chance(0.2):
            where.setdefault("our_base", self.random.choice(BASES))
        return Call(endpoint, fields, **where)
