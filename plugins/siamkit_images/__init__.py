"""Images: whole pictures, compared by any network of timm."""

from siamkit_images.modality import Images

__all__ = ["Images"]
