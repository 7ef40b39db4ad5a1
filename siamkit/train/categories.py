"""Give identities a category each, so that batches can keep to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.sources import shorten
from siamkit.store.labels import normalise_label
from siamkit.train.examples import Example

HINT = "give a table with a column category, or a folder per category with one per identity in it"


def categorise(examples: Sequence[Example], folder: str) -> list[Example]:
    """Take the first folder in a folder of examples as their category, and the second as identity.

    Their labels become CATEGORY/IDENTITY. Raises BadInput for one that is not two folders deep.
    """
    return [_categorise(example, Path(folder)) for example in examples]


def require_categories(examples: Sequence[Example]) -> None:
    """Raise BadInput for an example without a category, an identity in two, or one of all."""
    missing = [example for example in examples if not example.category]
    if missing:
        raise BadInput(
            f"sampler = category: {len(missing):,} of {len(examples):,} examples have no category,"
            f" the first: {shorten(missing[0].name)}",
            hint=HINT,
        )
    category_of: dict[str, str] = {}
    for example in examples:
        first = category_of.setdefault(example.label, example.category)
        if first != example.category:
            raise BadInput(
                f"{example.label!r} is in two categories, {first!r} and {example.category!r}",
                hint="give each identity one category, or two labels",
            )
    if len(set(category_of.values())) == 1:
        raise BadInput(
            f"sampler = category has no effect: {examples[0].category!r} is the only category",
            hint=HINT,
        )


def _categorise(example: Example, folder: Path) -> Example:
    parts = Path(example.source).relative_to(folder).parts
    if len(parts) < 3:
        raise BadInput(
            f"sampler = category: {shorten(example.name)} is in no folder of an identity", hint=HINT
        )
    category, identity = (normalise_label(part) for part in parts[:2])
    return replace(example, category=category, label=f"{category}/{identity}")
