"""Of cases and labels, raw or prepared."""

from abstractor.base.errors import UserError


class CorpusError(UserError):
    """Cases or labels are missing, unreadable or not what the codebook says."""
