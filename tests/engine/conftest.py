from collections.abc import Iterator

import pytest

from tests.engine.site import SmallSite, small_site


@pytest.fixture
def site() -> Iterator[SmallSite]:
    with small_site() as running:
        yield running
