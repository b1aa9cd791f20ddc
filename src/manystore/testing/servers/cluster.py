"""Several servers that stand for each other, begun together and ended together. Knows nothing of their kind."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from .server import Server

S = TypeVar("S", bound=Server)


class Cluster(Generic[S]):
    """A cluster. Used with `with`: it is whole at the beginning and gone at the end."""

    def __init__(self, nodes: Sequence[S]) -> None:
        self.nodes = list(nodes)

    def form(self) -> None:
        """Have the nodes that were begun become one; return when all of them take part."""
        for node in self.nodes:
            node.until(node.answers)

    def leader(self) -> S:
        """Give the node that leads, of those that run."""
        found: list[S] = []

        def look() -> bool:
            for node in self.nodes:
                if node.is_running:
                    with contextlib.suppress(OSError):
                        if node.leads():
                            found.append(node)
            return bool(found)

        next(node for node in self.nodes if node.is_running).until(look)
        return found[0]

    @property
    def url(self) -> str:
        """The URL that names all nodes."""
        raise NotImplementedError

    def start(self) -> Self:
        """Begin all nodes at once and form the cluster."""
        for node in self.nodes:
            node.begin()
        self.form()
        return self

    def crash(self) -> None:
        """End all by SIGKILL."""
        for node in self.nodes:
            node.crash()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.crash()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.crash()
