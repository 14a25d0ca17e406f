"""${message}

Rule: a step here runs while the previous release is still serving. So it only adds (tables,
nullable columns, indexes); what it replaces is removed one release later. It never edits
log_entries or log_hashes, for those are signed. It has a way down that keeps what was there
before, and a test that goes up and down with rows in the tables, on both databases.

Revision: ${up_revision}
Follows: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
