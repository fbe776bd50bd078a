"""Slides made from a chapter's built page: what goes on which slide, and the files they need."""

from .pages import export

__all__ = ["export"]
