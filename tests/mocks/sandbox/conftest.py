from collections.abc import Iterator

import pytest

from tests.mocks.sandbox.consoles import Gateway


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway
