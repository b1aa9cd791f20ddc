"""Four programs on one database: nothing is doubled, nothing is lost, nothing dangles, and sums are kept."""

from __future__ import annotations

import pytest

from manystore import Exhausted, col
from manystore.testing.crew import Crew
from manystore.testing.provision import Place

from . import contest
from .contest import COUNTER, Account, Address, Cloud, Counter, FixedIp, Network

POOL = 500
ACCOUNTS, BALANCE = 12, 100
ROUNDS = pytest.mark.parametrize("rounds", [40, pytest.param(1_000, marks=pytest.mark.soak)])
TIMES = pytest.mark.parametrize("times", [250, pytest.param(1_000, marks=pytest.mark.soak)])


@pytest.fixture
def cloud(place: Place) -> Cloud:
    return place.connect(Cloud, on_call=None)


def test_each_address_of_a_pool_is_claimed_once(cloud: Cloud, place: Place, crew: Crew) -> None:
    pool = [FixedIp(address=f"10.0.{n // 250}.{n % 250}", network=1) for n in range(POOL)]
    cloud.fixed_ip.create_all([*pool, FixedIp(address="10.1.0.0", network=2)])
    taken = crew.run(contest.claim, Address.of(place))
    everything = [ip for each in taken for ip in each]
    assert sorted(everything) == sorted(ip.address for ip in pool)
    stored = cloud.fixed_ip.find(col(FixedIp.network) == 1)
    assert {ip.address: ip.instance for ip in stored} == {ip: n for n, each in enumerate(taken) for ip in each}
    for number, each in enumerate(taken):
        assert cloud.fixed_ip.count(col(FixedIp.network) == 1, col(FixedIp.instance) == number) == len(each)
    with pytest.raises(Exhausted):
        cloud.fixed_ip.claim(
            col(FixedIp.network) == 1, col(FixedIp.instance).is_(None), changes=[col(FixedIp.instance).to(9)]
        )
    assert cloud.fixed_ip.get("10.1.0.0").instance is None


@TIMES
def test_no_increment_is_lost(cloud: Cloud, place: Place, crew: Crew, times: int) -> None:
    cloud.counter.create(Counter(name=COUNTER))
    given = crew.run(contest.increment, Address.of(place), times, None)
    assert all(each == sorted(each) for each in given)
    assert sorted(value for each in given for value in each) == list(range(1, crew.size * times + 1))
    assert cloud.counter.get(COUNTER).value == crew.size * times


@TIMES
def test_a_bound_is_met_exactly(cloud: Cloud, place: Place, crew: Crew, times: int) -> None:
    cloud.counter.create(Counter(name=COUNTER))
    high = crew.size * times * 3 // 4
    given = crew.run(contest.increment, Address.of(place), times, high)
    assert sorted(value for each in given for value in each if value is not None) == list(range(1, high + 1))
    assert sum(value is None for each in given for value in each) == crew.size * times - high
    assert cloud.counter.get(COUNTER).value == high


@ROUNDS
def test_a_unique_name_is_one_programs(cloud: Cloud, place: Place, crew: Crew, rounds: int) -> None:
    outcomes = crew.run(contest.take_name, Address.of(place), rounds)
    winners = {}
    for number, told in enumerate(zip(*outcomes, strict=True)):
        assert sorted(told) == ["Duplicate"] * (crew.size - 1) + ["done"]
        winners[number * crew.size + told.index("done")] = f"host-{number}"
    assert {host.id: host.name for host in cloud.hostname.find(scan=True)} == winners


@ROUNDS
def test_a_target_goes_or_is_referred_to(cloud: Cloud, place: Place, crew: Crew, rounds: int) -> None:
    cloud.network.create_all([Network(id=4 * n + pair) for n in range(rounds) for pair in (0, 1)])
    outcomes = crew.run(contest.delete_or_refer, Address.of(place), rounds)
    networks = {network.id for network in cloud.network.find(scan=True)}
    ports = {port.id: port.network for port in cloud.port.find(scan=True)}
    for number in range(rounds):
        for pair in (0, 1):
            key = 4 * number + pair
            told = (outcomes[2 * pair][number], outcomes[2 * pair + 1][number])
            assert told in (("done", "MissingReference"), ("Restricted", "done"))
            there = told[1] == "done"
            assert (key in networks, key in ports) == (there, there)
    assert set(ports.values()) <= networks


@ROUNDS
def test_who_joins_a_cascade_goes_with_it_or_is_refused(cloud: Cloud, place: Place, crew: Crew, rounds: int) -> None:
    cloud.network.create_all([Network(id=4 * n + pair) for n in range(rounds) for pair in (0, 1)])
    outcomes = crew.run(contest.delete_or_join, Address.of(place), rounds)
    assert all(told == "done" for pair in (0, 2) for told in outcomes[pair])
    assert {told for pair in (1, 3) for told in outcomes[pair]} <= {"done", "MissingReference"}
    assert cloud.network.find(scan=True) == []
    assert cloud.route.find(scan=True) == []


@pytest.mark.parametrize("transfers", [50, pytest.param(1_000, marks=pytest.mark.soak)])
def test_money_is_moved_and_never_made(cloud: Cloud, place: Place, crew: Crew, transfers: int) -> None:
    cloud.account.create_all([Account(id=n, balance=BALANCE) for n in range(ACCOUNTS)])
    told = crew.run(contest.move_money, Address.of(place), ACCOUNTS, transfers)
    assert {total for each in told for total in each.seen} <= {ACCOUNTS * BALANCE}
    assert sum(len(each.seen) + each.conflicts for each in told) == crew.size * ((transfers + 4) // 5)
    balances = [account.balance for account in cloud.account.find(scan=True)]
    assert sum(balances) == ACCOUNTS * BALANCE
    assert min(balances) >= 0
    assert balances != [BALANCE] * ACCOUNTS
