"""Task families: one file each, found by discovery."""

from substrate.registry import discover
from tasks.base import Family

FAMILIES = discover("tasks", "FAMILY", Family)
