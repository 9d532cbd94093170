"""The Prefect server looked at before anything is asked of it, so that what stands against it is told plainly."""

from __future__ import annotations

import httpx
from prefect import get_client
from prefect.exceptions import PrefectHTTPStatusError

from ingest.errors import RemoteError, Transient, Unauthorised

_PASSWORD, _NOT_THERE = (401, 403), 404
_LOG = "read the server's log"


def look_at_server(url: str) -> None:
    """Raises Unauthorised, Transient when nobody answers, RemoteError for any other trouble, all with their cure.

    `url` is PREFECT_API_URL as it is set, to name the place.
    """
    try:
        with get_client(sync_client=True) as client:
            client.hello()
    except PrefectHTTPStatusError as error:
        if error.response.status_code in _PASSWORD:
            raise Unauthorised(
                "the Prefect server wants a password",
                place=url,
                cure="set PREFECT_API_AUTH_STRING=user:password, as its PREFECT_SERVER_API_AUTH_STRING says",
            ) from None
        cure = "correct PREFECT_API_URL, which ends in /api" if error.response.status_code == _NOT_THERE else _LOG
        raise RemoteError(
            f"the Prefect server answers HTTP {error.response.status_code}", place=url, cure=cure
        ) from None
    except httpx.TransportError as error:
        raise _nobody(url, str(error)) from None
    except RuntimeError as error:  # Prefect's word for both: nobody there, and another version there
        if "Failed to reach API" in str(error):
            raise _nobody(url, str(error.__cause__ or error)) from None
        raise RemoteError(str(error), place=url, cure="the server and this program need the same Prefect") from None


def _nobody(url: str, said: str) -> Transient:
    return Transient(
        f"no Prefect server answers: {said}",
        place=f"environment variable PREFECT_API_URL, {url}",
        cure="start it (prefect server start), or correct the URL, which ends in /api",
    )
