"""From a URL's scheme to its store, by entry point, imported when it is opened. Knows no store by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..errors import MissingDriver, URLError
from .protocol import Store, Wait
from .url import StoreURL

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "manystore.stores"


@cache
def known() -> dict[str, EntryPoint]:
    """Give the entry point of every scheme that is installed: looked up once, since each time takes milliseconds."""
    from importlib.metadata import entry_points  # 45 ms, half of what `import manystore` may take

    return {point.name: point for point in entry_points(group=GROUP)}


def store_class(scheme: str) -> type[Store]:
    """Import the store of a scheme; raise URLError for one that nobody installed, or MissingDriver."""
    found = known()
    if scheme not in found:
        raise URLError(f"no store for {scheme}://; there are: {', '.join(sorted(found)) or 'none'}")
    try:
        store: type[Store] = found[scheme].load()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == __name__.partition(".")[0]:
            raise  # a fault of the package's own, which no driver mends
        # An entry point names its extra where that is not called like the scheme: `name = module:Class [extra]`.
        extra = (*found[scheme].extras, scheme)[0]
        raise MissingDriver(f"{scheme}:// needs {missing.name}: pip install 'manystore[{extra}]'") from None
    return store


def open_store(url: StoreURL, *, wait: Wait) -> Store:
    """Open the store that a URL names; raise URLError, MissingDriver, or what the store's open raises.

    wait: what the store's pauses go through.
    """
    return store_class(url.scheme).open(url, wait=wait)
