"""The Hugging Face hub: kept out of what needs no network, and asked once before a download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.quiet import quiet

PATIENCE = 10.0  # seconds until a hub that does not answer counts as unreachable


@contextmanager
def offline() -> Iterator[None]:
    """Nothing is fetched, and nobody is asked, as transformers does even about a local folder."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def require_reachable(repository: str, *, hint: str) -> None:
    """Raise unless the hub has that model and answers; a download itself would ask again and again.

    hint: what to take instead. Raises BadInput for a model that the hub does not know,
    MissingWeights for one that cannot be fetched.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise MissingWeights(
            f"{repository} is not in the hub's cache, and HF_HUB_OFFLINE forbids fetching it",
            hint=hint,
        )
    try:
        with quiet():
            HfApi().model_info(repository, timeout=PATIENCE)
    except GatedRepoError as error:
        raise MissingWeights(
            f"{repository} is open only to those who accepted its terms on the hub",
            hint="accept them there, then `hf auth login`",
        ) from error
    except RepositoryNotFoundError as error:
        raise BadInput(f"the hub knows no model {repository!r}", hint=hint) from error
    except Exception as error:  # httpx's, requests', the system's
        raise MissingWeights(
            f"{repository} is not in the hub's cache and the hub cannot be reached"
            f" ({type(error).__name__})",
            hint=hint,
        ) from error
