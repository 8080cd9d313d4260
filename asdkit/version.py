"""The version, in a module that every layer may import."""

__version__ = "0.1.0"

API_VERSION = 2
"""Version of the plugin API; see ``docs/plugin-api.md``."""
