"""The tables of runnable images that were composed of versions: see docs/packaging.md."""

from sqlalchemy import BigInteger, Boolean, ForeignKey, ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Table


class ImageLayer(Table):
    """The tar of a variant's files as an image's layer: what it is called, and how long it is.

    Its bytes are kept nowhere: they are put together of the files each time.
    """

    __tablename__ = "image_layers"

    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class Image(Table):
    """That a manifest, which stands with the pushed ones, was composed of a variant.

    `is_shown`: it is the index that the version's tag stands for, of which a variant has one.
    """

    __tablename__ = "images"
    __table_args__ = (
        ForeignKeyConstraint(
            ["repository", "manifest"], ["oci_manifests.repository", "oci_manifests.digest"]
        ),
    )

    repository: Mapped[str] = mapped_column(String(255), primary_key=True)
    manifest: Mapped[str] = mapped_column(String(71), primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"), index=True)
    is_shown: Mapped[bool] = mapped_column(Boolean)
