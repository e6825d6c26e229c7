"""Who may use a path of the store: whoever may use the experiment that it begins with."""

from typing import Final

from tracklog_artifacts.paths import ArtifactPath
from tracklog_contract.caller import caller
from tracklog_contract.errors import NOT_FOUND, Rejected
from tracklog_contract.ids import EXPERIMENT_ID_MAX

ID_DIGITS_MAX: Final = 19


async def check_path(path: ArtifactPath) -> None:
    """Accept a path, for what the request needs of its caller.

    Raises: Rejected; for a path of no experiment, or of one in another workspace, in the same words.
    """
    who = caller()
    if who.rights is None:
        return
    absent = Rejected(NOT_FOUND, "There is no experiment that this path is of.")
    text = path[0] if path else ""
    if not (text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX and str(int(text)) == text):
        raise absent
    if int(text) > EXPERIMENT_ID_MAX:
        raise absent
    await who.check(int(text), absent)
