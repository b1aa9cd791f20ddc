"""Options: what an operator sets for the whole cloud, with Nova's defaults of 2011."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _quotas() -> dict[str, int]:
    return {
        "instances": 10,
        "cores": 20,
        "ram": 51200,
        "volumes": 10,
        "gigabytes": 1000,
        "floating_ips": 10,
        "metadata_items": 128,
        "injected_files": 5,
        "injected_file_content_bytes": 10240,
    }


@dataclass(slots=True)
class Options:
    """What holds for the whole process. Templates are filled with the id; quotas: by resource, -1 without limit."""

    instance_name_template: str = "instance-%08x"
    volume_name_template: str = "volume-%08x"
    snapshot_name_template: str = "snapshot-%08x"
    vsa_name_template: str = "vsa-%08x"
    enable_new_services: bool = True
    vpn_image_id: str = "0"
    iscsi_num_targets: int = 100
    quotas: Mapping[str, int] = field(default_factory=_quotas)


options = Options()


def filled(template: str, record: Any) -> str:
    """Fill a template with a record's id, or if it takes none with its fields by name; give its uuid if that fails."""
    try:
        return str(template % record.id)
    except TypeError:
        try:
            return template % dict(record)
        except KeyError:
            return str(record.uuid)
