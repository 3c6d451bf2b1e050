"""Task families: one file each, found when somebody looks."""

from substrate.registry import Registry
from tasks.base import Family

#: Every task family by name, with those of installed packages and of a person's own files.
FAMILIES = Registry("task", "tasks", "FAMILY", Family, "hebbarium.tasks")
