"""Where an error says the same as MLflow's in other words: how the two messages differ, and why."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """A purposeful difference between two messages, each matched from its beginning."""

    name: str
    why: str
    theirs: str
    ours: str


_TYPE = r"Invalid value .* for parameter .*(Hint: Value was of type|It must lie between|Text cannot hold)"
WORDINGS = [
    Wording(
        "a database's words",
        "MLflow repeats what its database said, with the statement and its values.",
        r"Experiment\(name=.*\) already exists\. Error: \(sqlite3\.",
        r"Experiment\(name=.*\) already exists\.$",
    ),
    Wording(
        "how MLflow is configured",
        "MLflow names an environment variable of its own that raises the limit.",
        r".* To configure this limit, please set the MLFLOW_",
        r"Invalid artifact path length\. .* characters\.$",
    ),
    Wording(
        "half-read bodies",
        "MLflow stops reading at a value of a wrong type and complains of whatever it has then, such as an "
        "empty key; tracklog names the value.",
        r".",
        _TYPE,
    ),
    Wording(
        "page tokens",
        "They are the server's own; MLflow shows what it decoded, and says what is another in this search.",
        r"(Invalid page token|(Experiment IDs|Filter string|Order by) in the page token do(es)? not match)",
        r"Invalid page token[,:] (could not base64-decode|it does not hold|it belongs|pass the next)",
    ),
    Wording(
        "the refused part of a filter",
        "MLflow lists the tokens of its SQL lexer; tracklog shows the clause as it was written.",
        r"Invalid (clause\(s\) in filter string: |filter string: '|comparison: name)",
        r"Invalid (clause\(s\) in filter string: '|comparison: name )",
    ),
    Wording(
        "a number in a filter",
        "MLflow takes digits with underscores for a word; tracklog for no token at all.",
        r"Expected numeric value type for metric\. Found \d+_",
        r"Invalid clause\(s\) in filter string: ",
    ),
    Wording(
        "comparators",
        "MLflow's searches each list what may stand there in another way; tracklog's all list the same.",
        r"Invalid (comparator|comparison operator) ",
        r"(Invalid comparator '[^']*' not one of|Expected numeric value type for )",
    ),
    Wording(
        "a list of numbers",
        "MLflow shows a list as Python would: (8,).",
        r"While parsing a list in the query, expected string value, .*,\)$",
        r"While parsing a list in the query, expected string value, .*[^,]\)$",
    ),
    Wording(
        "an order by number",
        "MLflow takes a number for no identifier; tracklog for an unknown one.",
        r"Invalid order_by clause '\d+'\. Could not be parsed\.",
        r"Invalid attribute key '\d+' specified\.",
    ),
    Wording(
        "an unknown entity",
        "MLflow has a colon here that it has nowhere else.",
        r"Invalid entity type: '",
        r"Invalid entity type '",
    ),
    Wording(
        "a tag of a deleted model",
        "MLflow looks for the tag although the model is deleted.",
        r"No tag with key '.*' found for model with ID '",
        r"Logged model with ID '.*' not found\.",
    ),
]


def wording_of(theirs, ours):
    """The name of the row that explains these two messages, None when there is none."""
    for row in WORDINGS:
        if re.match(row.theirs, theirs, re.DOTALL) and re.match(row.ours, ours, re.DOTALL):
            return row.name
    return None
