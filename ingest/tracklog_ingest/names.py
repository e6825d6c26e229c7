"""A readable name for a run that was given none."""

import secrets
from typing import Final

_ADJECTIVES: Final = (
    "amber bold brisk calm clever copper coral crisp curious dapper eager early fair fleet "
    "gentle golden grand hardy honest humble keen kind lively lucid lunar mellow mighty nimble "
    "noble patient placid polished proud quick quiet rapid robust silver sincere sleek smooth "
    "solar spry steady sturdy subtle sunny swift tidy upbeat valiant vivid warm wise witty "
    "zesty "
)
_NOUNS: Final = (
    "badger beacon birch bison brook canyon cedar comet condor crane delta dune egret ember "
    "falcon fern finch fjord forest glacier grove harbor hawk heron ibis island juniper kestrel "
    "lagoon lark lynx maple marten meadow nebula osprey otter panda pebble pine plover puffin "
    "quail raven reef river robin salmon sparrow spruce swan thicket tiger trout tundra valley "
    "walrus willow wren "
)
ADJECTIVES: Final = _ADJECTIVES.split()
NOUNS: Final = _NOUNS.split()


def random_name() -> str:
    """An adjective, a noun and a number, such as "steady-heron-417"."""
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}-{secrets.randbelow(1000)}"
