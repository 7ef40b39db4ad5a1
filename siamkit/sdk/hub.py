"""The Hugging Face hub: work offline where no network is needed, and check before a download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.quiet import quiet

PATIENCE = 10.0  # seconds until a hub that does not answer counts as unreachable


@contextmanager
def offline() -> Iterator[None]:
    """Keep huggingface_hub off the network: transformers asks it even about a local folder."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def require_reachable(repository: str, *, hint: str) -> None:
    """Raise unless the hub answers within PATIENCE and has the model; a download would retry.

    repository: OWNER/MODEL. hint: what to use instead, for the error. Raises BadInput if the hub
    has no such model, MissingWeights if it cannot be fetched: HF_HUB_OFFLINE is set, the model is
    gated, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise MissingWeights(
            f"{repository} is not in the local hub cache, and HF_HUB_OFFLINE forbids fetching it",
            hint=hint,
        )
    try:
        with quiet():
            HfApi().model_info(repository, timeout=PATIENCE)
    except GatedRepoError as error:
        raise MissingWeights(
            f"{repository} can be fetched only after you accept its terms on the hub",
            hint="accept them on its page, then run `hf auth login`",
        ) from error
    except RepositoryNotFoundError as error:
        raise BadInput(f"the hub has no model {repository!r}", hint=hint) from error
    except Exception as error:  # of httpx, requests or the system
        raise MissingWeights(
            f"{repository} is not in the local hub cache, and the hub cannot be reached"
            f" ({type(error).__name__})",
            hint=hint,
        ) from error
