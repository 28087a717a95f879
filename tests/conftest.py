"""Property tests run the same cases every time; `make fuzz` draws new ones, as many as it is told."""
from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests import leftovers, stores

settings.register_profile("same-cases", derandomize=True, deadline=None)
settings.load_profile("same-cases")


@pytest.fixture(scope="session")
def postgres() -> Iterator[stores.Server]:
    """A PostgreSQL server of this run's own, one for each process of tests that asks for it."""
    with stores.running() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _store(request: pytest.FixtureRequest) -> Iterator[stores.Server | None]:
    """The server on which every journal of the run is; None: they are files."""
    if request.config.getoption("--store") == "sqlite":
        yield None
        return
    server: stores.Server = request.getfixturevalue("postgres")
    with server.journals():
        yield server


@pytest.fixture(autouse=True)
def _no_database_is_left(request: pytest.FixtureRequest, _store: stores.Server | None) -> Iterator[None]:
    """``@pytest.mark.sqlite("why")`` is on what belongs to SQLite by nature."""
    mark = request.node.get_closest_marker("sqlite")
    if _store is None or mark is not None:
        if _store is not None and mark is not None:
            pytest.skip(f"of SQLite: {mark.args[0]}")
        yield
        return
    folder = request.getfixturevalue("tmp_path")
    yield
    _store.drop_below(folder)


@pytest.fixture(autouse=True)
def _no_log_handler_is_left() -> Iterator[None]:
    """A command that runs inside a test sends the process's log to that test's own error stream, which is then closed."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    for left in [one for one in logging.root.handlers if one not in handlers and type(one) is logging.StreamHandler]:
        logging.root.removeHandler(left)
    logging.root.setLevel(level)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=("sqlite", "postgres"), default="sqlite", help="where the journals of the tests are")
    parser.addoption("--fuzz-cases", type=int, default=0, help="run the property tests only, with this many new cases each")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    yield
    leftovers.check()


def pytest_configure(config: pytest.Config) -> None:
    leftovers.watch()
    config.addinivalue_line("markers", "sqlite(why): of SQLite by nature, left out of a run on another store")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = int(config.getoption("--fuzz-cases"))
    if not cases:
        return
    chosen = [item for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)]
    for item in chosen:
        test = getattr(item.obj, "__func__", item.obj)
        if hasattr(test, "_hypothesis_internal_use_settings"):
            test._hypothesis_internal_use_settings = _fresh(test._hypothesis_internal_use_settings or settings.default, cases)
        else:  # a state machine: each of its cases is a whole history
            item.cls.settings = _fresh(item.cls.settings, max(1, cases // 20))
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _fresh(own: settings, cases: int) -> settings:
    calm = {HealthCheck.too_slow, HealthCheck.filter_too_much, *own.suppress_health_check}
    return settings(own, derandomize=False, max_examples=cases, print_blob=True, suppress_health_check=list(calm))
