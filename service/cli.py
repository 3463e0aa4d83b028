"""The command line: `kvitto serve | load | refresh | optout | synth | policy | accuracy | query | quote | …`."""

from __future__ import annotations

import typer

from service.commands.accuracy import accuracy_command
from service.commands.ask import budget_app, query_command, quote_command
from service.commands.audit import audit_app
from service.commands.data import load_command, policy_app, synth_command
from service.commands.keys import keys_app
from service.commands.optout import optout_command, refresh_command
from service.commands.report import report_app
from service.commands.serve import serve_command

app = typer.Typer(
    name="kvitto",
    help="Statistics about purchases under differential privacy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve_command)
app.command("load")(load_command)
app.command("refresh")(refresh_command)
app.command("optout")(optout_command)
app.command("synth")(synth_command)
app.command("accuracy")(accuracy_command)
app.command("query")(query_command)
app.command("quote")(quote_command)
app.add_typer(policy_app, name="policy")
app.add_typer(budget_app, name="budget")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")
app.add_typer(report_app, name="report")
