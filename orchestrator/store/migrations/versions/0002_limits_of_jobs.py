"""The limits that a job had are kept with it, also where its code is not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make room for them; jobs of before have none."""
    op.add_column("jobs", sa.Column("limits", sa.Text))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("jobs", "limits")
