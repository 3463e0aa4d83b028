"""The command line of Kvitto: what `kvitto --help` lists, each command from a module of `commands`."""

from __future__ import annotations

import typer

from service.commands.accuracy import accuracy_command
from service.commands.ask import query_command, quote_command
from service.commands.audit import audit_app
from service.commands.budgets import budgets_app
from service.commands.data import load_command, policy_app, synth_command
from service.commands.governance import approvals_app, freeze_command, unfreeze_command
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
app.command("freeze")(freeze_command)
app.command("unfreeze")(unfreeze_command)
app.add_typer(budgets_app, name="budgets")
app.add_typer(approvals_app, name="approvals")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")
app.add_typer(report_app, name="report")
