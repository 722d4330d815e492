"""The command line: `bursar VERB MODEL [options]`, made from the tables of verbs and of options."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

import click

from bursar.cli.table import SECTIONS, VERBS
from bursar.cli.verb import Verb
from bursar.errors import BursarError, PlanError, UnknownNameError
from bursar.options import OPTIONS, switch, values
from bursar.options.option import Option

_NEGATIVE = re.compile(r"-(\d|\.\d|inf\b)")
_HIDDEN = "\u2212"  # a minus sign
LONGEST = 900  # characters of a refusal


class Verbs(click.Group):
    """A group of verbs, which builds only the command that is called."""

    def __init__(self, path: tuple[str, ...], verbs: Mapping[str, Verb], lang: str, page: Callable[[], str]) -> None:
        language = click.Option(["--lang"], type=click.Choice(OPTIONS["lang"].valid), expose_value=False)
        super().__init__(path[-1] if path else "bursar", params=[language], no_args_is_help=True)
        self.path = path
        self.verbs = verbs
        self.lang = lang
        self.page = page

    def get_help(self, ctx: click.Context) -> str:
        return self.page()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _command((*self.path, cmd_name), self.verbs[cmd_name], self.lang) if cmd_name in self.verbs else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            inside = [f"{name} {args[0]}" for name, verb in self.verbs.items() if args[0] in (verb.verbs or ())]
            if inside:
                raise PlanError(f"unknown verb {args[0]!r}", field="verb", value=args[0], valid=inside)
            raise UnknownNameError("verb", args[0], self.verbs)
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command that takes negative numbers for arguments: their sign is hidden from the parser, which would see an option."""

    def __init__(self, name: str, example: str, page: Callable[[], str], **settings: Any) -> None:
        super().__init__(name, **settings)
        self.example = example
        self.page = page

    def get_help(self, ctx: click.Context) -> str:
        return self.page()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, [_HIDDEN + word[1:] if _NEGATIVE.match(word) else word for word in args])
        except click.exceptions.NoSuchOption as error:
            flags = [flag for param in self.params for flag in param.opts if flag.startswith("-")]
            raise UnknownNameError("option", error.option_name, flags) from None
        except click.UsageError as error:
            problem = error.format_message().replace(_HIDDEN, "-").rstrip(".")
            raise PlanError(problem, field="arguments", valid=self.example) from None
        ctx.params = {name: _signed(value) for name, value in ctx.params.items()}
        return rest


def _signed(value: Any) -> Any:
    """What was given with its signs again."""
    if isinstance(value, tuple):
        return tuple([_signed(part) for part in value])
    return "-" + value[1:] if isinstance(value, str) and value.startswith(_HIDDEN) else value


def _command(path: tuple[str, ...], verb: Verb, lang: str) -> click.Command:
    def page() -> str:
        from bursar.cli import help

        return (help.of_verb if verb.verbs is None else help.of_group)(path, verb, lang)

    if verb.verbs is not None:
        return Verbs(path, verb.verbs, lang, page)
    name = path[-1]

    def run(as_json: bool, **given: Any) -> None:
        answer: Callable[[dict[str, Any]], dict[str, Any]] = getattr(import_module(verb.answers), name.replace("-", "_"))
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

    arguments = [_argument(word) for word in verb.arguments.split()]
    own = {option.name: option for option in verb.own}
    table = [_option(own.get(option, OPTIONS[option])) for option in (*verb.options, "lang")]
    params = [*arguments, *table, click.Option(["--json", "as_json"], is_flag=True)]
    return Command(name, verb.example, page, callback=run, params=params)


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
    forms = f"--{flag}/--no-{flag}" if switch(option) else f"--{flag}"
    return click.Option([forms, option.name], default=None)


def _program(lang: str) -> click.Group:
    from bursar import __version__

    def page() -> str:
        from bursar.cli import help

        return help.of_program(SECTIONS, lang)

    return click.version_option(__version__, prog_name="bursar")(Verbs((), VERBS, lang, page))


def _language(args: Sequence[str]) -> str:
    """The language of a help, which is printed before options are read."""
    return "zh" if ("--lang", "zh") in pairwise(args) or "--lang=zh" in args else "en"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _program(_language(args)).main(args, prog_name="bursar", standalone_mode=False) or 0
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
