"""The transparency report as one HTML page that needs no other file, no script and no network."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from service.reports.document import Transparency

_PAGES: Final = Path(__file__).parent.parent / "pages"
_STYLE: Final = (_PAGES / "transparency.css").read_text(encoding="utf-8")
_templates: Final = Environment(
    loader=FileSystemLoader(_PAGES),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The page brings its one style along; a browser takes that one and no other.
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def transparency_page(report: Transparency) -> str:
    """The page; texts of policies and officers are escaped."""
    style = Markup(_STYLE)  # noqa: S704 - a file of the project's own
    return _templates.get_template("transparency.html").render(report=report, style=style)
