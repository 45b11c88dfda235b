"""Backends floor: writes an image's software bill of materials, in CycloneDX 1.6 (ECMA-424). It knows no engine.

The same image gives the same bytes: its serial number comes from the digest, its time from the image.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from orchestrator.backends.image_contents import ImageFile, ImagePackage

__all__ = ("bill_of_materials",)

_DEBIAN = "debian"
_OF_THE_ENGINE = frozenset({".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"})
"""Empty files that an engine adds to what it exports; the image has none of them."""


def bill_of_materials(
    *, image: str, digest: str, created: str, packages: Sequence[ImagePackage], files: Sequence[ImageFile]
) -> str:
    """The bill of one image as JSON text: its packages as libraries with their URLs, its files with SHA-256."""
    name, _, version = image.rpartition(":")
    itself = Component(
        name=name,
        version=version,
        type=ComponentType.CONTAINER,
        bom_ref=digest,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))],
    )
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"docker-image:{digest}"),
        metadata=BomMetaData(component=itself, timestamp=_time_of(created)),
        components=[
            *map(_package, packages),
            *(_file(file) for file in files if file.size_bytes or file.path not in _OF_THE_ENGINE),
        ],
    )
    bom.register_dependency(itself, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _package(package: ImagePackage) -> Component:
    namespace = _DEBIAN if package.ecosystem == "deb" else None
    url = PackageURL(type=package.ecosystem, namespace=namespace, name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=url.to_string(),
    )


def _file(file: ImageFile) -> Component:
    return Component(
        name=f"/{file.path}",
        type=ComponentType.FILE,
        bom_ref=f"file:/{file.path}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
    )


def _time_of(created: str) -> datetime:
    try:
        return datetime.fromisoformat(created[:19]).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
