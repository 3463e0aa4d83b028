"""Pages for people: rendered here, without a script, without another host."""

from __future__ import annotations

import re

import pytest

from tests.service.harness import Harness

PAGES = ["/", "/docs", "/problems", "/problems/query-not-private"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_no_key_no_script_and_no_other_host(harness: Harness, path: str) -> None:
    page = harness.send("GET", path, None)
    assert page.status_code == 200
    assert "<script" not in page.text
    assert " style=" not in page.text
    loaded = re.findall(r'<(?:link|img|source|iframe)[^>]*(?:href|src)="([^"]*)"', page.text)
    assert set(loaded) == {"data:,", "/static/kvitto.css"}
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_every_link_on_a_page_leads_somewhere(harness: Harness, path: str) -> None:
    page = harness.send("GET", path, None).text
    for target in set(re.findall(r'href="(/[^"]*)"', page)):
        assert harness.send("GET", target, None).status_code == 200, target
    for anchor in set(re.findall(r'href="#([^"]*)"', page)):
        assert f'id="{anchor}"' in page


def test_the_stylesheet_knows_light_and_dark(harness: Harness) -> None:
    sheet = harness.send("GET", "/static/kvitto.css", None)
    assert sheet.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in sheet.text


def test_the_documentation_shows_every_call_with_its_roles(harness: Harness) -> None:
    page = harness.send("GET", "/docs", None).text
    document = harness.send("GET", "/openapi.json", None).json()
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    assert "Roles: analyst, auditor" in page


def test_a_host_header_cannot_put_markup_on_a_page(harness: Harness) -> None:
    page = harness.send("GET", "/", None, headers={"Host": '"><b>x'})
    assert "<b>x" not in page.text
