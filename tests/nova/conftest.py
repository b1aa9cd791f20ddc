from collections.abc import Iterator
from pathlib import Path

import pytest

from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova

HEADER = "arrival_s,batch,vcpus,memory_gb,lifetime_s"
# Seven machines of three tenants: two never end, two begin and end in one breath, one ends when another arrives.
ROWS = (
    "0,0,2,3.5,",
    "0,0,1,0.75,300",
    "0,1,4,7.0,0",
    "300,2,8,14.0,900",
    "300,2,1,1.75,0",
    "900,3,2,3.5,",
    "1200,4,16,112.0,300",
)


def small_trace(folder: Path) -> Path:
    path = folder / "trace.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return small_trace(tmp_path)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[str]:
    """A place in memory that stays while the test runs; without a user it would be gone."""
    url = f"memory://{tmp_path.name}"
    with Nova.connect(url):
        yield url


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return request.getfixturevalue("memory")
    return f"sqlite:///{tmp_path / 'nova.db'}?durability=off"


@pytest.fixture
def db(url: str) -> Iterator[Nova]:
    with Nova.connect(url) as opened:
        yield opened


@pytest.fixture
def owner(db: Nova) -> Nova:
    return db.for_context(RequestContext("u", "p"))


@pytest.fixture
def other(db: Nova) -> Nova:
    return db.for_context(RequestContext("v", "q"))


@pytest.fixture
def dead(db: Nova) -> Nova:
    """An administrator who asks for deleted records: those only."""
    return db.for_context(get_admin_context(read_deleted=True))
