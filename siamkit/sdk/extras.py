"""Ask for the packages of an extra, such as `siamkit[train]`, before they are imported."""

from siamkit.io.extras import install_command, is_installed, require_extra

__all__ = ["install_command", "is_installed", "require_extra"]
