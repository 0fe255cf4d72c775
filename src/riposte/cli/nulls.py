"""What ``riposte walkforward --null`` does: draws null tests, keeps each, and hands them to the report."""

from __future__ import annotations

import dataclasses

import riposte
from riposte.cli.display import Report
from riposte.cli.market import Market, features_of
from riposte.cli.trials import hash_of
from riposte.errors import DataError, InputError, nearest
from riposte.proof.chance.nulls import draw_as_json, draw_from_json, draw_nulls
from riposte.proof.chance.results import KINDS, NullDraw, NullKind
from riposte.proof.chance.standing import null_tests
from riposte.proof.results import Study
from riposte.proof.trials import settings_hash
from riposte.settings.convert import plan_of
from riposte.settings.schema import Settings
from riposte.stores.null_draws import NullDraws


def kinds_of(text: str | None) -> tuple[NullKind, ...]:
    """The kinds of null test in a comma-separated list; none where nothing was given.

    Raises:
        InputError: if one is not known.
    """
    named = [part.strip() for part in text.split(",")] if text is not None else []
    for name in named:
        if name not in KINDS:
            raise InputError(
                f"null test {name!r} is not known: use {' or '.join(KINDS)}, or both with a comma"
                + nearest(name, KINDS)
            )
    return tuple(kind for kind in KINDS if kind in named)


def draws_of(settings: Settings, market: Market) -> NullDraws:
    """Where the draws of this study are kept: the same data, settings and version have the same."""
    key = settings_hash((market.version, hash_of(settings), riposte.__version__))
    return NullDraws(settings.data.nulls, key)


def with_kept_nulls(study: Study, kept: NullDraws) -> Study:
    """The study with all null tests that were ever drawn for it.

    Raises:
        DataError: if a kept draw is damaged.
        StorageError: if it cannot be read.
    """
    draws = [_read(kept, name) for name in kept.names()]
    chance = dataclasses.replace(study.chance, nulls=null_tests(draws))
    return dataclasses.replace(study, chance=chance)


def draw_and_keep(
    kinds: tuple[NullKind, ...],
    seeds: int,
    settings: Settings,
    market: Market,
    report: Report,
    workers: int,
) -> None:
    """Make the draws 1 to ``seeds`` of each kind that are not kept yet; each is kept when it is made."""
    kept = draws_of(settings, market)
    there = set(kept.names())
    total = len(kinds) * seeds
    done = sum(_name(kind, number) in there for kind in kinds for number in range(1, seeds + 1))
    report("null tests", done, total)
    for kind in kinds:
        missing = [n for n in range(1, seeds + 1) if _name(kind, n) not in there]
        made = draw_nulls(
            kind,
            missing,
            market.frames,
            market.instruments,
            plan_of(settings),
            workers=workers,
            progress=lambda what, d, n: report(f"  {what}", d, n),
            features=features_of(settings),
        )
        for draw in made:
            kept.keep(_name(draw.kind, draw.number), draw_as_json(draw))
            done += 1
            report("null tests", done, total)


def _name(kind: NullKind, number: int) -> str:
    return f"{kind}-{number:04d}"


def _read(kept: NullDraws, name: str) -> NullDraw:
    try:
        return draw_from_json(kept.read(name))
    except DataError as error:
        raise kept.damaged(name, error) from error
