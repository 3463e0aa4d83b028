"""`kvitto keys`: the store of API keys in the data directory; for those who can read it anyway."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Literal

import typer
from pydantic import ValidationError

from service.app import open_api_keys
from service.commands.screen import err, fail, out, print_table, read_settings
from service.schemas import KeyRequest

keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
Role = Literal["analyst", "dashboard", "officer", "auditor", "admin"]


@keys_app.command("create")
def create(
    owner: Annotated[str, typer.Argument(help="The person or program that will hold the key.")],
    *,
    role: Annotated[Role, typer.Option(help="What the key may do.")],
    days: Annotated[int | None, typer.Option(help="Days until it expires; default: never.")] = None,
    purpose: Annotated[
        list[str] | None, typer.Option(help="A purpose that its queries may have; may be given again. Default: any.")
    ] = None,
) -> None:
    """Make a key and print it, once."""
    try:
        wanted = KeyRequest(owner=owner, role=role, expires_in_days=days, purposes=purpose or [])
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)))
    lifetime = timedelta(days=days) if days else None
    key, text = open_api_keys(read_settings()).create(wanted.owner, wanted.role, lifetime, wanted.purposes)
    err.print(f"key {key.id} of {key.owner}, role {key.role}; it is shown this once:")
    out.print(text)


@keys_app.command("list")
def list_keys() -> None:
    """All keys, revoked ones too; never their text."""
    keys = open_api_keys(read_settings()).list()
    found = [{**asdict(key), "purposes": ", ".join(key.purposes)} for key in keys]
    print_table(["id", "owner", "role", "purposes", "created", "expires", "revoked"], found)


@keys_app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")]) -> None:
    """End a key's life at once and for good."""
    if open_api_keys(read_settings()).revoke(key_id) is None:
        fail("there is no such key")
    out.print(f"key {key_id} is revoked")
