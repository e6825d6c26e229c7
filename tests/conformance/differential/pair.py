"""The two servers under the same calls: sends each call to both and compares what comes back."""

import json
from collections import Counter
from dataclasses import dataclass, replace

from tests.conformance.differential.call import Outcome, Step, first_difference
from tests.conformance.differential.coverage_of_values import at_limits, values_of
from tests.conformance.differential.differences import purpose_of
from tests.conformance.differential.messages import wording_of
from tests.conformance.differential.names import Names, UnknownNameError
from tests.conformance.differential.otlp_body import otlp_request
from tests.support.api import Api

_MADE = {
    "experiment": lambda body: body["experiment_id"],
    "run": lambda body: body["run"]["info"]["run_id"],
    "model": lambda body: body["model"]["info"]["model_id"],
    "trace": lambda body: body["trace_info"]["request_id"],
    "assessment": lambda body: body["assessment"]["assessment_id"],
    "page": lambda body: body["next_page_token"],
}


@dataclass(frozen=True)
class Difference:
    """An unexpected difference: the calls of its round up to the one that shows it, and both answers."""

    steps: tuple[Step, ...]
    outcomes: tuple[Outcome, Outcome]

    def __str__(self):
        theirs, ours = self.outcomes
        if theirs.status == ours.status == 200:
            return f"{self.steps[-1]}\n    at {first_difference(theirs.body, ours.body)}"
        return f"{self.steps[-1]}\n    MLflow:   {theirs}\n    tracklog: {ours}"


def api(url):
    """How a server is called: with patience, for both are busy."""
    return Api(url, timeout_s=120)


class Pair:
    """Both servers, everything made on them so far, and every unexpected difference seen."""

    def __init__(self, theirs, ours):
        self._apis = (theirs, ours)
        self._salts = 0
        self.names = Names()
        self.steps = []
        self.calls = 0
        self.called = Counter()
        self.covered = Counter()
        self.purposes = Counter()
        self.differences = []

    def close(self):
        """End both connections, as an idle server does; the next call makes new ones."""
        for api in self._apis:
            api.close()

    def start_round(self):
        """Begin a sequence of calls that needs nothing of what went before."""
        self.steps = []
        self.names.salt = self._new_salt()
        self.close()

    def send(self, call):
        """Both sides' JSON answers, when both succeed; what was made is in the last of `steps` then."""
        self.calls += 1
        outcomes, bodies = self._exchange(call)
        made = self._add_made(call, bodies) if bodies is not None else ""
        self.steps.append(Step(call, made))
        masked = self._masked(call, outcomes)
        self._count(call, *masked)
        self._judge(call, masked)
        return bodies

    def outcomes(self, call):
        """What MLflow and tracklog answer, compared with nothing."""
        return self._masked(call, self._exchange(call)[0])

    def pages(self, call, field, pages_max=40):
        """Follow page tokens to the end, comparing each page."""
        call = replace(call, makes="page")
        bodies = self.send(call)
        for _ in range(pages_max):
            if bodies is None or not self.steps[-1].made:
                return
            fields = {**call.fields, field: self.steps[-1].made}
            bodies = self.send(replace(call, fields=fields, continues=True))

    def replay(self, steps):
        """Play these steps again as a round of their own, leaving out what can no longer be written.

        Gives the outcomes of the last one, None when it is left out.
        """
        before, self.names = self.names, Names(self._new_salt())
        self.close()
        try:
            for step in steps:
                try:
                    outcomes, bodies = self._exchange(step.call)
                except UnknownNameError:
                    outcomes = None
                    continue
                if step.made and bodies is not None:
                    self._add_made(step.call, bodies, step.made)
            return None if outcomes is None else self._masked(steps[-1].call, outcomes)
        finally:
            self.names = before

    def _new_salt(self):
        self._salts += 1
        return f"zq{self._salts:03}"

    def _add_made(self, call, bodies, name=""):
        if not call.makes or (
            call.makes == "page" and not all(body.get("next_page_token") for body in bodies)
        ):
            return ""
        return self.names.add(call.makes, [_MADE[call.makes](body) for body in bodies], name)

    def _exchange(self, call):
        """Both sides' answers as they are, and their bodies when both succeed."""
        answers = []
        for side, api in enumerate(self._apis):
            path, fields = self.names.bind(call.full_path(side), side), self.names.bind(call.fields, side)
            headers = None
            if call.otlp:
                fields, headers = otlp_request(fields)
            answer = api.follow(api.call(call.method, path, fields, headers))
            answers.append(Outcome(answer.status, body=_json_of(answer.body)))
        both = all(answer.status == 200 for answer in answers)
        return answers, [answer.body for answer in answers] if both else None

    def _masked(self, call, answers):
        return tuple(self._outcome(call, side, answer) for side, answer in enumerate(answers))

    def _outcome(self, call, side, answer):
        if answer.status != 200:
            error = answer.body if isinstance(answer.body, dict) else {}
            message = self.names.mask_message(error.get("message", ""), side)
            return Outcome(answer.status, error.get("error_code", "no JSON"), None, message)
        shown = self.names.mask(answer.body, side)
        if call.unordered and isinstance(shown, dict):
            shown = {
                key: sorted(value, key=repr) if isinstance(value, list) else value
                for key, value in shown.items()
            }
        return Outcome(200, "", shown)

    def _count(self, call, theirs, ours):
        self.called[call.endpoint, "refused" if theirs.status != 200 or ours.status != 200 else "ok"] += 1
        prefix = call.base if call.our_base is None else call.our_base
        values = values_of(call.fields) | at_limits(call.fields) if call.fields else ()
        self.covered.update({f"prefix {prefix}", *call.covers, *values})
        if call.version_3 and "/2.0/mlflow/" in call.full_path():
            self.covered["tracklog's prefix 3.0"] += 1
        if "must be in the 'active' state" in theirs.message:
            self.covered[f"deleted {call.endpoint}"] += 1

    def _judge(self, call, outcomes):
        purpose = explanation(call, *outcomes)
        if purpose is None:
            self.differences.append(Difference(tuple(self.steps), outcomes))
        elif purpose:
            self.purposes[purpose] += 1


def explanation(call, theirs: Outcome, ours: Outcome):
    """Which purposeful difference explains these answers: "" when they agree, None when nothing does."""
    if theirs == ours:
        if theirs.message == ours.message:
            return ""
        if wording := wording_of(theirs.message, ours.message):
            return wording
    return purpose_of(call, theirs, ours)


def _json_of(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
