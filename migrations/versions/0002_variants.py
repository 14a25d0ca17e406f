"""versions in several variants

A version's form (format, manifest, signatures, files) moves to `variants`. Nothing was released
before this step, so it replaces at once what later steps would replace one release apart (the
rule in 0001).

Way up: the old rows are put aside in plain tables, the new tables are made, and the rows come
back; way down the same. A version with several variants goes down as the one it was first
published in.

Revision: 0002
Follows: 0001
"""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OLD = ("files", "aliases", "versions", "models", "blobs")
_NEW = ("files", "variants", "aliases", "versions", "models", "blobs")


def upgrade() -> None:
    _put_aside(_OLD)
    _create_new()
    _create_variants()
    op.execute(
        "INSERT INTO blobs SELECT digest, size, created_at, created_at, NULL FROM aside_blobs"
    )
    op.execute(
        "INSERT INTO models SELECT name, name, description, '', next_version, created_at, "
        "created_at, NULL FROM aside_models"
    )
    op.execute(
        "INSERT INTO versions (id, model, version, status, status_message, digest, actor, owner, "
        'description, licence, "commit", repository, source, run_id, card, created_at, updated_at, '
        "details) SELECT id, model, version, 'ready', '', digest, actor, '', '', '', '', '', '', "
        "'', '', created_at, created_at, details FROM aside_versions"
    )
    op.execute(
        "INSERT INTO variants (id, version_id, name, format, digest, config_digest, config, size, "
        "publisher, manifest, publisher_bundle, registry_bundle, signature, log_index, created_at) "
        "SELECT id, id, format, format, digest, '', manifest, size, publisher, manifest, "
        "publisher_bundle, registry_bundle, signature, log_index, created_at FROM aside_versions"
    )
    op.execute("INSERT INTO files SELECT version_id, path, digest, size FROM aside_files")
    op.execute("INSERT INTO aliases SELECT model, alias, version, updated_at FROM aside_aliases")
    _rebuild_configs()
    _count_on(("versions", "variants"))
    _drop(tuple(f"aside_{name}" for name in _OLD))


def downgrade() -> None:
    _put_aside(_NEW)
    _create_old()
    op.execute("INSERT INTO blobs SELECT digest, size, created_at FROM aside_blobs")
    op.execute(
        "INSERT INTO models SELECT name, description, next_version, created_at FROM aside_models"
    )
    op.execute(
        "INSERT INTO versions (id, model, version, digest, format, size, publisher, actor, "
        "manifest, publisher_bundle, registry_bundle, signature, details, log_index, created_at) "
        "SELECT v.id, v.model, v.version, v.digest, f.format, f.size, f.publisher, v.actor, "
        "f.manifest, f.publisher_bundle, f.registry_bundle, f.signature, v.details, f.log_index, "
        "v.created_at FROM aside_versions v JOIN aside_variants f "
        "ON f.version_id = v.id AND f.digest = v.digest WHERE v.status = 'ready'"
    )
    op.execute(
        "INSERT INTO files SELECT f.version_id, a.path, a.digest, a.size FROM aside_files a "
        "JOIN aside_variants f ON f.id = a.variant_id "
        "JOIN versions v ON v.id = f.version_id AND v.digest = f.digest"
    )
    op.execute(
        "INSERT INTO aliases SELECT a.model, a.alias, a.version, a.updated_at FROM aside_aliases a "
        "JOIN versions v ON v.model = a.model AND v.version = a.version"
    )
    _count_on(("versions",))
    _drop(tuple(f"aside_{name}" for name in _NEW))


def _put_aside(names: tuple[str, ...]) -> None:
    for name in names:
        op.execute(f"CREATE TABLE aside_{name} AS SELECT * FROM {name}")  # noqa: S608  our names
    _drop(names)


def _drop(names: tuple[str, ...]) -> None:
    for name in names:
        op.drop_table(name)


