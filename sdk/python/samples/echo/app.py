"""The program's first module: it only brings in what the world exports."""

import handler  # noqa: F401
