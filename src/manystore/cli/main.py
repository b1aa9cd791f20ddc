"""The command `manystore`: finds the file that holds a verb, and turns errors into one line and an exit code.

Knows click and the error tree; a verb's own file is imported only when the verb is called.
"""

from __future__ import annotations

from importlib import import_module

import click

from ..errors import ManystoreError

# verb -> what its line in the help says; the verb is the function of that name in the file of that name.
_VERBS = {
    "conform": "Run the conformance suite on a store.",
    "inspect": "List what a store holds, or write models of its tables.",
    "migrate": "Make, check and list migrations.",
    "nova": "The flagship: the data layer of a compute cloud's control plane.",
}


class Verbs(click.Group):
    """A group whose commands are imported when called; every ManystoreError becomes one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs."""
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in _VERBS:
            return None
        found: click.Command = getattr(import_module(f".{cmd_name}", __package__), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_VERBS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except ManystoreError as error:
            raise click.ClickException(" ".join(str(error).split())) from None


@click.group(cls=Verbs)
@click.version_option(package_name="manystore", message="manystore %(version)s")
def main() -> None:
    """One data model, many stores: SQL databases, key-value stores and memory behind one typed API."""


if __name__ == "__main__":
    main()
