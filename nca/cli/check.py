"""`nca check`: put a rule before the laws that every rule keeps."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca.cli.console import (
    AsJson,
    PluginFiles,
    PluginOptions,
    fail,
    given_options,
    load_plugins,
    print_result,
    say,
    show_json,
)
from nca.cli.numbers import number
from nca.errors import NCAError
from nca.validation.faults import toml_value

if TYPE_CHECKING:
    from nca.testing.law import Law
    from nca.testing.subject import Subject
    from nca.testing.verdict import Verdict

HELD, BROKEN, UNCHECKED = 0, 1, 2
"""How the command ends."""

SHORT = {"held": "held", "broken": "broken", "does not apply": "n/a", "not checked": "open"}
INDENT = " " * 8


def check_command(
    rule: Annotated[
        str | None, typer.Argument(metavar="RULE", help="A .py file, or a rule's name.")
    ] = None,
    installed: Annotated[
        bool, typer.Option("--installed", help="Check all rules of installed packages.")
    ] = False,
    budget: Annotated[
        float, number("--budget", 1.0, 86400.0, "Seconds that all of it may take.")
    ] = 60.0,
    examples: Annotated[
        int, number("--examples", 1, 100_000, "Of a law, at most; fewer where time is short.")
    ] = 25,
    law: Annotated[
        list[str] | None,
        typer.Option("--law", metavar="LAW", help="Check only this law. Repeatable."),
    ] = None,
    options: PluginOptions = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> None:
    """Check a rule against the laws of a cellular automaton on a torus.

    Ends with 0 if all laws held, 1 if one is broken, 2 if the rule could not be checked.

    Example: nca check growing
    """
    if (rule is None) != installed:
        raise typer.BadParameter("name one rule, or --installed", param_hint="RULE")
    try:
        given = given_options(options)
        subjects, laws = _with_options(_subjects(rule, plugin), given), _laws(law)
    except NCAError as fault:
        fail(fault)
        raise typer.Exit(UNCHECKED) from fault
    import torch
    from hypothesis import configuration

    # what Hypothesis notes for itself goes elsewhere than into the working folder
    user = os.getuid() if hasattr(os, "getuid") else 0
    configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"nca-hypothesis-{user}")
    torch.set_num_threads(1)  # the grids are small: threads would only wait for each other
    end = time.perf_counter() + budget
    results = [
        _Report(subject, as_json, laws=laws, most=examples).run(seconds, end)
        for subject, seconds in _shares(subjects, end)
    ]
    if as_json:
        show_json(results)
    ends = {result["end"] for result in results}
    raise typer.Exit(BROKEN if BROKEN in ends else max(ends))


def _subjects(rule: str | None, plugins: list[Path] | None) -> list["Subject"]:
    from nca.checkpoint.find import in_notation
    from nca.files import is_file, user_path
    from nca.testing import demand_hypothesis
    from nca.testing.subject import installed_subjects, subject_of_name, subjects_of_file

    demand_hypothesis()
    load_plugins(plugins)
    if rule is None:
        return installed_subjects()
    if not is_file(user_path(rule)) and (text := in_notation(rule)) is not None:
        return _subjects_of_recipe(rule, text)
    if rule.endswith(".py") or "/" in rule:
        return subjects_of_file(rule)
    return [subject_of_name(rule, tuple(map(str, plugins or ())))]


def _subjects_of_recipe(source: str, text: str) -> list["Subject"]:
    """Return the rules of the recipe for which a text stands, each with its options."""
    from nca.recipe.draft import Draft
    from nca.testing.subject import subject_of_name

    levels = Draft.read(text, (), source).tables["levels"]
    rules = [rule for level in levels for rule in level["rules"]]
    found = []
    for rule in rules:
        name, options = rule["name"], {key: v for key, v in rule.items() if key != "name"}
        found += _with_options([subject_of_name(name, ())], options)
    return found


def _with_options(subjects: list["Subject"], options: dict[str, Any]) -> list["Subject"]:
    """Give options to the one rule that is checked.

    Raises:
        NCAError: There are several.
    """
    if options and len(subjects) > 1:
        raise NCAError(
            f"options are for one rule, and {len(subjects)} are checked.",
            where=f"--set {', '.join(options)}",
            to_do=f"name one: nca check {subjects[0].name} --set ..., with --plugin FILE if a "
            "file registers it",
        )
    return [replace(subject, options=options) for subject in subjects]


def _laws(names: list[str] | None) -> list["Law"]:
    from nca.suggest import select_named
    from nca.testing.check import LAWS

    known = {law.name: law for law in LAWS}
    return select_named("law", names or [], known, "--law")


def _shares(subjects: list["Subject"], end: float) -> Iterator[tuple["Subject", float]]:
    """Yield each rule with its share of the time that is left."""
    for index, subject in enumerate(subjects):
        yield subject, (end - time.perf_counter()) / (len(subjects) - index)


class _Report:
    """What is said of a rule, law by law, while they are checked.

    Args:
        subject: The rule.
        silent: Whether nothing is printed.
        asked: Which laws are checked, and how many examples are drawn for one.
    """

    def __init__(self, subject: "Subject", silent: bool, **asked: Any) -> None:
        self.subject, self.silent, self.asked = subject, silent, asked
        self.laws: list[dict[str, Any]] = []

    def run(self, seconds: float, end: float) -> dict[str, Any]:
        """Check the rule, print what is found, and return it as JSON has it.

        Args:
            seconds: How long it may take.
            end: When the time is over for all rules.
        """
        from nca.testing.check import verdicts
        from nca.testing.gains import gains
        from nca.testing.harness import Harness

        subject, begun = self.subject, time.perf_counter()
        head: dict[str, Any] = {"rule": subject.name, "origin": subject.origin}
        head |= {"options": subject.options} if subject.options else {}
        given = "".join(f", {k} = {toml_value(v)}" for k, v in subject.options.items())
        self._print(f"{subject.name}, from {subject.origin}{given}")
        found: list[Verdict] = []
        said: list[str] = []
        try:
            self.axes = Harness(subject.place_rule).axes
            asked = {**self.asked, "until": end}
            for verdict in verdicts(subject.place_rule, 0.85 * seconds, **asked):
                found.append(verdict)
                self._law(verdict)
            for gain in gains(subject.place_rule, found, 0.15 * seconds):
                said.append(gain)
                self._print(f"gain    {gain}")
        except Exception as fault:  # a rule may raise whatever it likes, where it is made too
            return {**head, "laws": self.laws, **self._unchecked(fault), "end": UNCHECKED}
        taken = round(time.perf_counter() - begun, 1)
        counts = {word: sum(v.outcome == word for v in found) for word in SHORT}
        words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        self._print(f"{subject.name}: {words}; {taken} s\n")
        code = BROKEN if counts["broken"] else UNCHECKED if counts["not checked"] else HELD
        return {**head, "laws": self.laws, "gains": said, "seconds": taken, "end": code}

    def _law(self, verdict: "Verdict") -> None:
        from nca.testing.check import NO_TIME
        from nca.testing.words import example_in_words, line_of_python

        law, example = verdict.law, dict(verdict.example)
        row: dict[str, Any] = {
            "law": law.name,
            "statement": law.statement,
            "outcome": verdict.outcome,
            "examples": verdict.examples,
            "why": verdict.why or None,
        }
        text = verdict.why if verdict.outcome == "does not apply" else law.statement
        self._print(f"{SHORT[verdict.outcome]:<8}{law.name:<18} {text}")
        if verdict.why == NO_TIME:
            self._print(f"{INDENT}{NO_TIME}: --budget gives it more")
        elif verdict.outcome in ("broken", "not checked"):
            row["example"] = example_in_words(example, self.axes) or "that of the defaults"
            row["python"] = line_of_python(
                repr(self.subject.name),
                law.name,
                example,
                self.subject.plugin,
                self.subject.options,
            )
            for line in (verdict.why, f"smallest example: {row['example']}", row["python"]):
                self._print(INDENT + line)
        self.laws.append(row)

    def _unchecked(self, fault: Exception) -> dict[str, Any]:
        from nca.registry.discovery import plugin_fault

        known = fault if isinstance(fault, NCAError) else plugin_fault(fault)
        if known is None:
            raise fault
        fail(known)
        say(f"{self.subject.name}: not checked")
        return {"error": {"what": known.what, "where": known.where, "to_do": known.to_do}}

    def _print(self, line: str) -> None:
        if not self.silent:
            print_result(line)
