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


def open_store(url: StoreURL, *, wait: Wait) -> Store:
    """Open the store that a URL names; raise URLError, MissingDriver, or what the store's open raises.

    wait: what the store's pauses go through.
    """
    found = known()
    if url.scheme not in found:
        raise URLError(f"no store for {url.scheme}://; there are: {', '.join(sorted(found)) or 'none'}")
    try:
        store: type[Store] = found[url.scheme].load()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == __name__.partition(".")[0]:
            raise  # a fault of the package's own, which no driver mends
        # An entry point names its extra where that is not called like the scheme: `name = module:Class [extra]`.
        extra = (*found[url.scheme].extras, url.scheme)[0]
        raise MissingDriver(f"{url.scheme}:// needs {missing.name}: pip install 'manystore[{extra}]'") from None
    return store.open(url, wait=wait)
