"""Names of message queues; nothing of it is stored."""

from __future__ import annotations


class Queue:
    """The queues that services listen on."""

    __slots__ = ()

    def get_for(self, topic: str, physical_node_id: str) -> str:
        """Name the queue of a topic on one host."""
        return f"{topic}.{physical_node_id}"
