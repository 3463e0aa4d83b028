"""What is not HTTP is answered with a problem, and the server stays up."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from service.app import create_app, open_api_keys, open_ledger
from service.settings import Settings
from tests.service.fakes import FakeAnswering, FakeCatalogue
from tests.service.live import served


@pytest.fixture
def url(settings: Settings, logs: io.StringIO) -> Iterator[str]:
    ledger, catalogue = open_ledger(settings), FakeCatalogue()
    answering = FakeAnswering(ledger, catalogue)
    app = create_app(
        settings, answering=answering, ledger=ledger, catalogue=catalogue, api_keys=open_api_keys(settings)
    )
    with served(app) as address:
        yield address
    assert answering.is_closed


def _raw(url: str, data: bytes) -> bytes:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 40_000,
        b"POST /v1/queries HTTP/1.1\r\nHost: x\r\nContent-Length: canary\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_a_problem(url: str, data: bytes) -> None:
    head, _, body = _raw(url, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head.lower()
    document = json.loads(body)
    assert document["type"] == "/problems/bad-request"
    assert "canary" not in str(document)
    assert httpx.get(f"{url}/livez").status_code == 200


def test_huge_headers_that_arrive_at_once_get_a_problem_too(url: str) -> None:
    filler = b"X-Filler: " + b"x" * 20_000
    received = _raw(url, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + filler + b"\r\n\r\n")
    assert b"/problems/headers-too-large" in received


def test_what_follows_a_body_of_two_lengths_is_no_request(url: str) -> None:
    lengths = b"Content-Length: 300\r\nTransfer-Encoding: chunked\r\n"
    smuggled = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    received = _raw(url, b"POST /v1/queries HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n0\r\n\r\n" + smuggled)
    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_caller_that_hangs_up_does_no_harm(url: str) -> None:
    place = urlsplit(url)
    for data in (b"", b"GET /", b"POST /v1/queries HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"):
        with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
            connection.sendall(data)
    assert httpx.get(f"{url}/livez").status_code == 200


def test_no_header_names_the_server(url: str) -> None:
    assert "server" not in httpx.get(f"{url}/livez").headers
