"""How a call that would be taken becomes one that need not be."""


def spoil(world, fields, spoils, probability=0.12):
    """Put a refused value into one field, or leave the field out; whether it was done.

    The run in it becomes a new one that nothing else uses: MLflow may take half of the call.
    """
    if not world.chance(probability):
        return False
    for name in ("run_id", "run_uuid"):
        if name in fields and name not in spoils:
            fields[name] = world.new_scrap_run()
    field = world.pick(*spoils)
    fields[field] = world.deal(f"bad {field}", spoils[field])
    if world.chance(0.15):
        del fields[field]
    return True
