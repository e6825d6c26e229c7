"""Calls for a second page that do not ask quite as the first did."""

_SAME_SEARCH = ("as before", "other way round", "twice", "another size")
_OF_EXPERIMENTS = {
    "other way round": lambda ids: ids[::-1],
    "twice": lambda ids: [*ids, ids[0]],
    "one less": lambda ids: ids[:-1],
}


def of_runs(world):
    """runs/search: the same experiments in another order are the same search."""
    _next_page(world, "POST runs/search", {"run_view_type": "ALL"}, _SAME_SEARCH)


def of_models(world):
    """logged-models/search: any difference, but for the size of the page, is another search."""
    changes = (*_SAME_SEARCH, "one less", "a filter", "an order")
    _next_page(world, "POST logged-models/search", {}, changes)


def _next_page(world, endpoint, fields, changes):
    made = world.made["experiment"]
    experiments = world.random.sample(made, min(3, len(made)))
    fields = {"experiment_ids": experiments, "max_results": 1, **fields}
    token = world.page(endpoint, fields)
    if not token:
        return
    change = world.deal(f"next page of {endpoint}", changes)
    if change in _OF_EXPERIMENTS:
        fields["experiment_ids"] = _OF_EXPERIMENTS[change](experiments)
    elif change == "another size":
        fields["max_results"] = 2
    elif change == "a filter":
        fields["filter"] = "name != ''"
    elif change == "an order":
        fields["order_by"] = [{"field_name": "name", "ascending": world.pick(True, False)}]
    is_same = change in _SAME_SEARCH
    world.send(endpoint, {**fields, "page_token": token}, continues=is_same)
