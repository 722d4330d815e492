"""The command line: `bursar VERB MODEL [options]`, made from the tables of verbs and of options."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from bursar.cli.table import VERBS
from bursar.cli.verb import Verb
from bursar.errors import BursarError, UnknownNameError
from bursar.options import OPTIONS, switch, values
from bursar.options.option import Option

_NEGATIVE = re.compile(r"-(\d|\.\d|inf\b)")
_HIDDEN = "\u2212"  # a minus sign
LONGEST = 900  # characters of a refusal


class Verbs(click.Group):
    """Builds only the command that is called."""

    def __init__(self, verbs: Mapping[str, Verb], **settings: Any) -> None:
        super().__init__(no_args_is_help=True, **settings)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _command(cmd_name, self.verbs[cmd_name]) if cmd_name in self.verbs else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            raise UnknownNameError("verb", args[0], self.verbs)
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command that takes negative numbers for arguments: their sign is hidden from the parser, which would see an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, [_HIDDEN + word[1:] if _NEGATIVE.match(word) else word for word in args])
        ctx.params = {name: _signed(value) for name, value in ctx.params.items()}
        return rest


def _signed(value: Any) -> Any:
    """What was given with its signs again."""
    if isinstance(value, tuple):
        return tuple([_signed(part) for part in value])
    return "-" + value[1:] if isinstance(value, str) and value.startswith(_HIDDEN) else value


def _command(name: str, verb: Verb) -> click.Command:
    if verb.verbs is not None:
        about = import_module(verb.answers).__doc__ or ""
        return Verbs(verb.verbs, name=name, help=f"{about.splitlines()[0]}\n\n\b\n  {verb.example}")
    answer: Callable[[dict[str, Any]], dict[str, Any]] = getattr(import_module(verb.answers), name.replace("-", "_"))

    def run(as_json: bool, **given: Any) -> None:
        named = {str(argument.name): given.pop(str(argument.name)) for argument in arguments}
        options = values(given, own)
        payload = answer({**options, **named})
        if verb.pictures and options["chart"]:
            _draw(name, verb, payload, options)
        if as_json:
            click.echo(json.dumps(payload, ensure_ascii=False))
        else:
            import_module(verb.report).show(name, payload, options["lang"])
        if status := payload.get("exit_status"):
            raise click.exceptions.Exit(status)

    arguments = [_argument(word) for word in (*verb.argument.split(), *(["model"] if verb.model else []))]
    own = {option.name: option for option in verb.own}
    table = [_option(own.get(option, OPTIONS[option])) for option in (*verb.options, "lang")]
    json_flag = click.Option(["--json", "as_json"], is_flag=True, help="print one JSON object and nothing else")
    text = f"{answer.__doc__}\n\n\b\n  {verb.example}"
    return Command(name, callback=run, params=[*arguments, *table, json_flag], help=text, short_help=answer.__doc__)


def _draw(name: str, verb: Verb, payload: dict[str, Any], options: Mapping[str, Any]) -> None:
    """A picture of an answer, into the file that was named."""
    from bursar.report import plot

    plot.write(options["chart"], import_module(verb.pictures).DRAW[name](payload, options["lang"]))
    payload["chart"] = options["chart"]


def _argument(word: str) -> click.Argument:
    """An argument as the table writes it: "[name]" may be left out, of "name..." there may be several."""
    name = word.strip("[]").removesuffix("...")
    return click.Argument([name], required=not word.startswith("["), nargs=-1 if "..." in word else 1)


def _option(option: Option) -> click.Option:
    flag = option.name.replace("_", "-")
    words = f" ({', '.join(option.valid)})" if option.valid else ""
    help_text = f"{option.meaning}{words}" + (f" [{option.default}]" if option.default and not switch(option) else "")
    if switch(option):
        return click.Option([f"--{flag}/--no-{flag}", option.name], default=None, help=help_text)
    return click.Option([f"--{flag}", option.name], default=None, metavar="TEXT" if option.valid else "N", help=help_text)


def _program() -> click.Group:
    from bursar import __version__

    group = Verbs(VERBS, name="bursar", help="What a large language model needs, before anyone pays for it.")
    return click.version_option(__version__, prog_name="bursar")(group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _program().main(args, prog_name="bursar", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (BursarError, click.ClickException) as error:
        return _refuse(_text(error), "--json" in args)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:  # a mistake of ours: say so in a line, and show it to whoever asks
        if os.environ.get("BURSAR_DEBUG"):
            raise
        _refuse(f"internal error, please report it: {type(error).__name__}: {error} (BURSAR_DEBUG=1 shows where)", "--json" in args)
        return 1


def _text(error: BursarError | click.ClickException) -> str:
    """An error on one line, short and without control characters, whatever was given."""
    text = " ".join((str(error) if isinstance(error, BursarError) else error.format_message()).split())
    printable = "".join([character if character.isprintable() else "�" for character in text])
    return printable if len(printable) <= LONGEST else f"{printable[: LONGEST - 1]}…"


def _refuse(text: str, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"error": text}, ensure_ascii=False))
    click.echo(f"bursar: {text}", err=True)
    return 2