def _count_on(names: tuple[str, ...]) -> None:
    """PostgreSQL's sequences do not see rows that came with their ids."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for name in names:
        op.execute(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), "  # noqa: S608  our names
            f"coalesce((SELECT max(id) FROM {name}), 1), (SELECT count(*) > 0 FROM {name}))"
        )


def _rebuild_configs() -> None:
    """The config document of each manifest: canonical JSON, as the first release built it."""
    bind = op.get_bind()
    rows = bind.execute(
        sa.text("SELECT id, manifest, model, version, format FROM aside_versions")
    ).all()
    for row_id, manifest, model, version, found_format in rows:
        layers = json.loads(bytes(manifest))["layers"]
        document = {
            "descriptor": {"name": model, "version": str(version)},
            "config": {"format": found_format},
            "modelfs": {"type": "layers", "diffIds": [layer["digest"] for layer in layers]},
        }
        config = json.dumps(
            document, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
        bind.execute(
            sa.text("UPDATE variants SET config_digest = :digest, config = :config WHERE id = :id"),
            {
                "digest": "sha256:" + hashlib.sha256(config).hexdigest(),
                "config": config,
                "id": row_id,
            },
        )


def _create_new() -> None:
    op.create_table(
        "blobs",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("condemned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
    )
    op.create_index(op.f("ix_blobs_condemned_at"), "blobs", ["condemned_at"], unique=False)
    op.create_index(op.f("ix_blobs_used_at"), "blobs", ["used_at"], unique=False)
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("display_name", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("next_version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
        sa.UniqueConstraint("display_name", name=op.f("uq_models_display_name")),
    )
    op.create_index(op.f("ix_models_updated_at"), "models", ["updated_at"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=True),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("licence", sa.String(length=128), nullable=False),
        sa.Column("commit", sa.String(length=128), nullable=False),
        sa.Column("repository", sa.String(length=1024), nullable=False),
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_message", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_versions_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("model", "version", name=op.f("uq_versions_model_version")),
    )
    op.create_index(op.f("ix_versions_digest"), "versions", ["digest"], unique=False)
    for name in (
        "model", "status", "owner", "licence", "commit", "run_id", "created_at", "updated_at",
    ):  # fmt: skip
        op.create_index(op.f(f"ix_versions_{name}_id"), "versions", [name, "id"], unique=False)


def _create_variants() -> None:
    op.create_table(
        "variants",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("config_digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("publisher", sa.String(length=128), nullable=False),
        sa.Column("signature", sa.JSON(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("config", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("publisher_bundle", sa.LargeBinary(), nullable=False),
        sa.Column("registry_bundle", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["log_index"], ["log_entries.index"], name=op.f("fk_variants_log_index")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_variants_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variants")),
        sa.UniqueConstraint("log_index", name=op.f("uq_variants_log_index")),
        sa.UniqueConstraint("version_id", "name", name=op.f("uq_variants_version_id_name")),
    )
    op.create_index(op.f("ix_variants_config_digest"), "variants", ["config_digest"], unique=False)
    op.create_index(op.f("ix_variants_digest"), "variants", ["digest"], unique=False)
    for name in ("format", "publisher"):
        op.create_index(
            op.f(f"ix_variants_{name}_version_id"), "variants", [name, "version_id"], unique=False
        )
    op.create_table(
        "files",
        sa.Column(
            "variant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_files_digest")),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_files_variant_id")),
        sa.PrimaryKeyConstraint("variant_id", "path", name=op.f("pk_files")),
    )
    op.create_index(op.f("ix_files_digest"), "files", ["digest"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("alias", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["versions.model", "versions.version"],
            name=op.f("fk_aliases_model_version"),
        ),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_aliases")),
    )
    op.create_index(op.f("ix_aliases_alias"), "aliases", ["alias"], unique=False)


def _create_old() -> None:
    op.create_table(
        "blobs",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("next_version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
    )
    op.create_table(
        "versions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("publisher", sa.String(length=128), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("publisher_bundle", sa.LargeBinary(), nullable=False),
        sa.Column("registry_bundle", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.JSON(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["log_index"], ["log_entries.index"], name=op.f("fk_versions_log_index")
        ),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_versions_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("log_index", name=op.f("uq_versions_log_index")),
        sa.UniqueConstraint("model", "version", name=op.f("uq_versions_model_version")),
    )
    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_versions_digest"), ["digest"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("alias", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["versions.model", "versions.version"],
            name=op.f("fk_aliases_model_version"),
        ),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_aliases")),
    )
    op.create_table(
        "files",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_files_digest")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_files_version_id")),
        sa.PrimaryKeyConstraint("version_id", "path", name=op.f("pk_files")),
    )
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_files_digest"), ["digest"], unique=False)
