"""Sign-offs and gates of a recovery, asked in the Prefect UI: the run waits, and goes on when somebody has signed."""

from __future__ import annotations

import hashlib
import re

from prefect.runtime import flow_run

from ingest.recovery.people import STOP, Request, Signature
from tasks.asking import REJECT, answer_to, ask, possible
from tasks.parameters import Approval

_NOT_SLUG = re.compile(r"[^a-z0-9]+")


class InTheUi:
    """Asks whoever looks at the run. `run_id` is the recovery's, `attempt` gives the number of its attempt now."""

    def __init__(self, run_id: str, approval: Approval) -> None:
        self._run_id = run_id
        self._approval = approval

    def ask(self, request: Request) -> Signature | None:
        """The signature; None when it was refused, or nobody gave one in time.

        Does not return when the run is suspended: the flow runs from the top when somebody has signed.
        """
        mode = possible("suspend" if self._approval.mode == "suspend" else "pause")
        key = self._key(request)
        answer = answer_to(key, mode)
        if answer is None:
            go_on, *_ = request.choices
            text = f"**{request.who or 'Somebody'}**: {request.say}\n\nSigns: `{request.key}`"
            answer = ask(key, mode, text=text, choices=(go_on, REJECT), timeout_minutes=self._approval.timeout_minutes)
        if answer is None:
            return None
        name = answer.name or "somebody who gave no name"
        if answer.decision == REJECT:
            return Signature(name, STOP, answer.reason) if request.kind == "gate" else None
        return Signature(name, answer.decision, answer.reason)

    def _key(self, request: Request) -> str:
        """Prefect answers a key it knows at once: whoever tries again is asked again."""
        slug = _NOT_SLUG.sub("-", request.key.lower()).strip("-")[:40]
        digest = hashlib.sha256(f"{self._run_id} {request.key} {request.say}".encode()).hexdigest()[:10]
        return f"sign-{slug}-{digest}-{flow_run.run_count}"
