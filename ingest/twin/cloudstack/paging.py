"""Pages of list answers (CloudStack: BaseListCmd, ListResponse)."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.twin.cloud import Cloud
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.parameters import Arguments
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.refusals import ApiException, InvalidParameter
from ingest.twin.cloudstack.service import Listing

_UNLIMITED = -1


@dataclass(frozen=True, slots=True)
class Page:
    """Rows `start` up to `start + size`; `size` None means all."""

    start: int
    size: int | None


def page_of(cloud: Cloud, arguments: Arguments) -> Page:
    """The page asked for; without one the first `default.page.size` rows. Raises 431 for half a page, or a huge one."""
    number, size = arguments.number("page"), arguments.number("pagesize")
    largest = configuration.number(cloud, "default.page.size")
    if size == _UNLIMITED:
        if number is not None:
            raise InvalidParameter("Can't specify page parameter when pagesize is -1 (Unlimited)")
        return Page(0, None)
    if number is None and size is None:
        return Page(0, largest if largest > 0 else None)
    if number is None:
        raise ApiException(431, '"page" parameter is required when "pagesize" is specified')
    if size is None:
        raise ApiException(431, '"pagesize" parameter is required when "page" is specified')
    if 0 < largest < size:
        raise InvalidParameter(f"Page size can't exceed max allowed page size value: {largest}")
    return Page((max(number, 1) - 1) * max(size, 0), max(size, 0))


def rendered(listing: Listing, page: Page) -> Json:
    """The body of a list answer: empty without rows, only `count` past the last page."""
    count = len(listing.rows)
    if count == 0:
        return {}
    shown = listing.rows
    if listing.paged and page.size is not None:
        shown = listing.rows[page.start : page.start + page.size]
    if not shown:
        return {"count": count}
    return {"count": count, listing.key: [listing.render(row) for row in shown]}
