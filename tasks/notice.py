"""A notice as a task: an entry in the artifact `attention`, whose history is a page of the UI, and a message sent."""

from __future__ import annotations

import logging
from typing import Literal

from prefect import get_client, task
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_UI_URL

from tasks.artifacts import markdown

log = logging.getLogger("ingest.notice")

NOTIFY_BLOCK = "ingest-notify"
Happening = Literal["failed", "waits for approval", "late", "failure budget used up"]
NEXT: dict[Happening, str] = {
    "failed": "Read its message and its artifact outcomes; `ingest status` says where every VM stands. Retry goes on.",
    "waits for approval": "Open the run, read the summary, press Resume and decide. It ends by itself if nobody does.",
    "late": "Is a worker up for its work queue? Work Pools, ingest, shows the last sign of each.",
    "failure budget used up": "Nothing more is sent. Mend the cause the outcomes name, then Retry.",
}


@task(name="give_notice", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[2, 10])
def give_notice(what: Happening, run: str, run_id: str, message: str) -> str:
    """Tell people; what was done with it, for the state of the run."""
    link = f"{PREFECT_UI_URL.value() or ''}/runs/flow-run/{run_id}" if run_id else ""
    subject = f"ingest: {run} {what}" if what != "failure budget used up" else f"ingest: {run}: {what}"
    parts = (f"**{run}**: {what}", message, NEXT[what], f"[Open the run]({link})" if link else "")
    body = "\n\n".join(filter(None, parts))
    markdown("attention", body, subject)
    block = notification_block()
    if block is None:
        return f"noted; there is no block {NOTIFY_BLOCK} to send it with"
    block.notify(body, subject)  # type: ignore[unused-coroutine]  # declared as also awaitable
    log.info("sent over %s", NOTIFY_BLOCK)
    return f"noted, and sent over {NOTIFY_BLOCK}"


def notification_block() -> NotificationBlock | None:
    """The block named `ingest-notify`, of whatever kind: mail, Slack, Teams, webhook. None when there is none."""
    with get_client(sync_client=True) as client:
        wanted = {"block_documents": {"name": {"any_": [NOTIFY_BLOCK]}}}
        found = client.request("POST", "/block_documents/filter", json=wanted).json()
    for document in found:
        block = Block.load(f"{document['block_type']['slug']}/{NOTIFY_BLOCK}")
        if isinstance(block, NotificationBlock):
            return block
    return None
