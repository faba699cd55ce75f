"""The specification's import path: re-exports, nothing else."""

from spinney.lru_ttl_cache import LRUTTLCache

__all__ = ["LRUTTLCache"]
