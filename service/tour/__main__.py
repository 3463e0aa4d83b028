"""`python -m service.tour`: run the tour; exit code 0 if everything came out as it should, else 1."""

from __future__ import annotations

import signal
import sys

from rich.console import Console

from service.client_errors import KvittoError
from service.tour.errors import TourError
from service.tour.instance import temporary_instance
from service.tour.steps import Tour, run


def main() -> int:
    """Start an instance, show it, stop it, and clean up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False)
    console.print("[bold]Kvitto in two minutes[/bold]", "On a temporary instance that is thrown away afterwards.\n")
    try:
        with temporary_instance(console) as instance:
            run(Tour.of(console, instance))
            instance.stop()
            console.print(instance.verified_ledger())
    except (TourError, KvittoError) as error:
        console.print(f"[red]The tour went wrong:[/red] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    console.print("\n[green]Everything came out as it should.[/green] Now yours: make run, then docs/sql.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
