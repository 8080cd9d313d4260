"""A layout of folders by unit and files by date: options and hook."""

from asdkit.api import Config, Entry, Field, hookimpl


class DatedFoldersConfig(Config):
    """Training ends with a date."""

    until: str = Field("2025-12-31", pattern=r"^\d{4}-\d{2}-\d{2}$", description="last day of the training recordings")


@hookimpl
def asdkit_layouts():
    target = "asdkit_dated_folders.layout:DatedFolders"
    return [Entry("dated-folders", DatedFoldersConfig, target, "Folders by unit, files by date.", api_version=2)]
