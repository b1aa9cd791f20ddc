"""A window carried out on tables: what is there after each step, and who reads and writes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from manystore.errors import Duplicate, EpochChanged, MigrationRefused, MissingReference, Restricted
from manystore.schema.operation import Build, Clear, Contract, Explain, Prepare, Progress, Sweep
from manystore.schema.schema import Schema
from manystore.store.protocol import Delete

from . import race as r
from .race import Race, rider


def swept(race: Race, limit: int = 500) -> int:
    done, after = 0, None
    while True:
        page = race.store.alter(Sweep(race.catalog.epoch, "rider", r.lifted, after, limit))
        done, after = done + page.done, page.after
        if after is None:
            return done


def opened(race: Race, **parts: Any) -> None:
    catalog = race.opened(**parts)
    race.store.alter(Prepare(catalog, r.S_ABOVE))
    race.replace(catalog)


def through(race: Race) -> None:
    """Carry the whole window out."""
    opened(race)
    race.store.alter(Build(race.catalog.epoch, "rider"))
    race.replace(race.raised())
    assert swept(race) >= 0
    race.store.alter(Prepare(race.catalog))
    race.replace(race.swept())
    assert race.store.alter(Clear(race.catalog.epoch, r.S_BETWEEN)) == Progress(0)
    race.store.alter(Contract(race.catalog.epoch, race.last()))


def test_the_whole_way_ends_in_the_heads_tables(places: Callable[..., Race]) -> None:
    race, fresh = places(), places(r.S_HEAD)
    race.insert(r.TEAM, (1, "Blue"))
    race.insert(r.BASE, *(rider(number, team=1 if number % 2 else None) for number in range(1, 21)))
    race.insert(r.MEDAL, (1,))
    revisions = {row[0]: row[-2] for row in race.rows(r.BASE)}
    through(race)
    assert race.shape() == fresh.shape()
    rows = race.rows(r.HEAD)
    assert len(rows) == 20
    for row in rows:
        values = dict(zip([f.name for f in r.HEAD.fields], row, strict=False))
        number = values["id"]
        assert values == {
            "id": number, "title": f"n{number}", "age": 20 + number % 50, "a": -number, "b": number, "note": "so",
            "town": "Ulm", "team": 1 if number % 2 else None, "rank": 7, "label": f"n{number}!",
        }  # fmt: skip
        assert row[-2:] == (revisions[number], 2)


def test_an_old_program_goes_on_after_prepare(race: Race) -> None:
    race.insert(r.BASE, rider(1), rider(2))
    race.store.alter(Prepare(race.opened(), r.S_ABOVE))
    race.insert(r.BASE, rider(3))  # the catalog is not yet another one
    opened(race)
    race.insert(r.BASE, rider(4))
    found = {row[0]: row for row in race.rows(r.BASE)}
    assert set(found) == {1, 2, 3, 4}
    race.save(r.BASE, rider(4, town="Rom"), found[4][-2])
    with pytest.raises(Duplicate) as refused:
        race.insert(r.BASE, rider(5, a=4))
    assert refused.value.fields == ("a",)
    ranks = race.sql(
        f"SELECT rank_ FROM (SELECT {race.store._dialect.quoted('rank')} AS rank_ FROM {race.table('rider')}) t"
    )
    assert {rank for (rank,) in ranks} == {7}


def test_an_old_program_heeds_what_a_newer_schema_adds(race: Race) -> None:
    race.insert(r.TEAM, (1, "Blue"))
    race.insert(r.BASE, rider(1, team=1))
    opened(race)
    with pytest.raises(Duplicate) as refused:
        race.insert(r.BASE, rider(2, name="n1"))
    assert refused.value.fields == ("name",)
    with pytest.raises(MissingReference):
        race.insert(r.BASE, rider(3, team=9))
    with pytest.raises(Restricted):
        race.store.write([Delete(r.TEAM, (1,))], epoch=race.catalog.epoch)


def test_what_is_absent_is_neither_made_nor_kept_up(race: Race) -> None:
    absent = {"rider.unique_title": "absent", "rider.by_note": "absent", "rider.team.reference": "absent"}
    opened(race, indexes=absent)
    names = [index.name for index in race.tables()["rider"].indexes]
    assert not [name for name in names if name.endswith(("unique_title", "by_note"))]
    race.insert(r.BASE, rider(1, team=9), rider(2, name="n1"))
    assert len(race.rows(r.BASE)) == 2


def test_a_unique_that_records_break_names_some_of_them(race: Race) -> None:
    race.insert(r.BASE, *(rider(number, name="same" if number in (3, 5) else str(number)) for number in range(1, 9)))
    with pytest.raises(MigrationRefused, match=r"^Rider: name must be unique, .*, in the records 3, 5$"):
        race.store.alter(Prepare(race.opened(), r.S_ABOVE))
    race.sql(f"UPDATE {race.table('rider')} SET name = 'other' WHERE id = 5")
    opened(race)  # nothing is left of the first try that stands in the way


def test_a_unique_over_text_that_was_in_no_index(race: Race) -> None:
    unique = r.Unique("unique_note", ("note",))
    kept = r.msgspec.structs.replace(r.BASE, uniques=(*r.BASE.uniques, unique))
    catalog = race.catalog.changed(phase="open", stored=r.schema(r.TEAM, r.MEDAL, kept))
    race.insert(r.BASE, rider(1, note="n" * 300), rider(2, note=None))
    if race.store._dialect.sized:
        with pytest.raises(MigrationRefused, match=r"^Rider: note is longer than the 255 .*, in the record 1$"):
            race.store.alter(Prepare(catalog))
        race.sql(f"UPDATE {race.table('rider')} SET note = 'short' WHERE id = 1")
    race.store.alter(Prepare(catalog))
    race.replace(catalog)
    with pytest.raises(Duplicate):
        race.insert(r.BASE, rider(3, note=race.rows(r.BASE)[0][5]))


def test_a_reference_that_leads_nowhere_is_named(race: Race) -> None:
    race.insert(r.BASE, rider(1), rider(2, team=9))
    opened(race, indexes={"rider.team.reference": "building"})
    with pytest.raises(MigrationRefused, match=r"^Rider: team must lead .*, in the record 2$"):
        race.store.alter(Build(race.catalog.epoch, "rider"))
    race.sql(f"UPDATE {race.table('rider')} SET team = NULL")
    assert race.store.alter(Build(race.catalog.epoch, "rider")) == Progress(0)
    with pytest.raises(EpochChanged):
        race.store.alter(Build("0" * 16, "rider"))


def test_a_sweep_goes_page_by_page_and_keeps_revisions(race: Race) -> None:
    race.insert(r.BASE, *(rider(number) for number in range(1, 12)))
    opened(race)
    extras = '{"label": "kept"}'
    race.sql(f"UPDATE {race.table('rider')} SET _extras = '{extras}' WHERE id = 3")
    before = {row[0]: row[-2] for row in race.rows(r.BASE)}
    race.replace(race.raised())
    first = race.store.alter(Sweep(race.catalog.epoch, "rider", r.lifted, limit=4))
    assert first == Progress(4, [4])
    second = race.store.alter(Sweep(race.catalog.epoch, "rider", r.lifted, first.after, limit=4))
    assert second.after == [8]
    assert swept(race, 4) == 3
    assert swept(race) == 0
    rows = {row[0]: row for row in race.rows(r.ABOVE)}
    assert {number: row[-2] for number, row in rows.items()} == before
    assert {row[-1] for row in rows.values()} == {2}
    place = r.ABOVE.positions["label"]
    assert (rows[3][place], rows[4][place]) == ("kept", "n4!")
    assert race.sql(f"SELECT count(*) FROM {race.table('rider')} WHERE _extras IS NOT NULL") == [(0,)]


def test_a_sweep_leaves_a_record_alone_that_changed_meanwhile(race: Race) -> None:
    race.insert(r.BASE, rider(1), rider(2))
    opened(race)
    race.replace(race.raised())

    def lift(raw: dict[str, Any], extras: Any) -> dict[str, Any]:
        race.sql(f"UPDATE {race.table('rider')} SET _revision = 5 WHERE id = 2")
        return r.lifted(raw, extras)

    if race.url.startswith("sqlite"):
        race.sql(f"UPDATE {race.table('rider')} SET _revision = 5 WHERE id = 2")
    race.store.alter(Sweep(race.catalog.epoch, "rider", lift))
    versions = dict(race.sql(f"SELECT id, _version FROM {race.table('rider')}"))
    assert versions == ({1: 2, 2: 1} if not race.url.startswith("sqlite") else versions)
    assert swept(race) <= 1
    with pytest.raises(EpochChanged):
        race.store.alter(Sweep("0" * 16, "rider", lift))


def test_where_only_the_version_changes_it_is_set(race: Race) -> None:
    race.insert(r.TEAM, (1, "Blue"))
    higher = r.msgspec.structs.replace(r.TEAM, version=3)
    risen = r.schema(higher, r.MEDAL, r.BASE)
    race.replace(race.catalog.changed(phase="raised", older=r.S_BASE, stored=risen, head=risen))
    assert race.store.alter(Sweep(race.catalog.epoch, "team", r.lifted)) == Progress(0)
    assert race.sql(f"SELECT _version FROM {race.table('team')}") == [(3,)]
    race.replace(race.catalog.changed(older=risen, stored=r.S_BASE, head=r.S_BASE, base=risen))
    assert race.store.alter(Sweep(race.catalog.epoch, "team", r.lifted)) == Progress(0)
    assert race.sql(f"SELECT _version FROM {race.table('team')}") == [(1,)]


def test_contract_refuses_none_where_there_may_be_none(race: Race) -> None:
    race.insert(r.BASE, rider(1), rider(2, note=None))
    opened(race)
    race.replace(race.raised())
    swept(race)
    race.replace(race.swept())
    with pytest.raises(MigrationRefused, match=r"^Rider: note may not be None .*, in the record 2$"):
        race.store.alter(Contract(race.catalog.epoch, race.last()))
    race.sql(f"UPDATE {race.table('rider')} SET note = '' WHERE note IS NULL")
    race.store.alter(Contract(race.catalog.epoch, race.last()))
    with pytest.raises(EpochChanged):
        race.store.alter(Contract("0" * 16, race.last()))


def test_the_way_back_before_the_raise(places: Callable[..., Race]) -> None:
    race, fresh = places(), places()
    race.insert(r.BASE, rider(1))
    opened(race)
    race.insert(r.RACE, (1, None))
    back = race.catalog.changed(phase="stable", head=r.S_BASE, stored=None, absent={})
    race.store.alter(Contract(race.catalog.epoch, back))
    assert race.shape(lengths=False) == fresh.shape(lengths=False)  # what was made longer stays so
    assert [row[0] for row in race.rows(r.BASE)] == [1]


def test_explain_says_the_statements_and_does_nothing(race: Race) -> None:
    race.insert(r.BASE, rider(1))
    before = race.shape()
    prepared = race.store.alter(Explain(Prepare(race.opened(), r.S_ABOVE)))
    assert any("rank" in text and "ADD COLUMN" in text for text in prepared.statements)
    assert not [text for text in prepared.statements if "%%" in text]
    assert race.shape() == before
    opened(race)
    assert race.store.alter(Explain(Prepare(race.catalog, r.S_ABOVE))).statements == ()
    race.replace(race.raised())
    (update,) = race.store.alter(Explain(Sweep(race.catalog.epoch, "rider", r.lifted))).statements
    assert update.startswith("UPDATE")
    swept(race)
    race.replace(race.swept())
    contracted = race.store.alter(Explain(Contract(race.catalog.epoch, race.last())))
    assert contracted.blocking
    assert any("medal" in text and text.startswith("DROP TABLE") for text in contracted.statements)
    assert len(race.rows(r.ABOVE)) == 1


def test_offline_gives_what_explain_gives(race: Race) -> None:
    catalog = race.opened()
    scheme = race.url.partition(":")[0]
    offline = type(race.store).offline(scheme, r.S_BASE, catalog, r.S_ABOVE, prefix=race.prefix)
    assert offline == race.store.alter(Explain(Prepare(catalog, r.S_ABOVE))).statements
    opened(race)
    race.replace(race.raised())
    race.store.alter(Prepare(race.catalog))
    race.replace(race.swept())
    explained = race.store.alter(Explain(Contract(race.catalog.epoch, race.last()))).statements
    whole = type(race.store).offline(scheme, r.S_BASE, catalog, r.S_ABOVE, race.last(), prefix=race.prefix)
    assert whole[: len(offline)] == offline
    # Columns may stand in another order than those that were added one after the other.
    assert [text.split()[:3] for text in whole[len(offline) :]] == [text.split()[:3] for text in explained]


def test_an_index_puts_none_where_it_belongs_once_its_field_may_be_none(places: Callable[..., Race]) -> None:
    index = r.Index("by_name", ("name",), (False,))
    strict = r.msgspec.structs.replace(r.TEAM, indexes=(index,))
    name = r.msgspec.structs.replace(r.TEAM.fields[1], optional=True)
    loose = r.msgspec.structs.replace(strict, fields=(r.ID, name), version=2)
    base, head = r.schema(strict), r.schema(loose)
    race, fresh = places(base), places(head)
    race.insert(strict, (1, "Blue"))
    catalog = race.catalog.changed(phase="open", head=head, stored=base)
    race.store.alter(Prepare(catalog, head))
    race.replace(catalog)
    race.replace(race.catalog.changed(phase="raised", stored=head, older=base))
    race.store.alter(Prepare(race.catalog))
    race.insert(loose, (2, None))
    race.replace(race.swept())
    race.store.alter(Contract(race.catalog.epoch, race.catalog.changed(phase="stable", base=head, stored=None)))
    assert race.shape() == fresh.shape()
    orders = [[index.orders for index in made.tables()["team"].indexes] for made in (race, fresh)]
    assert orders[0] == orders[1]


def test_a_generation_is_a_table_of_its_own(race: Race) -> None:
    anew = r.msgspec.structs.replace(r.TEAM, generation=2)
    kept: Schema = r.schema(anew, r.MEDAL, r.BASE)
    catalog = race.catalog.changed(stored=kept)
    race.store.alter(Prepare(catalog))
    race.replace(catalog)
    race.insert(r.TEAM, (1, "Blue"))
    assert race.sql(f"SELECT count(*) FROM {race.table('team@2')}") == [(1,)]
    race.store.alter(Contract(race.catalog.epoch, race.catalog.changed(stored=None, base=kept, head=kept)))
    assert "team" not in race.tables()
    assert [row[:2] for row in race.rows(anew)] == [(1, "Blue")]
