"""On which settings studies differ: only those, since what they share explains nothing."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from riposte.errors import DataError
from riposte.proof.comparison.results import SettingDifference
from riposte.proof.report.record import StudyRecord

ABSENT = "–"
# Where things lie and how fast the work is done; no figure of a study hangs on these.
_PLACES = (
    "data.archive",
    "data.connections",
    "data.database",
    "data.exchange_url",
    "data.feature_cache",
    "data.lake",
    "data.store",
    "data.trials",
    "model.folder",
    "report.",
    "tune.",
    "walkforward.workers",
)


def differing_settings(records: Sequence[StudyRecord]) -> tuple[SettingDifference, ...]:
    """The keys on which not all agree, those that decide figures first.

    A key that follows the interval is not written by a study, so the barriers it led to are added in
    words. Raises:
        DataError: if the settings of a study cannot be read.
    """
    flat = [_flat(record) for record in records]
    keys = list(dict.fromkeys(key for each in flat for key in each))
    found = [
        SettingDifference(key, tuple(each.get(key, ABSENT) for each in flat), _decides(key))
        for key in keys
        if len({each.get(key, ABSENT) for each in flat}) > 1
    ]
    if len({record.barriers for record in records}) > 1:
        words = tuple(record.barriers for record in records)
        found.append(SettingDifference("barriers in effect", words, decides=True))
    if len({record.version for record in records}) > 1:
        versions = tuple(record.version for record in records)
        found.append(SettingDifference("version of riposte", versions, decides=True))
    return tuple(sorted(found, key=lambda each: not each.decides))


def _decides(key: str) -> bool:
    return not key.startswith(_PLACES)


def _flat(record: StudyRecord) -> Mapping[str, str]:
    try:
        return _dotted(tomllib.loads(record.settings))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{record.name}: its settings cannot be read: {error}") from None


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _shown(value)
    return flat


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return json.dumps(value)
