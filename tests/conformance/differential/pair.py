"""The two servers under the same calls: sends each call to both and compares what comes back."""

import json
from collections import Counter

from tests.conformance.differential.call import Outcome
from tests.conformance.differential.differences import purpose_of
from tests.conformance.differential.names import OURS, THEIRS, Names
from tests.support.api import Api

_MADE = {
    "experiment": lambda body: body["experiment_id"],
    "run": lambda body: body["run"]["info"]["run_id"],
    "model": lambda body: body["model"]["info"]["model_id"],
    "page": lambda body: body["next_page_token"],
}


class Pair:
    """Both servers, everything made on them so far, and every unexpected difference seen."""

    def __init__(self, their_url, our_url):
        self._apis = (Api(their_url, timeout_s=120), Api(our_url, timeout_s=120))
        self.names = Names()
        self.calls = 0
        self.covered = Counter()
        self.on_purpose = Counter()
        self.refused = Counter()
        self.examples = {}
        self.differences = []

    def close(self):
        """End both connections."""
        for api in self._apis:
            api.close()

    def send(self, call):
        """Both sides' JSON answers, when both succeed."""
        self.calls += 1
        self.covered.update({call.endpoint, *call.covers})
        answers = self._answers(call)
        both = all(status == 200 for status, _ in answers)
        bodies = [body for _, body in answers]
        if both and call.makes:
            self.names.add(call.makes, [_MADE[call.makes](body) for body in bodies])
        self._compare(call, self._outcomes(call, answers))
        return bodies if both else None

    def outcomes(self, call):
        """What MLflow and tracklog answer, compared with nothing."""
        return self._outcomes(call, self._answers(call))

    def pages(self, call, field, pages_max=40):
        """Follow page tokens to the end, comparing each page."""
        bodies = self.send(call)
        for _ in range(pages_max):
            if bodies is None or not all(body.get("next_page_token") for body in bodies):
                return
            token = self.names.add("page", [body["next_page_token"] for body in bodies])
            bodies = self.send(_with_field(call, field, token))

    def _answers(self, call):
        answers = []
        for side, api in enumerate(self._apis):
            path, fields = self.names.bind(call.full_path, side), self.names.bind(call.fields, side)
            answer = api.call(call.method, path, fields)
            answers.append((answer.status, _json_of(answer.body)))
        return answers

    def _outcomes(self, call, answers):
        return [self._outcome(call, side, *answer) for side, answer in enumerate(answers)]

    def _outcome(self, call, side, status, body):
        if status != 200:
            error = body if isinstance(body, dict) else {}
            return Outcome(status, error.get("error_code", "no JSON"), None, error.get("message", ""))
        shown = self.names.mask(body, side)
        if call.unordered and isinstance(shown, dict):
            shown = {
                key: sorted(value, key=repr) if isinstance(value, list) else value
                for key, value in shown.items()
            }
        return Outcome(status, "", shown)

    def _compare(self, call, outcomes):
        theirs, ours = outcomes[THEIRS], outcomes[OURS]
        self.refused[call.endpoint] += theirs.status != 200
        if theirs == ours:
            return
        purpose = purpose_of(call, theirs, ours)
        if purpose is None:
            self.differences.append(f"{call}\n    MLflow:   {theirs}\n    tracklog: {ours}")
        else:
            self.on_purpose[purpose] += 1
            self.examples.setdefault(purpose, f"{call}\n    MLflow:   {theirs}\n    tracklog: {ours}")


def _with_field(call, field, value):
    return type(call)(**{**vars(call), "fields": {**call.fields, field: value}})


def _json_of(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
