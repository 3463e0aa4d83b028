"""`kvitto serve`: the service, with the demo dataset and keys where that is wanted."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from budgets.errors import BudgetError
from queries.errors import LoadError, PolicyError
from queries.vault import SecretKeys
from service.app import create_app, open_api_keys
from service.commands.screen import err, fail, out, progress, read_settings
from service.demo import ensure_demo
from service.demo_keys import ensure_demo_keys
from service.logs import configure_logs
from service.server import serve
from service.settings import Settings

_KEYS_FILE: Final = "demo-keys.json"
_QUESTION: Final = {
    "dataset": "journey",
    "sql": "SELECT department, SUM(amount) AS spend FROM purchases JOIN products USING (product_id) "
    "GROUP BY department ORDER BY spend DESC",
}


def serve_command(
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo dataset and write demo keys, once.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on (KVITTO_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (KVITTO_PORT).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the data (KVITTO_DATA_DIR).")] = None,
) -> None:
    """Serve the HTTP API until Ctrl-C."""
    settings = read_settings(host=host, port=port, data_dir=data_dir)
    configure_logs(settings.log_level, settings.log_format)
    try:
        if demo:
            prepare_demo(settings)
        serve(create_app(settings), settings, lambda url: _announce(url, settings, demo=demo))
    except KeyboardInterrupt:
        err.print("stopped")
    except (LoadError, PolicyError, BudgetError) as error:
        fail(f"{type(error).__name__}: {error}")


def prepare_demo(settings: Settings) -> None:
    """The demo dataset in the vault and its keys in the file; both only where they are not there yet."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with progress() as report:
        ensure_demo(settings.data_dir, settings.vault_root, SecretKeys.open(settings.keys_dir), report)
        report("demo dataset is ready", 1.0)
    keys = open_api_keys(settings)
    ensure_demo_keys(settings.data_dir / _KEYS_FILE, keys)
    keys.close()


def _announce(url: str, settings: Settings, *, demo: bool) -> None:
    out.print(f"Kvitto serves on {url}   API: {url}/docs   Ctrl-C stops it")
    if demo:
        path = (settings.data_dir / _KEYS_FILE).absolute()
        out.print(f"Demo keys, one a role: {path}")
        out.print("Ask something:\n")
        out.print(curl_line(url, path) + "\n")


def curl_line(url: str, keys_file: Path) -> str:
    """A line for a shell that asks the demo dataset with the analyst's key, read from the file."""
    read = f'import json; print(json.load(open({json.dumps(str(keys_file))}))["analyst"])'
    return (
        f'curl -s {url}/v1/queries -H "Authorization: Bearer $(python3 -c {shlex.quote(read)})" '
        f"-H 'Idempotency-Key: first-question' -H 'Content-Type: application/json' "
        f"-d {shlex.quote(json.dumps(_QUESTION))}"
    )
