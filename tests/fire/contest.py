"""What several programs do to one database at the same time, and the models that they do it to."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from manystore import (
    Conflict,
    Database,
    Duplicate,
    Exhausted,
    ManystoreError,
    MissingReference,
    OutOfBounds,
    Repository,
    Restricted,
    col,
    field,
    index,
    model,
    ref,
)
from manystore.testing.crew import Seat
from manystore.testing.provision import Place

DEADLINE = 300.0  # seconds to retry for: a loaded machine is no reason to fail
COUNTER = "counter"


@model(indexes=[index("network", "instance")])
class FixedIp:
    """Free while instance is None."""

    address: str = field(key=True)
    network: int = 0
    instance: int | None = None


@model
class Counter:
    name: str = field(key=True)
    value: int = 0


@model
class Hostname:
    id: int = field(key=True)
    name: str = field(unique=True)


@model
class Network:
    id: int = field(key=True)


@model(indexes=[index("network")])
class Port:
    """Keeps its network from being deleted."""

    id: int = field(key=True)
    network: int = ref(Network.id)


@model(indexes=[index("network")])
class Route:
    """Goes with its network."""

    id: int = field(key=True)
    network: int = ref(Network.id, on_delete="cascade")


@model
class Account:
    id: int = field(key=True)
    balance: int = 0


class Cloud(Database):
    fixed_ip: Repository[FixedIp, str]
    counter: Repository[Counter, str]
    hostname: Repository[Hostname, int]
    network: Repository[Network, int]
    port: Repository[Port, int]
    route: Repository[Route, int]
    account: Repository[Account, int]


class Address(NamedTuple):
    """Where the database is: what a Place is in another process."""

    url: str
    prefix: str

    @classmethod
    def of(cls, place: Place) -> Address:
        return cls(place.url, place.prefix)

    def connect(self) -> Cloud:
        return Cloud.connect(self.url, prefix=self.prefix)


def outcome(act: Callable[[], Any], *expected: type[ManystoreError]) -> str:
    """Give the name of the error it ended in, of those that are expected; "done" without any."""
    try:
        act()
    except expected as error:
        return type(error).__name__
    return "done"


def claim(seat: Seat, address: Address) -> list[str]:
    """Take addresses for this seat until none is left."""
    taken: list[str] = []
    with address.connect() as db:
        seat.meet()
        while True:
            try:
                ip = db.fixed_ip.claim(
                    col(FixedIp.network) == 1,
                    col(FixedIp.instance).is_(None),
                    changes=[col(FixedIp.instance).to(seat.number)],
                )
            except Exhausted:
                return taken
            assert ip.instance == seat.number
            taken.append(ip.address)


def increment(seat: Seat, address: Address, times: int, high: int | None) -> list[int | None]:
    """Count one counter up; give what each increment gave, None where it met the bound."""
    given: list[int | None] = []
    with address.connect() as db:
        seat.meet()
        for _ in range(times):
            try:
                given.append(db.counter.increment(COUNTER, Counter.value, high=high).value)
            except OutOfBounds:
                given.append(None)
    return given


def take_name(seat: Seat, address: Address, rounds: int) -> list[str]:
    """Take the same name as all others, in each round."""
    outcomes: list[str] = []
    with address.connect() as db:
        for number in range(rounds):
            host = Hostname(id=number * seat.size + seat.number, name=f"host-{number}")
            seat.meet()
            outcomes.append(outcome(lambda host=host: db.hostname.create(host), Duplicate))  # type: ignore[misc]
    return outcomes


def delete_or_refer(seat: Seat, address: Address, rounds: int) -> list[str]:
    """Of each two seats one deletes a network while the other gives it a port."""
    outcomes: list[str] = []
    with address.connect() as db:
        for number in range(rounds):
            network = number * seat.size + seat.number // 2
            seat.meet()
            if seat.number % 2:
                port = Port(id=network, network=network)
                outcomes.append(outcome(lambda port=port: db.port.create(port), MissingReference))  # type: ignore[misc]
            else:
                outcomes.append(outcome(lambda key=network: db.network.delete(key), Restricted))  # type: ignore[misc]
    return outcomes


def delete_or_join(seat: Seat, address: Address, rounds: int) -> list[str]:
    """Of each two seats one deletes a network with its routes while the other adds routes."""
    outcomes: list[str] = []
    with address.connect() as db:
        for number in range(rounds):
            network = number * seat.size + seat.number // 2
            seat.meet()
            if seat.number % 2:
                route = Route(id=10 * network + 1, network=network)
                outcomes.append(outcome(lambda route=route: db.route.create(route), MissingReference))  # type: ignore[misc]
            else:
                outcomes.append(outcome(lambda key=network: db.network.delete(key)))  # type: ignore[misc]
    return outcomes


class Sums(NamedTuple):
    """What one who moved money saw: the sums of its consistent reads, and how many others spoilt."""

    seen: list[int]
    conflicts: int


def move_money(seat: Seat, address: Address, accounts: int, transfers: int) -> Sums:
    """Move money about; after each few transfers look at all accounts together."""
    dice = random.Random(seat.number)
    seen: list[int] = []
    conflicts = 0
    with address.connect() as db:
        seat.meet()
        for number in range(transfers):
            giver, taker = dice.sample(range(accounts), 2)
            amount = dice.randint(1, 20)
            db.retrying(lambda tx, a=giver, b=taker, n=amount: _transfer(tx, a, b, n), deadline=DEADLINE)  # type: ignore[misc]
            if number % 5 == 0:
                try:
                    with db.transaction() as tx:
                        found = tx.account.find(scan=True)
                    seen.append(sum(account.balance for account in found))
                except Conflict:
                    conflicts += 1
    return Sums(seen, conflicts)


def _transfer(tx: Cloud, giver: int, taker: int, amount: int) -> None:
    source, target = tx.account.get(giver), tx.account.get(taker)
    if source.balance >= amount:
        source.balance -= amount
        target.balance += amount
        tx.account.save(source)
        tx.account.save(target)
