"""Store URLs: their grammar, their options, and that nothing shows a password."""

from __future__ import annotations

from typing import Any

import pytest

from manystore import URLError
from manystore.store.url import LIMITS, StoreURL, parse_url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("memory://", {}),
        ("memory://name", {"hosts": ("name",), "name": "name"}),
        ("sqlite:///file.db", {"path": "file.db"}),
        ("sqlite:////abs/file.db", {"path": "/abs/file.db"}),
        ("sqlite:///with%20space#1.db", {"path": "with space#1.db"}),
        ("SQLite:///file", {"scheme": "sqlite", "path": "file"}),
        ("a://h:1,h2:22/p", {"hosts": ("h:1", "h2:22"), "path": "p", "name": "h:1,h2:22"}),
        ("a://[::1]:6379/0", {"hosts": ("[::1]:6379",), "path": "0"}),
        ("a://user@h", {"user": "user", "hosts": ("h",)}),
        ("a://us%40er:p%40ss%2F%3F@h/db", {"user": "us@er", "password": "p@ss/?", "hosts": ("h",), "path": "db"}),
        ("a://:secret@h", {"user": None, "password": "secret", "hosts": ("h",)}),
        ("a://h?timeout=5&durability=off", {"hosts": ("h",), "options": {"timeout": "5", "durability": "off"}}),
        ("a://h?flag", {"hosts": ("h",), "options": {"flag": ""}}),
        ("postgresql+psycopg://h/db", {"scheme": "postgresql+psycopg", "hosts": ("h",), "path": "db"}),
    ],
)
def test_parts(text: str, parts: dict[str, Any]) -> None:
    url = parse_url(text, "mine")
    expected = {"scheme": text.partition(":")[0].lower(), "hosts": (), "path": "", "user": None, "password": None}
    expected |= {"options": {}, "prefix": "mine", "name": ""} | {"name": ",".join(parts.get("hosts", ()))} | parts
    assert {name: getattr(url, name) for name in expected} == expected


@pytest.mark.parametrize("text", ["", "file.db", "sqlite:file.db", "://h", "a b://h", "1a://h", "user:sesame@h://x"])
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(URLError, match=r"^a store's URL looks like scheme://place, as in memory://name$"):
        parse_url(text)


def test_other_types() -> None:
    for wrong in (None, 5, b"memory://"):
        with pytest.raises(URLError, match=f"a store's URL is a str, not a {type(wrong).__name__}"):
            parse_url(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "a://user:sesame/half@h/db",  # the password's slash ends the hosts
        "a://user:sesame?half@h/db",
        "a://user:sesame@[::1/db",
        "a://user:sesame@h\u2100/db",  # a sign that urlsplit finds to hide a slash
        "a://user:sesame@h:port/db",
    ],
)
def test_no_refusal_repeats_a_password(text: str) -> None:
    with pytest.raises(URLError) as caught:
        parse_url(text)
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_what_is_shown() -> None:
    url = parse_url("a://user:sesame@h:1/db?token=sesame")
    assert str(url) == "a://user:***@h:1/db"
    assert "sesame" not in repr(url)
    assert str(parse_url("a://:sesame@h")) == "a://:***@h"
    assert str(parse_url("a://user@h")) == "a://user@h"
    assert str(parse_url("memory://name")) == "memory://name"
    assert str(parse_url("sqlite:////abs/file")) == "sqlite:////abs/file"


def test_options() -> None:
    url = parse_url("a://h?timeout=2.5&pool=0&bad=soon&neg=-1&nan=nan&inf=inf")
    assert url.option("timeout", 5) == 2.5
    assert url.option("pool", 5) == 0
    assert url.option("absent", 5) == 5
    for name in ("bad", "neg", "nan", "inf"):
        with pytest.raises(URLError, match=rf"^a: the option {name} takes a number, 0 or more$"):
            url.option(name, 1)
    with pytest.raises(URLError, match=r"^a: an option is given twice$"):
        parse_url("a://h?x=1&x=2")


def test_options_that_a_store_knows() -> None:
    url = parse_url("a://h?timeout=2")
    url.allow("timeout", "pool")
    with pytest.raises(URLError, match=r": pool, max_operations, max_bytes, max_examined$"):
        url.allow("pool")
    with pytest.raises(URLError, match=r"^a: unknown option timeout; there are: max_operations, "):
        url.allow()
    StoreURL("memory").allow()


def test_limits_go_with_every_store() -> None:
    url = parse_url("a://b?max_operations=62&max_examined=0&pool=2")
    url.allow("pool")
    assert [url.limit(name) for name in LIMITS] == [62, 900_000, 0]
    with pytest.raises(URLError, match="max_bytes"):
        parse_url("a://b?max_bytes=much").limit("max_bytes")
