"""Prefect artifacts: a summary and the first rows; the whole is in the run's folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.runtime import flow_run

from ingest.counting import counted
from tasks.server_traffic import SERVER_AWAY

log = logging.getLogger("ingest.flow")

MAXIMUM_ROWS = 1000


def table(key: str, rows: Sequence[Mapping[str, Any]], description: str, first: Sequence[str] = ()) -> None:
    """A table artifact of at most 1,000 rows, the description saying what was left out. Key: lower case, dashes.

    `first` are the columns to begin with: the UI shows about five, and scrolls to the others.
    """
    if not rows:
        markdown(key, "Nothing to show.", description)
        return
    if len(rows) > MAXIMUM_ROWS:
        description += f" First {MAXIMUM_ROWS} of {counted(len(rows), 'row')}."
    shown = [{name: row[name] for name in first} | dict(row) for row in rows[:MAXIMUM_ROWS]]
    create_table_artifact(table=shown, key=key, description=description)


def markdown(key: str, text: str, description: str) -> None:
    """A markdown artifact; the description is what its card in the run's list says, about 40 characters of it."""
    create_markdown_artifact(markdown=text, key=key, description=description)


class LivePage:
    """A markdown artifact of this flow run that is renewed in place. A server that does not answer is left alone."""

    def __init__(self, key: str) -> None:
        self._key, self._id, self._shown = key, UUID(int=0), ""

    def show(self, text: str) -> None:
        """Make the page say this; costs nothing when it does already."""
        if text == self._shown:
            return
        try:
            with get_client(sync_client=True) as client:
                if self._shown:
                    client.update_artifact(self._id, ArtifactUpdate(data=text))
                else:
                    own = UUID(str(flow_run.id))
                    made = ArtifactCreate(key=self._key, type="markdown", data=text, flow_run_id=own)
                    self._id = client.create_artifact(made).id
        except SERVER_AWAY as error:
            log.debug("the page %s could not be renewed: %s", self._key, error)
            return
        self._shown = text
