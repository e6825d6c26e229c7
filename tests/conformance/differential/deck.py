"""Chances that leave nothing out: a deck deals every card once before it deals one again."""


class Deck:
    """Deals its cards in random order, over and over."""

    def __init__(self, random, cards):
        self._random, self._cards, self._left = random, list(cards), []

    def deal(self):
        """The next card."""
        if not self._left:
            self._left = self._random.sample(self._cards, len(self._cards))
        return self._left.pop()


class Decks:
    """One deck for each list of cards asked for, made when it is first asked for."""

    def __init__(self, random):
        self._random, self._decks = random, {}

    def deal(self, name, cards):
        """The next card of the deck of this name."""
        if name not in self._decks:
            self._decks[name] = Deck(self._random, cards)
        return self._decks[name].deal()
