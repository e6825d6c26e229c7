"""Writes Swift's rings, which say where each of its servers listens: `python -m … DIRECTORY NAME=PORT …`."""

import sys
from pathlib import Path

from swift.common.ring import RingBuilder


def make_rings(root: Path, ports: dict[str, int]) -> None:
    """A ring of one device for each kind of server, by name."""
    for name, port in ports.items():
        address = {"ip": "127.0.0.1", "port": port}
        replication = {"replication_ip": "127.0.0.1", "replication_port": port}
        builder = RingBuilder(part_power=2, replicas=1, min_part_hours=1)
        builder.add_dev(
            {"region": 1, "zone": 1, **address, **replication, "device": "d1", "weight": 1.0, "meta": ""}
        )
        builder.rebalance()
        builder.get_ring().save(str(root / f"{name}.ring.gz"))


if __name__ == "__main__":
    pairs = (argument.partition("=") for argument in sys.argv[2:])
    make_rings(Path(sys.argv[1]), {name: int(port) for name, _, port in pairs})
