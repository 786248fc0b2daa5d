"""`python -m usocket`: which library this is and what it can do."""

from . import features, library, version

print(f"version: {version}")
print(f"library: {library}")
print(f"features: {features}")
