"""What bursar knows by name: models, devices, optimizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload

if TYPE_CHECKING:
    from bursar.facts import Fact


def models(options: Options) -> Payload:
    """The catalog of models: our count, the publisher's headline, the source."""
    from bursar import catalog
    from bursar.model import load

    rows = []
    for name in catalog.names():
        model = load(name)
        found = model.parameters()
        rows.append(
            {
                "model": name,
                "name": model.published.title,
                "family": model.architecture.family,
                "total": found.total,
                "active": found.active,
                "published": model.published.figures,
                "note": model.published.figures.get("note"),
                "source": model.published.source,
                "title": model.published.source["title"],
            }
        )
    return {"models": rows}


def fact(found: Fact | None) -> Payload | None:
    """A fact as JSON has it."""
    if found is None:
        return None
    note = {"note": found.note} if found.note else {}
    return {"value": found.value, "unit": found.unit, "source": found.source.title, "as_of": found.source.as_of, **note}


def clusters(options: Options) -> Payload:
    """The catalog of clusters: device, node, link domain and network, each number with its source."""
    from bursar.machines import clusters as catalog

    rows = []
    for name in catalog.names():
        cluster = catalog.cluster(name)
        device = cluster.placed()
        rows.append(
            {
                "cluster": name,
                "name": cluster.name,
                "device": device.id,
                "node": fact(device.node),
                "node_power": fact(device.node_power),
                "link_kind": device.link_kind,
                "link": fact(device.link),
                "link_domain": fact(device.domain),
                "network_kind": device.network_kind,
                "network": fact(device.network),
                "topology": cluster.topology,
                "pod": fact(cluster.pod),
                "oversubscription": fact(cluster.oversubscription),
                "size": fact(cluster.size),
            }
        )
    return {"clusters": rows}


def devices(options: Options) -> Payload:
    """The catalog of devices: dense peaks, memory, links, each number with its source."""
    from bursar.machines import devices as catalog
    from bursar.machines import host

    rows = []
    for name in catalog.names():
        device = catalog.device(name)
        rows.append(
            {
                "device": name,
                "name": device.name,
                "aliases": list(device.aliases),
                "peaks": {k: fact(v) for k, v in device.peaks.items()},
                "memory": fact(device.memory),
                "memory_bandwidth": fact(device.memory_bandwidth),
                "link": fact(device.link),
                "link_kind": device.link_kind,
                "link_domain": fact(device.domain),
                "host_link": fact(host.link(name)),
                "network": fact(device.network),
                "node": fact(device.node),
                "power": fact(device.power),
                "price": fact(catalog.price(name)),
            }
        )
    return {"devices": rows}


def optimizers(options: Options) -> Payload:
    """The optimizers: bytes of state per parameter (as text where it follows from the shape m×n of a matrix), update, source."""
    from bursar.facts import sources
    from bursar.optimizers import OPTIMIZERS, Optimizer

    def per_parameter(item: Optimizer) -> float | str:
        return item.per_parameter if item.bytes_per_parameter is None else float(item.bytes_per_parameter)

    return {
        "optimizers": [
            {
                "name": item.name,
                "state_per_param": per_parameter(item),
                "state": [state.name for state in item.states],
                "managed": item.paged,
                "update": item.update,
                "flops_per_param": item.flops,
                "source": sources()[item.source].title,
            }
            for item in OPTIMIZERS.values()
        ]
    }
