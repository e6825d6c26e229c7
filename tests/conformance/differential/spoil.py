"""How a call that would be taken becomes one that need not be."""


def spoil(world, fields, spoils, probability=0.12):
    """Put a refused value into one field, or leave the field out; a run in it becomes the one for scrap."""
    if world.chance(probability):
        fields |= {
            name: world.scrap["run"]
            for name in ("run_id", "run_uuid")
            if name in fields and name not in spoils
        }
        field = world.pick(*spoils)
        fields[field] = world.deal(f"bad {field}", spoils[field])
        if world.chance(0.15):
            del fields[field]
